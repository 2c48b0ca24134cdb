#include "transport/content/merge/encodings.h"
#include "transport/content/merge/text.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <random>

using namespace bulkmail;
using namespace bulkmail::transport;
using namespace std::string_literals;

namespace {

// "name" is Ann, "n" is 7.
spool::FieldNames names() {
  spool::FieldNames names;
  names.add("name");
  names.add("n", 1);
  return names;
}

std::string filled(std::string_view text) {
  FieldUse use;
  const auto parsed = MergeText::parse(text, names(), use);
  if (!parsed)
    return parsed.error().code +
           (parsed.error().missing_field.empty() ? "" : " " + parsed.error().missing_field);
  const std::string_view values[] = {"Ann", "7"};
  return parsed->plain(values);
}

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted_printable(out, text);
  return out;
}

std::string words(std::string_view text) {
  std::string out;
  append_encoded_words(out, text);
  return out;
}

} // namespace

TEST_CASE("placeholders are filled in") {
  CHECK(filled("{{name}}") == "Ann");
  CHECK(filled("Hello {{name}}, {{ n }} of {{{name}}}!") == "Hello Ann, 7 of Ann!");
  CHECK(filled("{{name}}{{name}}") == "AnnAnn");
  CHECK(filled("{name} {} }} }}}") == "{name} {} }} }}}");
}

TEST_CASE("a backslash takes the meaning of braces away, a second one its own") {
  CHECK(filled(R"(\{{name}})") == "{{name}}");
  CHECK(filled(R"(\\{{name}})") == R"(\Ann)");
  CHECK(filled(R"(\\\{{name}})") == R"(\{{name}})");
  CHECK(filled(R"(a\b {{n}})") == R"(a\b 7)");
}

TEST_CASE("what looks like a placeholder and is none is a problem, and so is a name that nobody has") {
  for (const char* wrong :
       {"{{", "{{name", "{{}}", "{{first name}}", "{{#if}}", "{{{name}}", "{{{{name}}}}", "{{n\xc3\xb6}}"})
    CHECK(filled(wrong) == "bad-template");
  CHECK(filled("{{town}}") == "missing-field town");
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "{{n}}";
  CHECK(filled(many) == "bad-template");
}

TEST_CASE(
    "quoted-printable: lines of at most 76, hex where it must be, nothing that looks like a delimiter") {
  CHECK(quoted("a=b \xc3\xbc\r\n\r\nx ") == "a=3Db =C3=BC\r\n\r\nx=20");
  CHECK(quoted("tab\t") == "tab=09");
  CHECK(quoted(std::string(76, 'x')) == std::string(76, 'x'));
  CHECK(quoted(std::string(77, 'x')) == std::string(75, 'x') + "=\r\nxx");
  CHECK(quoted("--b\r\n-a\r\n--") == "=2D-b\r\n-a\r\n=2D-");
  CHECK(quoted(std::string(75, 'x') + "--b") == std::string(75, 'x') + "=\r\n=2D-b");
  CHECK(decode_quoted_printable("a=3Db=\r\nc=20 \r\n=zz=4") == "a=bc \r\n=zz=4");
}

TEST_CASE("encoded words are at most 75 octets and never cut a character") {
  CHECK(words("J\xc3\xb6rg") == "=?utf-8?Q?J=C3=B6rg?=");
  CHECK(words("\xe6\x9d\x8e\xe5\xb0\x8f") == "=?utf-8?B?5p2O5bCP?=");
  std::string text;
  for (int i = 0; i < 100; ++i) text += i % 3 == 0 ? "\xf0\x9f\x98\x80" : "\xc3\xb6";
  std::string_view rest;
  const std::string encoded = words(text);
  for (std::string_view all = encoded; !all.empty(); all = rest) {
    const std::size_t end = std::min(all.find(' '), all.size());
    CHECK(end <= 75);
    rest = all.substr(std::min(end + 1, all.size()));
  }
}

TEST_CASE("whatever is encoded is read back the same") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (auto left = random() % 300; left > 0; --left) {
      const char* const pieces[] = {"a",    "=", " ",  "\t", "\xc3\xbc", "\xe6\x9d\x8e",
                                    "\r\n", "-", "--", ".",  "xxxxxxxxx"};
      text += pieces[random() % std::size(pieces)];
    }
    REQUIRE(decode_quoted_printable(quoted(text)) == text);
    std::string base64;
    append_base64_lines(base64, text);
    REQUIRE(decode_base64_body(base64) == text);
  }
}

TEST_CASE("other charsets are strict: no character is guessed") {
  CHECK(convert("J\xc3\xb6rg", "UTF-8", "iso-8859-1") == "J\xf6rg");
  CHECK(convert("J\xf6rg", "iso-8859-1", "UTF-8") == "J\xc3\xb6rg");
  CHECK_FALSE(convert("\xe6\x9d\x8e", "UTF-8", "iso-8859-1"));
  CHECK_FALSE(convert("\xff", "UTF-8", "iso-8859-1"));
  CHECK_FALSE(convert("x", "UTF-8", "no-such-charset"));
  CHECK(convert(std::string(1000, 'x'), "UTF-8", "UTF-16LE")->size() == 2000);
}

TEST_CASE("percent-encoding leaves a URI one, and makes anything else a part of one") {
  std::string whole, component;
  append_percent_encoded(whole, "https://x/?a=b%20c&d=<e> \"\r\n\xc3\xb6", UriPart::whole);
  append_percent_encoded(component, "a/b+c=d%&~", UriPart::component);
  CHECK(whole == "https://x/?a=b%20c&d=%3Ce%3E%20%22%0D%0A%C3%B6");
  CHECK(component == "a%2Fb%2Bc%3Dd%25%26~");
}
