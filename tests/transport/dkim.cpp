#include "spool/base64.h"
#include "transport/content/dkim/body_hash.h"
#include "transport/content/dkim/signature.h"
#include "transport/content/header.h"

#include <catch2/catch.hpp>

#include <random>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

// RFC 8463 appendix A.1 (the first as PKCS#8), and RFC 6376 appendix C.
constexpr const char* ed25519_key = "-----BEGIN PRIVATE KEY-----\n"
                                    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                    "-----END PRIVATE KEY-----\n";
constexpr const char* rsa_key = "-----BEGIN RSA PRIVATE KEY-----\n"
                                "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                                "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                                "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                                "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                                "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                                "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                                "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                                "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                                "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                                "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                                "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                                "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                                "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                                "-----END RSA PRIVATE KEY-----\n";

constexpr const char* appendix_c_key = "-----BEGIN RSA PRIVATE KEY-----\n"
                                       "MIICXwIBAAKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC\n"
                                       "jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gb\n"
                                       "to/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB\n"
                                       "AoGBALmn+XwWk7akvkUlqb+dOxyLB9i5VBVfje89Teolwc9YJT36BGN/l4e0l6QX\n"
                                       "/1//6DWUTB3KI6wFcm7TWJcxbS0tcKZX7FsJvUz1SbQnkS54DJck1EZO/BLa5ckJ\n"
                                       "gAYIaqlA9C0ZwM6i58lLlPadX/rtHb7pWzeNcZHjKrjM461ZAkEA+itss2nRlmyO\n"
                                       "n1/5yDyCluST4dQfO8kAB3toSEVc7DeFeDhnC1mZdjASZNvdHS4gbLIA1hUGEF9m\n"
                                       "3hKsGUMMPwJBAPW5v/U+AWTADFCS22t72NUurgzeAbzb1HWMqO4y4+9Hpjk5wvL/\n"
                                       "eVYizyuce3/fGke7aRYw/ADKygMJdW8H/OcCQQDz5OQb4j2QDpPZc0Nc4QlbvMsj\n"
                                       "7p7otWRO5xRa6SzXqqV3+F0VpqvDmshEBkoCydaYwc2o6WQ5EBmExeV8124XAkEA\n"
                                       "qZzGsIxVP+sEVRWZmW6KNFSdVUpk3qzK0Tz/WjQMe5z0UunY9Ax9/4PVhp/j61bf\n"
                                       "eAYXunajbBSOLlx4D+TunwJBANkPI5S9iylsbLs6NkaMHV6k5ioHBBmgCak95JGX\n"
                                       "GMot/L2x0IYyMLAz6oLWh2hm7zwtb0CgOrPo1ke44hFYnfc=\n"
                                       "-----END RSA PRIVATE KEY-----\n";

// The message that both RFCs sign.
const std::string header = "From: Joe SixPack <joe@football.example.com>\r\n"
                           "To: Suzie Q <suzie@shopping.example.net>\r\n"
                           "Subject: Is dinner ready?\r\n"
                           "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                           "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
                           "\r\n";
const std::string body = "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n";
const Wall time_of_signing{std::chrono::seconds(1528637909)};

std::string canonical_field(std::string_view field, Canonical form) {
  std::string out;
  append_canonical_field(out, field, form);
  return out;
}

std::string canonical_body(std::string_view text, Canonical form, std::size_t piece = std::string::npos) {
  CanonicalBody canonical(form);
  std::string out, all;
  while (!text.empty()) {
    std::string_view block = text.substr(0, piece);
    text.remove_prefix(block.size());
    while (!block.empty()) {
      canonical.take(block, out);
      CHECK(out.size() <= CanonicalBody::at_once + piece);
      all += out;
      out.clear();
    }
  }
  canonical.finish(all);
  return all;
}

std::string base64(std::string_view octets) {
  std::string out;
  spool::append_base64(out, octets);
  return out;
}

std::string hash(std::string_view text, Canonical form) {
  BodyHash sum(form);
  sum.update(text);
  const auto digest = sum.finish();
  return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

spool::Digest digest(std::string_view text, Canonical form) {
  BodyHash sum(form);
  sum.update(text);
  return sum.finish();
}

DkimKey key(const char* pem) {
  auto parsed = DkimKey::parse(pem);
  REQUIRE(parsed);
  return *std::move(parsed);
}

DkimIdentity identity(const char* pem = ed25519_key) {
  return {"football.example.com", "test", key(pem), Canonical::relaxed, Canonical::relaxed, {}, {}};
}

std::string signature(const DkimIdentity& who, std::string_view head, std::string_view text = body) {
  auto made = dkim_signature(who, head, digest(text, who.body), time_of_signing);
  REQUIRE(made);
  return *made;
}

// The value of a tag without its folding.
std::string tag(std::string_view field, std::string_view name) {
  std::string flat;
  for (const char c : field.substr(field.find(':') + 1))
    if (!std::string_view(" \t\r\n").contains(c)) flat += c;
  flat = ';' + flat;
  const std::string start = ";" + std::string(name) + "=";
  const auto begin = flat.find(start);
  if (begin == flat.npos) return "none";
  const auto from = begin + start.size();
  return flat.substr(from, flat.find(';', from) - from);
}

} // namespace

TEST_CASE("the canonical forms of RFC 6376 section 3.4.5") {
  CHECK(canonical_field("A: X\r\n", Canonical::relaxed) == "a:X\r\n");
  CHECK(canonical_field("B : Y\t\r\n\tZ  \r\n", Canonical::relaxed) == "b:Y Z\r\n");
  CHECK(canonical_field("B : Y\t\r\n\tZ  \r\n", Canonical::simple) == "B : Y\t\r\n\tZ  \r\n");
  CHECK(canonical_body(" C \r\nD \t E\r\n\r\n\r\n", Canonical::relaxed) == " C\r\nD E\r\n");
  CHECK(canonical_body(" C \r\nD \t E\r\n\r\n\r\n", Canonical::simple) == " C \r\nD \t E\r\n");
}

TEST_CASE("an empty field, one of white space alone, one without a space behind its colon") {
  CHECK(canonical_field("Subject:\r\n", Canonical::relaxed) == "subject:\r\n");
  CHECK(canonical_field("Subject: \t\r\n \r\n", Canonical::relaxed) == "subject:\r\n");
  CHECK(canonical_field("X-Y:a:  b\r\n", Canonical::relaxed) == "x-y:a: b\r\n");
  CHECK(canonical_field("Subject: \xc3\xbc\r\n\t\xc3\x9c\r\n", Canonical::relaxed) ==
        "subject:\xc3\xbc \xc3\x9c\r\n");
}

TEST_CASE("an empty body has the hashes that RFC 6376 names") {
  for (const char* empty : {"", "\r\n", "\r\n\r\n\r\n"}) {
    CHECK(hash(empty, Canonical::simple) == "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    CHECK(hash(empty, Canonical::relaxed) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  }
  CHECK(hash(" \r\n\t\r\n", Canonical::relaxed) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

TEST_CASE("empty lines count where something follows them, white space where a line goes on") {
  CHECK(canonical_body("\r\n\r\na\r\n\r\nb\r\n\r\n", Canonical::relaxed) == "\r\n\r\na\r\n\r\nb\r\n");
  CHECK(canonical_body("a  \r\n  \r\n b\r\n", Canonical::relaxed) == "a\r\n\r\n b\r\n");
  CHECK(canonical_body("a  \r\n  \r\n b\r\n", Canonical::simple) == "a  \r\n  \r\n b\r\n");
  CHECK(canonical_body("..\r\n.\r\n", Canonical::relaxed) == "..\r\n.\r\n");
}

TEST_CASE("a body that comes in pieces has the canonical form of the whole") {
  std::mt19937 random(7);
  const std::string_view letters = "ab \t.\r";
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 40; ++i) {
      const char c = letters[random() % letters.size()];
      text += c == '\r' ? std::string("\r\n") : std::string(1, c);
    }
    text += "\r\n";
    for (const Canonical form : {Canonical::relaxed, Canonical::simple}) {
      const std::string whole = canonical_body(text, form);
      for (const std::size_t piece : {1, 2, 3, 7}) REQUIRE(canonical_body(text, form, piece) == whole);
    }
  }
}

TEST_CASE("empty lines without end take no memory, whatever follows them") {
  const std::size_t lines = 3'000'000;
  CanonicalBody canonical(Canonical::relaxed);
  std::string out;
  for (std::size_t i = 0; i < lines; ++i) {
    std::string_view line = "\r\n";
    canonical.take(line, out);
  }
  CHECK(out.empty());
  std::string_view end = "x\r\n";
  std::size_t octets = 0;
  while (!end.empty()) {
    canonical.take(end, out);
    REQUIRE(out.size() <= CanonicalBody::at_once + 2);
    octets += out.size();
    out.clear();
  }
  CHECK(octets == 2 * lines + 1);
}

TEST_CASE("the signatures of RFC 8463 appendix A.3") {
  CHECK(hash(body, Canonical::relaxed) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
  const auto signed_text = [](std::string_view own_field) {
    std::string text, field(own_field);
    for (std::string_view head = header; !head.starts_with("\r\n");)
      append_canonical_field(text, take_field(head), Canonical::relaxed);
    // h= names them as From, To, Subject, Date, Message-ID, which is how they stand; the rest is not there.
    append_canonical_field(text, field, Canonical::relaxed);
    return text.substr(0, text.size() - 2);
  };
  const auto ed25519 = key(ed25519_key)
                           .sign(signed_text("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                                             " d=football.example.com; i=@football.example.com;\r\n"
                                             " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                                             " subject : date : message-id : from : subject : date;\r\n"
                                             " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                             " b=\r\n"));
  REQUIRE(ed25519);
  CHECK(base64(*ed25519) ==
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
  const auto rsa =
      key(rsa_key).sign(signed_text("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                                    " d=football.example.com; i=@football.example.com;\r\n"
                                    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
                                    " date : message-id : from : subject : date;\r\n"
                                    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                    " b=\r\n"));
  REQUIRE(rsa);
  CHECK(base64(*rsa) == "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
                        "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
                        "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=");
}

TEST_CASE("the signature of RFC 6376 appendix A.2") {
  const std::string received = "Received: from client1.football.example.com  [192.0.2.1]\r\n"
                               "      by submitserver.example.com with SUBMISSION;\r\n"
                               "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n";
  std::string text;
  append_canonical_field(text, received, Canonical::simple);
  for (std::string_view head = header; !head.starts_with("\r\n");)
    append_canonical_field(text, take_field(head), Canonical::simple);
  text += "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
          "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
          "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
          "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
          "      b=;";
  CHECK(hash(body, Canonical::simple) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
  const auto made = key(appendix_c_key).sign(text);
  REQUIRE(made);
  CHECK(base64(*made) == "AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB"
                         "4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut"
                         "KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV"
                         "4bmp/YzhwvcubU4=");
}

TEST_CASE("a signature says who, how, when and over what") {
  const std::string field = signature(identity(), header);
  CHECK(field.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;"));
  CHECK(field.ends_with("\r\n"));
  CHECK(tag(field, "d") == "football.example.com");
  CHECK(tag(field, "s") == "test");
  CHECK(tag(field, "t") == "1528637909");
  CHECK(tag(field, "x") == "none");
  CHECK(tag(field, "l") == "none");
  CHECK(tag(field, "bh") == hash(body, Canonical::relaxed));
  CHECK(tag(field, "h") == "From:From:Reply-To:Subject:Subject:To:To:Cc:MIME-Version:Content-Type:"
                           "Content-Transfer-Encoding:Date:Date:Message-ID:Message-ID");
  for (std::string_view rest = field; !rest.empty();) {
    const auto end = rest.find("\r\n");
    CHECK(end <= 78);
    rest.remove_prefix(end + 2);
    CHECK((rest.empty() || rest.front() == '\t'));
  }
}

TEST_CASE("what is signed ends with the field itself, its b= empty, without a line end") {
  const std::string field = signature(identity(rsa_key), header);
  std::string text;
  const auto selected = select_fields(header, usual_signed_fields());
  for (const std::string_view one : selected.fields) append_canonical_field(text, one, Canonical::relaxed);
  const std::string own = canonical_field(field, Canonical::relaxed);
  text += own.substr(0, own.rfind(" b=") + 3);
  const auto made = key(rsa_key).sign(text);
  REQUIRE(made);
  CHECK(tag(field, "b") == base64(*made));
}

TEST_CASE("a signature may end") {
  auto who = identity();
  who.expire = std::chrono::hours(24);
  CHECK(tag(signature(who, header), "x") == std::to_string(1528637909 + 86400));
}

TEST_CASE("the forms of header and body are named and used each for itself") {
  auto who = identity();
  const std::string spaced = "a  b \r\n";
  who.header = Canonical::simple;
  CHECK(tag(signature(who, header, spaced), "c") == "simple/relaxed");
  CHECK(tag(signature(who, header, spaced), "bh") == hash("a b\r\n", Canonical::simple));
  who.body = Canonical::simple;
  CHECK(tag(signature(who, header, spaced), "c") == "simple/simple");
  CHECK(tag(signature(who, header, spaced), "bh") == hash(spaced, Canonical::simple));
  // In simple form the case of a name counts, in relaxed form it does not.
  const std::string shouted = "FROM: Joe SixPack <joe@football.example.com>\r\n\r\n";
  const std::string said = "From: Joe  SixPack <joe@football.example.com>\r\n\r\n";
  CHECK(tag(signature(who, shouted), "b") != tag(signature(who, said), "b"));
  who.header = Canonical::relaxed;
  CHECK(tag(signature(who, shouted), "b") == tag(signature(who, said), "b"));
}

TEST_CASE("of fields of one name all are signed, the last first, and none may be added") {
  const std::string twice = "From: a@b.example\r\nTo: x@y.example\r\nFrom: c@d.example\r\n\r\n";
  const SignedField wanted[] = {{"From", SignedField::Once::always}};
  const auto selected = select_fields(twice, wanted);
  CHECK(selected.names == std::vector<std::string_view>{"From", "From", "From"});
  CHECK(selected.fields == std::vector<std::string_view>{"From: c@d.example\r\n", "From: a@b.example\r\n"});
}

TEST_CASE("what is signed only where it is there") {
  const std::string head = "From: a@b.example\r\n"
                           "list-unsubscribe: <https://b.example/u>\r\n"
                           "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                           "Resent-From: c@d.example\r\n"
                           "X-Other: x\r\n"
                           "Received: from e.example\r\n"
                           "DKIM-Signature: v=1; d=other.example\r\n\r\n";
  CHECK(tag(signature(identity(), head), "h") ==
        "From:From:Reply-To:Subject:To:Cc:MIME-Version:Content-Type:Content-Transfer-Encoding:"
        "List-Unsubscribe:List-Unsubscribe:List-Unsubscribe-Post:List-Unsubscribe-Post:Resent-From");
}

TEST_CASE("a list of fields of one's own stands for the usual one") {
  auto who = identity();
  who.fields = {"From", "X-Campaign"};
  CHECK(tag(signature(who, "From: a@b.example\r\nX-Campaign: 1\r\nSubject: x\r\n\r\n"), "h") ==
        "From:From:X-Campaign:X-Campaign");
}

TEST_CASE("a line in the header that is no field is not signed and breaks nothing") {
  const std::string head = "From nobody\r\nFrom: a@b.example\r\nSubject\r\n\r\n";
  const auto selected = select_fields(head, usual_signed_fields());
  CHECK(selected.fields == std::vector<std::string_view>{"From: a@b.example\r\n"});
  CHECK(select_fields("", usual_signed_fields()).fields.empty());
  CHECK(select_fields("\r\n", usual_signed_fields()).fields.empty());
}

TEST_CASE("an author's domain") {
  CHECK(author_domain(" Joe <joe@Football.EXAMPLE.com>\r\n") == "football.example.com");
  CHECK(author_domain(" joe@football.example.com\r\n") == "football.example.com");
  CHECK(author_domain(" \"a@b, (c\" <joe@d.example>\r\n") == "d.example");
  CHECK(author_domain(" joe@d.example (Joe, of <x@y.example> \\) (nested))\r\n") == "d.example");
  CHECK(author_domain(" \"joe\\\"@x\"@d.example\r\n") == "d.example");
  CHECK(author_domain(" Smith, Joe <joe@d.example>\r\n") == "d.example");
  CHECK(author_domain(" joe@d.example, ann@e.example\r\n") == "d.example");
  CHECK(author_domain(" friends: joe@d.example, ann@e.example;\r\n") == "d.example");
  CHECK(author_domain(" <@a.example,@b.example:joe@d.example>\r\n") == "d.example");
  CHECK(author_domain(" joe @ d.\r\n example\r\n") == "d.example");
  CHECK(author_domain(" J\xc3\xb6rg <j@b\xc3\xbc"
                      "cher.example>\r\n") == "xn--bcher-kva.example");
  CHECK(author_domain(" undisclosed:;\r\n").empty());
  CHECK(author_domain("").empty());
  CHECK(author_domain(" \"joe@d.example\r\n").empty());
  CHECK(author_domain(" joe@d..example\r\n").empty());
}

TEST_CASE("what can't sign is no key, and nobody is asked for a passphrase") {
  const auto why = [](std::string_view pem) {
    const auto parsed = DkimKey::parse(pem);
    return parsed ? std::string() : parsed.error();
  };
  CHECK(why("").find("no private key in PEM") != std::string::npos);
  CHECK(why("MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v").find("no private key in PEM") != std::string::npos);
  CHECK(why("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
            "-----END PUBLIC KEY-----\n")
            .find("no private key in PEM") != std::string::npos);
  CHECK(why("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
            "-----END PRIVATE KEY-----\n") == "is neither an RSA nor an Ed25519 key");
  const std::string small = "-----BEGIN RSA PRIVATE KEY-----\n"
                            "MIIBOwIBAAJBAMSf8tA71U7CKaHeKgEysnO3PFBF38VAj1kNeU32iv+u6SMoRfi8\n"
                            "MUD15znA0mMrPDuW3BBjNeUGGqa/UdZ6K8MCAwEAAQJAKNU2rbvfPm3gC3eBraID\n"
                            "oThKVDlOkT4pBstfh6tNjm89AXCSxJR23Qs5lFhkwADN3f/LboqH6AQMJNFNpcft\n"
                            "oQIhAPRInOwtK/89Run3qk/ub6ilzYeA8wWtPi1qv6CWzfspAiEAzg4qg7gXQmz6\n"
                            "hG7HwGhdRGGTu752k0JtmXoxrgfaeQsCIQDGHLWXHLNX1rxSN1daZ8cKgR0ETeHJ\n"
                            "ssyATNiIRoVasQIgARWwAZuBe9cJBpNyt7+U5hxBY9af1yydWRZ8lnbyHnsCIQCJ\n"
                            "HEE/JXdT4T8uxwA8IHKAba2xygz+ZtsNQ3jjgYM1Rw==\n"
                            "-----END RSA PRIVATE KEY-----\n";
  CHECK(why(small) == "is an RSA key of 512 bits: it must have from 1024 to 4096");
  CHECK(key(rsa_key).bits() == 1024);
  CHECK(key(rsa_key).algorithm() == DkimKey::Algorithm::rsa_sha256);
  CHECK(key(ed25519_key).algorithm() == DkimKey::Algorithm::ed25519_sha256);
}
