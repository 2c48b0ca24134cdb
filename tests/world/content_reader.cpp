#include "tests/world/content_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>

namespace bulkmail::world {
namespace {

// A line longer than this is taken piece by piece, so that the buffer stays small.
constexpr std::size_t long_line = 8192;

// Fetched once: OpenSSL 3 looks EVP_sha256() up in its providers at every use.
const EVP_MD* sha256() {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest;
}

} // namespace

ContentReader::ContentReader(Wanted wanted) : wanted_(wanted) {
  if (wanted_.digest) context_.reset(EVP_MD_CTX_new());
}

void ContentReader::begin() {
  line_start_ = true;
  done_ = false;
  size_ = bare_ = 0;
  last_ = '\0';
  text_.clear();
  if (context_ && EVP_DigestInit_ex2(context_.get(), sha256(), nullptr) != 1)
    throw std::runtime_error("no SHA-256");
}

std::size_t ContentReader::take(std::string_view input) {
  std::size_t at = 0;
  std::size_t run = 0; // [run, at) is content not yet kept
  for (auto newline = input.find('\n'); newline != std::string_view::npos; newline = input.find('\n', at)) {
    const bool crlf = newline > at && input[newline - 1] == '\r';
    if (line_start_ && input[at] == '.') {
      keep(input.substr(run, at - run));
      run = at + 1;
      if (crlf && newline == at + 2) {
        done_ = true;
        return newline + 1;
      }
    }
    count_bare(input.substr(at, newline - at - (crlf ? 1 : 0)));
    bare_ += crlf ? 0 : 1;
    line_start_ = crlf;
    at = newline + 1;
  }
  auto rest = input.substr(at);
  if (rest.ends_with('\r')) rest.remove_suffix(1); // half a line end
  if (rest.size() > long_line) {
    if (line_start_ && rest.front() == '.') {
      keep(input.substr(run, at - run));
      run = at + 1;
    }
    count_bare(rest);
    line_start_ = false;
    at += rest.size();
  }
  keep(input.substr(run, at - run));
  return at;
}

void ContentReader::take_chunk(std::string_view octets) {
  for (const char octet : octets) { // a CR and an LF need each other
    if ((octet == '\n') != (last_ == '\r')) ++bare_;
    if (octet == '\0') ++bare_;
    last_ = octet;
  }
  keep(octets);
}

void ContentReader::end_chunks() {
  if (last_ == '\r') ++bare_;
  done_ = true;
}

std::string ContentReader::hex_digest() {
  std::string hex;
  if (!context_) return hex;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  EVP_DigestFinal_ex(context_.get(), bytes.data(), &length);
  constexpr std::string_view digits = "0123456789abcdef";
  for (unsigned i = 0; i < length; ++i) {
    hex += digits[bytes.at(i) >> 4];
    hex += digits[bytes.at(i) & 15];
  }
  return hex;
}

void ContentReader::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  if (context_) EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  if (wanted_.text) text_ += bytes;
}

void ContentReader::count_bare(std::string_view line) {
  bare_ +=
      static_cast<std::uint64_t>(std::ranges::count_if(line, [](char c) { return c == '\r' || c == '\0'; }));
}

} // namespace bulkmail::world
