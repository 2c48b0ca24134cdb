#!/bin/sh
# What a signature costs beside OpenSSL's own signing (openssl speed), in CPU time, one after the other in the same run:
#
#   tests/bench/dkim_cost.sh [BUILD]     BUILD: a release build, default build/release
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/release}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
g++ -std=c++23 -O2 -DFMT_SHARED -I. tests/bench/dkim_cost.cpp -o "$scratch/dkim_cost" "$build/transport/libbulkmail_transport.a" \
  "$build/spool/libbulkmail_spool.a" "$build/resolver/libbulkmail_resolver.a" -lfmt -lcrypto -lidn2
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$scratch/rsa2048" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$scratch/ed25519"
for round in 1 2 3; do
  for key in rsa2048 ed25519; do
    theirs=$(openssl speed -mr -seconds 3 $key 2>/dev/null | awk -F: '/^\+F[26]/ { print 1e6 / $(NF - 1) }')
    ours=$("$scratch/dkim_cost" "$scratch/$key")
    echo "$round $key $ours $theirs"
  done
done | awk '{ printf "%s: a message %.1f us, openssl speed %.1f us, %.3f times\n", $2, $3, $4, $3 / $4 }'
