// What puts UTF-8 text into seven bits: quoted-printable (RFC 2045 §6.7), base64 (§6.8), encoded words (RFC 2047), percent
// (RFC 3986 §2.1); and other charsets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::transport {

// CRLF ends a line; every other octet that can't stand for itself is written in hex. Lines of at most 76.
void append_quoted_printable(std::string& out, std::string_view text);
[[nodiscard]] std::string decode_quoted_printable(std::string_view text); // soft breaks within it are undone

// Lines of 76, CRLF between them, none at the end.
void append_base64_lines(std::string& out, std::string_view bytes);
// What isn't of the alphabet is overlooked, as RFC 2045 asks for; none: what remains is no base64.
[[nodiscard]] std::optional<std::string> decode_base64_body(std::string_view text);

// As encoded words, a space between them, cut between characters; fit for a phrase, too. The first has `first_room` octets.
inline constexpr std::size_t longest_word = 75;  // RFC 2047 §2
inline constexpr std::size_t shortest_word = 24; // any character fits in it
void append_encoded_words(std::string& out, std::string_view text, std::size_t first_room = longest_word);

enum class UriPart : std::uint8_t {
  component, // but for the unreserved characters all is encoded
  whole,     // a URI already: only what can't stand in one is
};
void append_percent_encoded(std::string& out, std::string_view text, UriPart part);

// None: there is no such charset, or a character it can't say.
[[nodiscard]] std::optional<std::string> convert(std::string_view text, const std::string& from,
                                                 const std::string& to);

} // namespace bulkmail::transport
