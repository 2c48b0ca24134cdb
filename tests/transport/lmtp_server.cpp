// The LMTP server as conversations (tests/dialogs/lmtp-*.lmtp): each replayed whole, byte by byte, and cut at
// each prefix.
// "<" a line ours, ">" a line theirs, "=" what the caller is told, "!" the caller's answers, one a recipient;
// in lines of theirs and in content \r \n \0 \\ \xHH stand for octets.
#include "transport/server/lmtp_server.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

const LmtpConfig config{.hostname = "relay.example", .max_size = 1000, .max_recipients = 100};

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
    case 'r': out += '\r'; break;
    case 'n': out += '\n'; break;
    case '0': out += '\0'; break;
    case '\\': out += '\\'; break;
    case 'x':
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
      break;
    default: (out += '\\') += text[i];
    }
  }
  return out;
}

struct Script {
  std::string name;
  std::string theirs, ours;
  std::vector<std::string> told;
  std::vector<std::vector<std::string>> answers;
};

std::vector<Script> scripts() {
  std::vector<Script> all;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_SOURCE_DIR "/../dialogs")) {
    if (entry.path().extension() != ".lmtp") continue;
    Script script;
    script.name = entry.path().filename();
    std::ifstream in(entry.path());
    char last = 0;
    for (std::string line; std::getline(in, line);) {
      const auto rest = line.size() > 2 ? line.substr(2) : "";
      switch (line.empty() ? '#' : line[0]) {
      case '>': script.theirs += unescaped(rest) + "\r\n"; break;
      case '<': script.ours += rest + "\r\n"; break;
      case '=': script.told.push_back(unescaped(rest)); break;
      case '!':
        if (last != '!') script.answers.emplace_back();
        script.answers.back().push_back(rest);
        break;
      default: break;
      }
      last = line.empty() ? '#' : line[0];
    }
    all.push_back(std::move(script));
  }
  return all;
}

// Plays a caller: hands bytes in, answers what is to be answered, notes what it is told.
class Caller {
 public:
  explicit Caller(std::vector<std::vector<std::string>> answers = {}, LmtpConfig with = config)
      : server(std::move(with)),
        answers_(answers.begin(), answers.end()) {
    pump();
  }

  void send(std::string_view bytes) {
    server.receive(bytes);
    pump();
  }

  void send_lines(std::initializer_list<std::string_view> lines) {
    for (const auto line : lines) send(std::string(line) + "\r\n");
  }

  // The last reply line, and forgets all so far.
  std::string last_reply() {
    std::string lines = std::exchange(output, {});
    if (!lines.ends_with("\r\n")) return lines;
    lines.resize(lines.size() - 2);
    return lines.substr(lines.rfind('\n') + 1);
  }

  LmtpServer server;
  std::string output;
  std::vector<std::string> told;
  std::vector<spool::Envelope> envelopes;
  bool answer_by_itself = true;

  void pump() {
    for (;;) {
      output += server.take_output();
      auto event = server.next_event();
      if (!event) return;
      switch (event->kind) {
      case LmtpEvent::Kind::begin: {
        std::string text = "begin";
        if (!event->envelope.sender().empty()) text += fmt::format(" {}", event->envelope.sender());
        text += " ->";
        for (std::size_t i = 0; i < event->envelope.size(); ++i)
          text += fmt::format(" {}", event->envelope.recipient(i).address);
        told.push_back(text);
        envelopes.push_back(std::move(event->envelope));
        break;
      }
      case LmtpEvent::Kind::content:
        if (told.back().starts_with("content "))
          told.back() += event->bytes;
        else
          told.push_back("content " + event->bytes);
        break;
      case LmtpEvent::Kind::end:
        told.emplace_back("end");
        if (!answer_by_itself) break;
        REQUIRE(!answers_.empty());
        server.answer(answers_.front());
        answers_.pop_front();
        break;
      case LmtpEvent::Kind::aborted: told.emplace_back("aborted"); break;
      case LmtpEvent::Kind::closed: told.emplace_back("closed"); break;
      }
    }
  }

 private:
  std::deque<std::vector<std::string>> answers_;
};

const std::vector<std::vector<std::string>> one_yes{{"250 2.0.0 queued"}};

} // namespace

TEST_CASE("every LMTP conversation goes the same way whole and byte by byte") {
  REQUIRE(scripts().size() >= 4);
  for (const auto& script : scripts()) {
    INFO(script.name);
    Caller whole(script.answers);
    whole.send(script.theirs);
    CHECK(whole.output == script.ours);
    CHECK(whole.told == script.told);

    Caller bytewise(script.answers);
    for (const char c : script.theirs) bytewise.send({&c, 1});
    CHECK(bytewise.output == script.ours);
    CHECK(bytewise.told == script.told);
  }
}

TEST_CASE("an LMTP conversation cut at any octet has said and told nothing more than the whole one") {
  for (const auto& script : scripts()) {
    for (std::size_t cut = 0; cut <= script.theirs.size(); ++cut) {
      Caller in_two(script.answers);
      in_two.send(std::string_view(script.theirs).substr(0, cut));
      INFO(script.name << " cut at " << cut);
      REQUIRE(script.ours.starts_with(in_two.output));
      in_two.send(std::string_view(script.theirs).substr(cut));
      REQUIRE(in_two.output == script.ours);
      REQUIRE(in_two.told == script.told);
    }
  }
}

TEST_CASE("a message that isn't whole is never announced as ended") {
  const std::string head = "LHLO m\r\nMAIL FROM:<>\r\nRCPT TO:<a@d1.example>\r\nDATA\r\n";
  for (const std::string_view tail :
       {"", ".", ".\r", "text\r\n", "text\r\n.", "text\r\n.\r", "text\n.\n", "text\n.\r\n", "text\r.\r",
        "text\r\n.\n", "text\r\n.\r\r\n", "text\r\n..\r\n", "text\r\n. \r\n"}) {
    Caller caller;
    caller.send(head + std::string(tail));
    INFO(tail);
    CHECK_FALSE(caller.server.answer_owed());
    CHECK(std::ranges::find(caller.told, "end") == caller.told.end());
  }
}

TEST_CASE("an LMTP envelope keeps every parameter it was given") {
  Caller caller(one_yes);
  caller.send_lines({"LHLO m",
                     "MAIL FROM:<s@x.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=abc XVERP",
                     "RCPT TO:<a@d1.example> NOTIFY=NEVER",
                     "RCPT TO:<b@d1.example> ORCPT=rfc822;b@d1.example", "DATA", "."});
  REQUIRE(caller.envelopes.size() == 1);
  const auto& envelope = caller.envelopes.front();
  CHECK(envelope.sender() == "s@x.example");
  CHECK(envelope.declared_size == 10);
  CHECK(envelope.body == spool::Body::eight_bit_mime);
  CHECK(envelope.smtp_utf8);
  CHECK(envelope.ret == spool::Ret::full);
  CHECK(envelope.envid == "abc");
  CHECK(envelope.verp == spool::Verp{'+', '='});
  REQUIRE(envelope.size() == 2);
  CHECK(envelope.recipient(0).notify == spool::Notify{.given = true, .never = true});
  CHECK(envelope.recipient(1).orcpt == "rfc822;b@d1.example");
}

TEST_CASE("a template is taken by no socket: it might be refused only once it was accepted") {
  Caller caller(one_yes);
  caller.send_lines({"LHLO m", "MAIL FROM:<s@x.example> XMERGE"});
  CHECK(caller.last_reply().starts_with("555 5.5.4"));
  caller.send_lines({"MAIL FROM:<s@x.example>", "RCPT TO:<a@d1.example> XMERGE=e30="});
  CHECK(caller.last_reply().starts_with("555 5.5.4"));
}

TEST_CASE("an unwell spool answers 452 4.3.1 at MAIL and DATA and takes mail again when it is well") {
  Caller caller(one_yes);
  caller.send_lines({"LHLO m"});
  caller.server.can_accept(false);
  caller.send_lines({"MAIL FROM:<>"});
  CHECK(caller.last_reply().starts_with("452 4.3.1"));
  caller.server.can_accept(true);
  caller.send_lines({"MAIL FROM:<>", "RCPT TO:<a@d1.example>"});
  CHECK(caller.last_reply().starts_with("250"));
  caller.server.can_accept(false);
  caller.send_lines({"DATA"});
  CHECK(caller.last_reply().starts_with("452 4.3.1"));
  CHECK(caller.told.empty());
  caller.server.can_accept(true);
  caller.send_lines({"MAIL FROM:<>", "RCPT TO:<a@d1.example>", "DATA", "."});
  CHECK(caller.last_reply() == "250 2.0.0 queued");
}

TEST_CASE("a message over the announced size is thrown away to its end and refused for each recipient") {
  Caller caller;
  caller.send_lines({"LHLO m", "MAIL FROM:<>", "RCPT TO:<a@d1.example>", "RCPT TO:<b@d1.example>", "DATA"});
  caller.output.clear();
  caller.send_lines({std::string(600, 'a'), std::string(600, 'b'), "QUIT", "."});
  CHECK(caller.told.back() == "aborted");
  CHECK(caller.output ==
        "552 5.3.4 message too big for this system\r\n552 5.3.4 message too big for this system\r\n");
  caller.send_lines({"NOOP"});
  CHECK(caller.last_reply() == "250 2.0.0 Ok");
}

TEST_CASE("doubled dots are no part of a message's size") {
  Caller caller(one_yes);
  caller.send_lines({"LHLO m", "MAIL FROM:<>", "RCPT TO:<a@d1.example>", "DATA"});
  for (int i = 0; i < 250; ++i) caller.send("..x\r\n"); // 1000 octets once undone: just what is allowed
  caller.send(".\r\n");
  CHECK(caller.last_reply() == "250 2.0.0 queued");
}

TEST_CASE("recipients over the limit are told to come again, the others are taken") {
  Caller caller(one_yes, {.hostname = "relay.example", .max_size = 0, .max_recipients = 1});
  caller.send_lines({"LHLO m", "MAIL FROM:<>", "RCPT TO:<a@d1.example>"});
  CHECK(caller.last_reply() == "250 2.1.5 Ok");
  caller.send_lines({"RCPT TO:<b@d1.example>"});
  CHECK(caller.last_reply().starts_with("452 4.5.3"));
  caller.send_lines({"DATA", "."});
  CHECK(caller.told.front() == "begin -> a@d1.example");
}

TEST_CASE("a line over 4096 octets is refused, an endless one ends the session, and where it is cut changes "
          "nothing") {
  const auto noop_of = [](std::size_t octets) { return "NOOP " + std::string(octets - 7, 'x') + "\r\n"; };
  for (const auto& [octets, wanted] : std::vector<std::pair<std::size_t, std::string>>{
           {LmtpServer::max_line, "250 2.0.0 Ok"},
           {LmtpServer::max_line + 1, "500 5.5.2 line too long"},
           {LmtpServer::max_discarded, "500 5.5.2 line too long"},
           {LmtpServer::max_discarded + 1, "421 4.7.0 endless line"}}) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{4096}, octets - 1, octets}) {
      Caller caller;
      const auto line = noop_of(octets);
      for (std::size_t at = 0; at < line.size(); at += step)
        caller.send(std::string_view(line).substr(at, step));
      INFO(octets << " in steps of " << step);
      CHECK(caller.last_reply() == wanted);
      caller.send_lines({"NOOP"});
      CHECK(caller.last_reply() == (wanted[0] == '4' ? "" : "250 2.0.0 Ok"));
    }
  }
}

TEST_CASE("a line that never ends in CRLF holds no memory") {
  Caller caller;
  for (int i = 0; i < 1000 && caller.server.wants_input(); ++i) caller.send(std::string(1000, '\n'));
  CHECK_FALSE(caller.server.wants_input());
  CHECK(caller.last_reply().starts_with("421"));
}

TEST_CASE("control octets in a command are refused and never repeated") {
  Caller caller;
  for (const char c : {'\0', '\r', '\n', '\x1b', '\x7f'}) {
    caller.send(std::string("LHLO a") + c + "b\r\n");
    CHECK(caller.last_reply() == "500 5.5.2 not a command");
  }
  caller.send("LHLO \xe4\r\n");
  CHECK(caller.last_reply().starts_with("501"));
  CHECK(caller.server.client_name().empty());
}

TEST_CASE("a client that makes no sense is sent away, but never at RCPT however bad its addresses") {
  Caller caller(one_yes);
  caller.send_lines({"LHLO m", "MAIL FROM:<>"});
  for (int i = 0; i < 100; ++i) {
    caller.send_lines({"RCPT TO:<bad>"});
    REQUIRE(caller.last_reply() == "501 5.1.3 malformed recipient address");
  }
  caller.send_lines({"RCPT TO:<a@d1.example>", "DATA", "."});
  CHECK(caller.last_reply() == "250 2.0.0 queued");
  for (std::uint32_t i = 1; i < LmtpServer::max_errors; ++i) {
    caller.send_lines({"WHAT"});
    REQUIRE(caller.last_reply().starts_with("500"));
  }
  caller.send_lines({"WHAT"});
  CHECK(caller.last_reply().starts_with("421"));
  CHECK(caller.told.back() == "closed");
  caller.send_lines({"NOOP"});
  CHECK(caller.output.empty());
}

TEST_CASE("what comes ahead of an owed answer is kept up to a bound and performed after it") {
  Caller caller;
  caller.answer_by_itself = false;
  caller.send_lines({"LHLO m", "MAIL FROM:<>", "RCPT TO:<a@d1.example>", "DATA", "."});
  REQUIRE(caller.server.answer_owed());
  caller.output.clear();
  std::size_t noops = 0;
  for (; caller.server.wants_input(); ++noops) caller.send_lines({"NOOP"});
  CHECK(noops * 6 < LmtpServer::max_ahead + 6);
  CHECK(caller.output.empty());
  caller.server.answer_all("250 2.0.0 queued");
  caller.pump();
  CHECK(caller.output.starts_with("250 2.0.0 queued\r\n250 2.0.0 Ok\r\n"));
  CHECK(static_cast<std::size_t>(std::ranges::count(caller.output, '\n')) == noops + 1);
  CHECK(caller.server.wants_input());
}

TEST_CASE("QUIT sent ahead of an owed answer leaves the answer first") {
  Caller caller;
  caller.answer_by_itself = false;
  caller.send("LHLO m\r\nMAIL FROM:<>\r\nRCPT TO:<a@d1.example>\r\nDATA\r\n.\r\nQUIT\r\nNOOP\r\n");
  caller.output.clear();
  caller.server.answer({"250 2.0.0 queued"});
  caller.pump();
  CHECK(caller.output == "250 2.0.0 queued\r\n221 2.0.0 Bye\r\n");
  CHECK(caller.told.back() == "closed");
}

TEST_CASE("a hundred thousand recipients, half of them named twice, each get a reply of their own") {
  constexpr int distinct = 50'000;
  Caller caller({}, {.hostname = "relay.example", .max_size = 0, .max_recipients = 100'000});
  caller.answer_by_itself = false;
  caller.send_lines({"LHLO m", "MAIL FROM:<>"});
  std::vector<std::string> replies;
  for (int i = 0; i < distinct; ++i) replies.push_back(fmt::format("250 2.0.0 {}", i));
  for (int i = 0; i < 2 * distinct; ++i)
    caller.send_lines({fmt::format("RCPT TO:<u{}@d1.example>", i % distinct)});
  caller.send_lines({"DATA", "."});
  CHECK(caller.envelopes.front().size() == distinct);
  caller.output.clear();
  caller.server.answer(replies);
  caller.pump();
  std::string wanted;
  for (int i = 0; i < 2 * distinct; ++i) wanted += replies[static_cast<std::size_t>(i % distinct)] + "\r\n";
  CHECK(caller.output == wanted);
}

TEST_CASE("the next transaction starts from nothing") {
  Caller caller({{"250 2.0.0 one"}, {"250 2.0.0 two"}});
  caller.send_lines(
      {"LHLO m", "MAIL FROM:<s@x.example> RET=FULL SMTPUTF8", "RCPT TO:<a@d1.example>", "DATA", "."});
  caller.send_lines({"RCPT TO:<a@d1.example>"});
  CHECK(caller.last_reply() == "503 5.5.1 MAIL first");
  caller.send_lines({"MAIL FROM:<t@x.example>", "RCPT TO:<b@d1.example>", "LHLO again", "DATA"});
  CHECK(caller.last_reply() == "503 5.5.1 MAIL first");
  caller.send_lines({"MAIL FROM:<t@x.example>", "RCPT TO:<c@d1.example>", "DATA", "."});
  REQUIRE(caller.envelopes.size() == 2);
  CHECK(caller.envelopes[1].sender() == "t@x.example");
  CHECK(caller.envelopes[1].ret == spool::Ret::unspecified);
  CHECK_FALSE(caller.envelopes[1].smtp_utf8);
  CHECK(caller.envelopes[1].size() == 1);
  CHECK(caller.server.client_name() == "again");
}
