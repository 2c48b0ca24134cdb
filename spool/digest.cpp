#include "spool/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

namespace bulkmail::spool {
namespace {

constexpr std::size_t block = std::size_t{64} << 10;

// Fetched once: OpenSSL 3 looks an algorithm up by name, under a lock, each time it is asked for one.
const EVP_MD* algorithm() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

// What can fail here is memory alone.
void require(bool done) {
  if (!done) throw std::bad_alloc();
}

} // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ && EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
}

Sha256::Sha256(const Sha256& other) : context_(EVP_MD_CTX_new()) {
  require(context_ && EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1);
}

Sha256& Sha256::operator=(const Sha256& other) {
  require(this == &other || EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1);
  return *this;
}

void Sha256::update(std::string_view bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  Digest sum{};
  require(EVP_DigestFinal_ex(context_.get(), sum.data(), nullptr) == 1);
  return sum;
}

Digest sha256(std::string_view bytes) {
  Sha256 sum;
  sum.update(bytes);
  return sum.finish();
}

Result<void> hash_range(File& file, std::uint64_t from, std::uint64_t to, Sha256& into) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(std::min<std::uint64_t>(block, to - from));
  while (from < to) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block, to - from));
    const auto got = file.read_at(from, {buffer.get(), wanted});
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return std::unexpected(Error{EIO, "the file is shorter than it was"});
    into.update({buffer.get(), *got});
    from += *got;
  }
  return {};
}

} // namespace bulkmail::spool
