// Receives the content of one message as a strict host does (RFC 5321 §4.1.1.4, §4.5.2): only CRLF ends a
// line, only CRLF . CRLF ends the content, and one leading dot of a line is taken away. Or in chunks (RFC 3030), which are
// taken as they are.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bulkmail::world {

class ContentReader {
 public:
  struct Wanted {
    bool digest = true;
    bool text = false; // keep the content
  };

  explicit ContentReader(Wanted wanted);

  void begin();
  // Takes what it can of the input and tells how many bytes that was; what follows the final dot is left.
  std::size_t take(std::string_view input);

  void take_chunk(std::string_view octets); // a chunk, or a part of one
  void end_chunks();

  [[nodiscard]] bool done() const { return done_; }

  [[nodiscard]] std::uint64_t size() const { return size_; } // octets, CRLF included, unstuffed

  [[nodiscard]] std::uint64_t bare() const { return bare_; } // bare CR, bare LF and NUL

  [[nodiscard]] const std::string& text() const { return text_; }

  [[nodiscard]] std::string hex_digest(); // once, when done; empty when not wanted

 private:
  void keep(std::string_view bytes);
  void count_bare(std::string_view line);

  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }

    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
  };

  Wanted wanted_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  bool line_start_ = true, done_ = false;
  std::uint64_t size_ = 0, bare_ = 0;
  char last_ = '\0'; // octet of the chunks so far
  std::string text_;
};

} // namespace bulkmail::world
