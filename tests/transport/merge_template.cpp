#include "transport/content/merge/encodings.h"
#include "transport/content/merge/mime.h"
#include "transport/content/merge/template.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <chrono>
#include <random>

using namespace bulkmail;
using namespace bulkmail::transport;
using namespace std::string_literals;

namespace {

using Fields = std::vector<spool::MergeField>;

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n"s : std::string(1, c);
  return out;
}

spool::Envelope envelope(const Fields& fields) {
  spool::EnvelopeBuilder builder;
  builder.envelope.merge = true;
  REQUIRE(builder.name_fields(fields));
  builder.recipient("ann@d.example", {}, {}, fields);
  return builder.take();
}

// The content for one recipient, with LF; or "code: text" of why there is none.
std::string filled(std::string_view content, const Fields& fields) {
  const auto to = envelope(fields);
  const auto form = MergeTemplate::compile(crlf(content), to.field_names());
  const auto said = [](const MergeProblem& problem) {
    return problem.code + ": " + problem.text + problem.missing_field;
  };
  if (!form) return said(form.error());
  if (const auto problem = form->refuses(to, 0)) return said(*problem);
  const auto merged = form->render(to, 0);
  CHECK(merged.eight_bit == !is_ascii(merged.wire));
  std::string out = merged.wire;
  CHECK(out.find("\n") == out.find("\r\n") + 1);
  std::erase(out, '\r');
  return out;
}

// A header field alone.
std::string field(std::string_view template_field, const Fields& fields) {
  const std::string content = filled(std::string(template_field) + "\n\nx\n", fields);
  const std::size_t end = content.find("\n\nx\n");
  return end == content.npos ? content : content.substr(0, end);
}

const std::string ann = "Ann", joerg = "J\xc3\xb6rg", li = "\xe6\x9d\x8e";

Fields name(std::string_view value) { return {{"name", value}}; }

} // namespace

TEST_CASE("text without other rules is plain where it can be, encoded words where it must be") {
  CHECK(field("Subject: Hello {{name}}!", name(ann)) == "Subject: Hello Ann!");
  CHECK(field("Subject: Hello {{name}}, you", name(joerg)) == "Subject: Hello =?utf-8?Q?J=C3=B6rg=2C?= you");
  CHECK(field("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe=2C_=7B=7Bname=7D=7D?=", name(ann)) ==
        "Subject: =?utf-8?B?R3LDvMOfZSw=?= Ann");
  CHECK(field("Subject: =?utf-8?b?e3tuYW1lfX0=?=", name(ann)) == "Subject: Ann");
  CHECK(field("Subject: {{name}}", name("=?utf-8?q?x?=")) ==
        "Subject: =?utf-8?Q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=");
  CHECK(field("X-Id:\t{{name}}\n more", name("7")) == "X-Id: 7 more");
}

TEST_CASE("no value breaks out of its field") {
  CHECK(field("Subject: {{name}}", name("a\r\nBcc: x@y\r\n\r\nbody\x01")) == "Subject: a Bcc: x@y body");
  CHECK(field("To: {{name}} <a@b.example>", name("x\" <c@d>\r\nBcc: e@f")) ==
        "To: \"x\\\" <c@d> Bcc: e@f\" <a@b.example>");
  CHECK(field("List-Unsubscribe: <https://x/{{name}}>", name("a>\r\nX: <b")) ==
        "List-Unsubscribe: <https://x/a%3E%0D%0AX%3A%20%3Cb>");
  CHECK(field("To: <{{name}}>", name("a@b>, <c@d")).starts_with("bad-value"));
  CHECK(field("Message-ID: <{{name}}@x>", name("a\r\nb")).starts_with("bad-value"));
}

TEST_CASE("a display name is an atom, a quoted string or encoded words, as it needs") {
  CHECK(field("To: {{name}} <a@b.example>", name("Ann Lee")) == "To: Ann Lee <a@b.example>");
  CHECK(field("To: {{name}} <a@b.example>", name("Dr. \"A\" Lee, Jr.")) ==
        "To: \"Dr. \\\"A\\\" Lee, Jr.\" <a@b.example>");
  CHECK(field("To: \"{{name}}\" <a@b.example>", name("Ann")) == "To: Ann <a@b.example>");
  CHECK(field("To: {{name}} L. <a@b.example>", name(joerg)) ==
        "To: =?utf-8?Q?J=C3=B6rg_L=2E?= <a@b.example>");
  CHECK(field("To: x <a@b>, {{name}} <c@d>, \"y, z\" <e@f>", name(li)) ==
        "To: x <a@b>, =?utf-8?B?5p2O?= <c@d>, \"y, z\" <e@f>");
  CHECK(field("To: {{name}}", name("a@b.example")) == "To: a@b.example");
  CHECK(field("To: <{{name}}@b.example>", name(joerg))
            .starts_with("bad-value: an address in To needs SMTPUTF8"));
}

TEST_CASE("in a URI a value is a component, and a whole URI where it begins it or has three braces") {
  CHECK(field("List-Unsubscribe: <https://x/?t={{name}}>, <mailto:u+{{name}}@x>", name("a/b=")) ==
        "List-Unsubscribe: <https://x/?t=a%2Fb%3D>, <mailto:u+a%2Fb%3D@x>");
  CHECK(field("List-Unsubscribe: <{{name}}>", name("https://x/a?b=c")) ==
        "List-Unsubscribe: <https://x/a?b=c>");
  CHECK(field("List-Unsubscribe: <https://x/{{{name}}}>", name("a?b=c d")) ==
        "List-Unsubscribe: <https://x/a?b=c%20d>");
  CHECK(field("List-Unsubscribe: {{name}}", name("https://x")).starts_with("bad-template"));
  CHECK(
      field("List-Unsubscribe: <https://x/{{name}}>", name(std::string(1000, 'x'))).starts_with("bad-value"));
}

TEST_CASE("fields that say how the message is to be read have no placeholder") {
  CHECK(field("Content-Type: text/plain; charset={{name}}", name("x")).starts_with("bad-template"));
  CHECK(field("DKIM-Signature: v=1; b={{name}}", name("x")).starts_with("bad-template"));
}

TEST_CASE("a field is folded at white space, and never to a line of white space") {
  std::string long_text;
  for (int i = 0; i < 60; ++i) long_text += i % 7 == 0 ? "          " : "word ";
  for (const std::string& value : {long_text, std::string(3000, 'x'), "\xc3\xb6" + std::string(3000, 'x')}) {
    const std::string folded = field("Subject: {{name}}", name(value));
    std::string unfolded;
    for (std::size_t at = 0; at < folded.size();) {
      const std::size_t end = std::min(folded.find('\n', at), folded.size());
      const std::string line = folded.substr(at, end - at);
      CHECK(line.size() <= 78);
      CHECK(line.find_first_not_of(' ') != line.npos);
      unfolded += line;
      at = end + 1;
    }
    std::string wanted = value;
    wanted.resize(wanted.find_last_not_of(' ') + 1);
    wanted.erase(0, wanted.find_first_not_of(' '));
    CHECK(decode_header_text(unfolded.substr(9)) == wanted);
  }
}

TEST_CASE("a plain text part stays what it is as long as it can") {
  CHECK(filled("Subject: x\n\nHello {{name}}\n", name(ann)) == "Subject: x\n\nHello Ann\n");
  CHECK(filled("Subject: x\n\nHello {{name}} =\n", name(joerg)) ==
        "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\n\nHello J=C3=B6rg =3D\n");
  CHECK(filled("Mime-version: 1.0\nContent-Type: text/plain; charset=us-ascii; format=flowed\n"
               "Content-Transfer-Encoding: 7bit\n\n{{name}}\n",
               name(joerg)) == "Mime-version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed\n"
                               "Content-Transfer-Encoding: quoted-printable\n\nJ=C3=B6rg\n");
  const std::string utf8 =
      "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";
  CHECK(filled(utf8 + "{{name}}\n", name(joerg)) == utf8 + joerg + "\n");
  CHECK(filled(utf8 + "{{name}}\n", name(std::string(999, 'x'))).find("quoted-printable") !=
        std::string::npos);
  CHECK(filled(utf8 + "a {{name}} b\n", name("1\r2\n3\r\n4")) == utf8 + "a 1\n2\n3\n4 b\n");
  CHECK(filled("Subject: x\n\n\xc3\xb6 {{name}}\n", name(ann)).starts_with("bad-template"));
}

TEST_CASE("quoted-printable and base64 are filled in decoded, and only where there is something to fill in") {
  const std::string head = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: ";
  CHECK(filled(head + "quoted-printable\n\nas=69t=20is=\n here\nHi {{na=\nme}}=\n =7B=7Bname=7D=7D\n",
               name(joerg)) == head + "quoted-printable\n\nas=69t=20is=\n here\nHi J=C3=B6rg J=C3=B6rg\n");
  CHECK(filled(head + "base64\n\ne3tuYW\n1lfX0K\n\n", name(joerg)) == head + "base64\n\nSsO2cmcK\n\n");
  CHECK(filled(head + "base64\n\nbm9u\nZQ==\n", name(joerg)) == head + "base64\n\nbm9u\nZQ==\n");
}

TEST_CASE("in HTML values are escaped, but for those in three braces") {
  const std::string head = "Content-Type: text/html; charset=utf-8\n\n";
  CHECK(filled(head + "<p>{{name}}{{{name}}}</p>\n", name("<b>&'\"")) ==
        head + "<p>&lt;b&gt;&amp;&#39;&quot;<b>&'\"</p>\n");
  CHECK(filled("Subject: x\n\n{{name}}{{{name}}}\n", name("<b>")) == "Subject: x\n\n<b><b>\n");
}

TEST_CASE("another charset gets its own octets, or the value is refused") {
  const std::string head = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: ";
  CHECK(filled(head + "8bit\n\n\xfc {{name}}\n", name(joerg)) == head + "8bit\n\n\xfc J\xf6rg\n");
  CHECK(filled(head + "quoted-printable\n\n=FC {{name}}\n", name(joerg)) ==
        head + "quoted-printable\n\n=FC J=F6rg\n");
  CHECK(filled(head + "8bit\n\n{{name}}\n", name(li)).starts_with("bad-value"));
  const std::string jis = "Content-Type: text/plain; charset=iso-2022-jp\n\n";
  CHECK(filled(jis + "\x1b$B$\"\x1b(B {{name}}\n", name("\xe3\x81\x84")) ==
        jis + "\x1b$B$\"\x1b(B \x1b$B$$\x1b(B\n");
  CHECK(filled("Content-Type: text/plain; charset=no-such\n\n{{name}}\n", name(ann))
            .starts_with("bad-template"));
}

TEST_CASE("every text part of a nested message is filled in; what is no text, or signed, stays as it came") {
  const auto message = [](std::string_view who, std::string_view html) {
    return fmt::format("Content-Type: multipart/mixed; boundary=\"a\"\n\n{{{{name}}}}\n--a\n"
                       "Content-Type: multipart/alternative; boundary=aa\n\n--aa\n\n{0}\n--aa \n"
                       "Content-Type: text/html\n\n{1}\n--aa--\nepilogue {{{{name}}}}\n--a\n"
                       "Content-Type: image/png; name=\"{{{{name}}}}\"\n\n{{{{name}}}}\n--a\n"
                       "Content-Type: message/rfc822\n\nSubject: {{{{name}}}}\n\n{{{{name}}}}\n--a\n"
                       "Content-Type: multipart/signed; boundary=s\n\n--s\n\n{{{{name}}}}\n--s--\n--a\n"
                       "Content-Description: x\n\n{0}\n--a--\n{{{{name}}}}\n",
                       who, html);
  };
  CHECK(filled(message("{{name}}", "{{name}}"), name("A&B")) == message("A&B", "A&amp;B"));
}

TEST_CASE("a value that looks like a delimiter becomes none") {
  const std::string body = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n{{name}}\n--a--\n";
  const std::string content = filled(body, name("y\r\n--a\r\nContent-Type: text/html\r\n\r\nevil"));
  CHECK(content ==
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Transfer-Encoding: quoted-printable\n\n"
        "x\ny\n=2D-a\nContent-Type: text/html\n\nevil\n--a--\n");
}

TEST_CASE("dots that come with values stay as they are, and the size counts them once") {
  const auto to = envelope(name(".\r\n.x\r\n"));
  const auto form = MergeTemplate::compile("S: x\r\n\r\n{{name}}", to.field_names());
  REQUIRE(form);
  const auto merged = form->render(to, 0);
  CHECK(merged.wire == "S: x\r\n\r\n.\r\n.x\r\n");
  CHECK(merged.size == merged.wire.size());
}

TEST_CASE("a field that a recipient lacks is told by its name") {
  spool::EnvelopeBuilder builder;
  const Fields both{{"name", "Ann"}, {"n", "1"}}, one{{"name", "Bo"}};
  REQUIRE(builder.name_fields(both));
  builder.recipient("a@d", {}, {}, both);
  builder.recipient("b@d", {}, {}, one);
  builder.recipient("c@d");
  const auto to = builder.take();
  const auto form = MergeTemplate::compile("Subject: {{name}}\r\n\r\n{{n}}\r\n", to.field_names());
  REQUIRE(form);
  CHECK_FALSE(form->refuses(to, 0));
  CHECK(form->refuses(to, 1)->missing_field == "n");
  CHECK(form->refuses(to, 2)->missing_field == "name");
  const auto unknown = MergeTemplate::compile("Subject: {{town}}\r\n\r\n", to.field_names());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().missing_field == "town");
}

TEST_CASE("content of any shape is compiled, and without placeholders sent as it came") {
  std::mt19937 random(11);
  const char* const pieces[] = {"\r\n",
                                "\r\n\r\n",
                                "--a",
                                "--a--",
                                "Content-Type: multipart/mixed; boundary=a\r\n",
                                " ",
                                "Content-Type: text/html\r\n",
                                "Content-Transfer-Encoding: base64\r\n",
                                "Subject: x",
                                "=",
                                "Content-Transfer-Encoding: quoted-printable\r\n",
                                "text",
                                ":",
                                "\xc3\xb6",
                                "{",
                                "}"};
  const auto to = envelope(name("x"));
  for (int round = 0; round < 20'000; ++round) {
    std::string content;
    for (auto left = random() % 30; left > 0; --left) content += pieces[random() % std::size(pieces)];
    while (content.find("{{") != content.npos) content.erase(content.find("{{"), 2);
    content += "\r\n";
    INFO(content);
    const auto form = MergeTemplate::compile(content, to.field_names());
    if (!form) {
      REQUIRE(form.error().code == "bad-template"); // a multipart without a boundary
      continue;
    }
    REQUIRE_FALSE(form->has_placeholders());
    std::string wire = form->render(to, 0).wire;
    REQUIRE(wire == content);
  }
}

TEST_CASE("a newsletter is filled in quickly") {
  std::string content = "Subject: {{name}}\r\nContent-Type: text/html; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  for (int i = 0; i < 300; ++i)
    content += "<p style=3D\"color: red\">Some text of a newsletter, 60 octets</p>\r\n";
  content += "{{name}}\r\n";
  const auto to = envelope(name(joerg));
  const auto form = MergeTemplate::compile(content, to.field_names());
  REQUIRE(form);
  constexpr int rounds = 200;
  const auto began = std::chrono::steady_clock::now();
  std::size_t octets = 0;
  for (int i = 0; i < rounds; ++i) octets += form->render(to, 0).wire.size();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
  WARN(fmt::format("{} octets filled in {:.1f} us", octets / rounds, took.count() / rounds));
}
