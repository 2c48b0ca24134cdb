// SHA-256 of a drop's bytes, taken while they stream by (FIPS 180-4, by OpenSSL).
//
// A drop's digest is taken at its claim and must still hold when its content is sent. Who streams a content
// hashes the bytes before it, then the content, then what stands behind it:
//
//   Sha256 sum;
//   hash_range(file, 0, content.offset, sum);
//   … sum.update(block) for each block of the content …
//   hash_range(file, content.offset + content.length, stamp.size, sum);
//   sum.finish() == facts.digest
//
// A copy is a saved state: it goes on from there, as often as wanted.
#pragma once

#include "spool/disk.h"
#include "spool/message.h"

#include <memory>
#include <string_view>

struct evp_md_ctx_st;

namespace bulkmail::spool {

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256& other);
  Sha256& operator=(const Sha256& other);
  Sha256(Sha256&&) noexcept = default;
  Sha256& operator=(Sha256&&) noexcept = default;

  void update(std::string_view bytes);
  [[nodiscard]] Digest finish(); // once, at the end; a copy taken before goes on

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

[[nodiscard]] Digest sha256(std::string_view bytes);

// Hashes the file's octets from `from` up to `to`, block by block. The file ends before: an error (EIO).
Result<void> hash_range(File& file, std::uint64_t from, std::uint64_t to, Sha256& into);

} // namespace bulkmail::spool
