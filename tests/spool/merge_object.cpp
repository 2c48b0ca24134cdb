#include "spool/drop/merge_object.h"

#include "spool/base64.h"
#include "spool/drop/format.h"
#include "spool/drop/submit.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <chrono>
#include <map>

using namespace bulkmail::spool;
using namespace std::string_literals;

namespace {

using Fields = std::map<std::string, std::string, std::less<>>;

std::string base64(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

Fields read(std::string_view json) {
  MergeObject object;
  const auto done = object.read(base64(json));
  if (!done) FAIL(json << ": " << done.error());
  Fields fields;
  for (const auto& [name, value] : object.fields()) fields.emplace(name, value);
  return fields;
}

std::string problem(std::string_view json) {
  MergeObject object;
  const auto done = object.read(base64(json));
  if (done) FAIL("taken: " << json);
  CHECK(object.fields().empty());
  return done.error();
}

Fields fields_of(const Envelope& envelope, std::size_t recipient) {
  Fields fields;
  for (MergeFields packed = envelope.merge_fields(recipient); !packed.empty();) {
    const auto field = packed.take();
    fields.emplace(envelope.field_names()[field.name], field.value);
  }
  return fields;
}

std::string rcpt(std::string_view address, std::string_view json) {
  return fmt::format("RCPT TO:<{}> XMERGE={}\n", address, base64(json));
}

} // namespace

TEST_CASE("base64 is read back, whatever its length") {
  std::string bytes, back;
  for (int i = 0; i < 300; ++i) {
    REQUIRE(decode_base64(base64(bytes), back));
    REQUIRE(back == bytes);
    bytes += static_cast<char>(i * 89);
  }
  CHECK(base64("any carnal pleas") == "YW55IGNhcm5hbCBwbGVhcw==");
}

TEST_CASE("what is no padded base64 of the standard alphabet is not taken") {
  std::string into;
  for (const char* wrong : {"YQ", "YQ=", "YQ===", "Y===", "=YQ=", "YQ==YQ==", "YW=j", "Y Q=", "YQ=\n",
                            "\tYQ=", "YWJ-", "YWJ_", "YWJ\xc3"})
    CHECK_FALSE(decode_base64(wrong, into));
}

TEST_CASE("a merge object has strings and numbers; a number is the text it was written as") {
  CHECK(read("{}").empty());
  CHECK(read(R"( {"name":"Ann", "n" : 7} )") == Fields{{"n", "7"}, {"name", "Ann"}});
  CHECK(read(R"({"big":18446744073709551616})").at("big") == "18446744073709551616");
  CHECK(read(R"({"f":1.50})").at("f") == "1.50");
  CHECK(read(R"({"m":-12})").at("m") == "-12");
  CHECK(read(R"({"name":"J\u00f6rg \"x\"\r\n\ud83d\ude00"})").at("name") ==
        "J\xc3\xb6rg \"x\"\r\n\xf0\x9f\x98\x80");
  CHECK(read(R"({"a.b_c-D9":""})").at("a.b_c-D9").empty());
}

TEST_CASE("anything else in a merge object is said to be wrong") {
  CHECK(problem(R"({"a":null})") == "it has null");
  CHECK(problem(R"({"a":true})") == "it has true or false");
  CHECK(problem(R"({"a":["x"]})") == "it has an array");
  CHECK(problem(R"({"a":{"b":"x"}})") == "it has an object within it");
  CHECK(problem(R"({"a":"x","a":"y"})") == "it has \"a\" twice");
  CHECK(problem(R"({"a":"\u0000"})") == "it has a NUL in a value");
  for (const char* name : {"", "a b", "{{a}}", "\xc3\xb6"})
    CHECK(problem(fmt::format(R"({{"{}":1}})", name)).find("a name that") != std::string::npos);
  CHECK(problem(fmt::format(R"({{"{}":1}})", std::string(65, 'x'))).find("a name that") != std::string::npos);
  for (const char* text : {"", "x", "\"x\"", "7", "[]", "{", "{}}", R"({"a":"x",})", "{\"a\":\"\xff\"}",
                           R"({"a":"\ud800"})", "{\"a\":\"x\ny\"}"})
    CHECK_FALSE(problem(text).empty());
  CHECK(problem(fmt::format(R"({{"a":"{}"}})", std::string(MergeObject::max_json, 'x'))) ==
        "the object is over 32768 octets");
  std::string many = "{";
  for (int i = 0; i < 257; ++i) many += fmt::format(R"("f{}":1,)", i);
  many.back() = '}';
  CHECK(problem(many) == "it has more than 256 members");
}

TEST_CASE("XMERGE gives each recipient fields of its own, the first of a repeated one") {
  const std::string bytes = "MAIL FROM:<a@b> XMERGE\n" + rcpt("ann@d", R"({"name":"Ann","n":1})") +
                            "RCPT TO:<bob@d>\n" + rcpt("carl@d", R"({"town":"K\u00f6ln","name":"Carl"})") +
                            rcpt("ann@d", R"({"name":"other"})") + rcpt("dora@d", "{}") +
                            "DATA\nSubject: x\n\n.\n";
  const auto drop = parse_drop(bytes);
  REQUIRE(drop);
  const Envelope& envelope = drop->envelope;
  CHECK(envelope.merge);
  CHECK(envelope.one_by_one());
  REQUIRE(envelope.size() == 4);
  CHECK(envelope.recipient(0).address == "ann@d");
  CHECK(fields_of(envelope, 0) == Fields{{"name", "Ann"}, {"n", "1"}});
  CHECK(fields_of(envelope, 1).empty());
  CHECK(fields_of(envelope, 2) == Fields{{"name", "Carl"}, {"town", "K\xc3\xb6ln"}});
  CHECK(fields_of(envelope, 3).empty());
  CHECK(envelope.field_names().size() == 3);
  CHECK(drop->lines.of(0) == 2);
  CHECK(drop->lines.of(2) == 4);
  CHECK(drop->lines.of(3) == 6); // behind the repetition

  const std::string head = bsmtp_head(envelope);
  const auto again = parse_drop(head + ".\r\n");
  REQUIRE(again);
  CHECK(fields_of(again->envelope, 2) == fields_of(envelope, 2));
  CHECK(bsmtp_head(again->envelope) == head);
}

TEST_CASE("long values are packed whole") {
  for (const std::size_t length : {0, 1, 127, 128, 16'383, 16'384, 32'000}) {
    std::string packed;
    MergeFields::append(packed, 5, std::string(length, 'x'));
    MergeFields::append(packed, 255, "y");
    MergeFields fields(packed);
    CHECK(fields.take().value.size() == length);
    const auto last = fields.take();
    CHECK(last.name == 255);
    CHECK(last.value == "y");
    CHECK(fields.empty());
  }
}

TEST_CASE("recipients without fields pay nothing for those who might have some") {
  EnvelopeBuilder plain, merge;
  merge.envelope.merge = true;
  for (int i = 0; i < 1000; ++i)
    for (EnvelopeBuilder* builder : {&plain, &merge}) builder->recipient(fmt::format("user{}@d.example", i));
  CHECK(plain.take().memory() == merge.take().memory());
}

TEST_CASE("a hundred thousand recipients with fields are read soon, and cost little more than their values") {
  constexpr std::size_t count = 100'000;
  std::string with = "MAIL FROM:<a@b> XMERGE\n", without = "MAIL FROM:<a@b>\n";
  std::size_t values = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("Reader {}", i), token = fmt::format("{:032x}", i * 7919);
    values += name.size() + token.size();
    with += rcpt(fmt::format("r{}@d", i), fmt::format(R"({{"name":"{}","token":"{}"}})", name, token));
    without += fmt::format("RCPT TO:<r{}@d>\n", i);
  }
  const std::string content = "DATA\nSubject: x\n\n.\n";
  const auto began = std::chrono::steady_clock::now();
  const auto merge = parse_drop(with + content);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
  const auto plain = parse_drop(without + content);
  REQUIRE(merge);
  REQUIRE(plain);
  CHECK(merge->envelope.memory() - plain->envelope.memory() <= values + 4 * count + 1000);
  WARN(fmt::format("{:.2f} us a recipient", took.count() / static_cast<double>(count)));
}

TEST_CASE("a wrong XMERGE refuses the drop at its line") {
  const auto refused = [](const std::string& bytes, std::size_t line) {
    const auto drop = parse_drop(bytes);
    REQUIRE_FALSE(drop);
    INFO(drop.error().text);
    CHECK(drop.error().kind == DropProblem::Kind::refused);
    CHECK(drop.error().code == "bad-parameter");
    CHECK(drop.error().line == line);
  };
  refused("MAIL FROM:<a@b> XMERGE=1\n", 1);
  const std::string mail = "MAIL FROM:<a@b> XMERGE\n";
  for (const char* value : {"XMERGE", "XMERGE=", "XMERGE=e30", "XMERGE=W10=", "XMERGE=e30= XMERGE=e30="})
    refused(mail + "RCPT TO:<c@d> " + value + "\n", 2);
  std::string names = mail;
  for (int i = 0; i < 257; ++i) names += rcpt(fmt::format("u{}@d", i), fmt::format(R"({{"f{}":1}})", i));
  refused(names, 258);
}
