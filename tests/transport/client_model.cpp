// The client against random hosts, right ones and wrong ones: whatever they lose, repeat or cut off, nobody is `accepted`
// whose own end of data had no 2yz, everybody has exactly one answer, and what arrived is what was sent.
#include "tests/seeds.h"
#include "transport/client/client.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <string>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

using Random = std::mt19937_64;

bool happens(Random& random, int of_thousand) { return static_cast<int>(random() % 1000) < of_thousand; }

struct Character {
  bool pipelining = true, chunking = true;
  bool alike = false;           // every 2yz has the same words
  int refuses = 100;            // a recipient, or a message
  int loses = 0, repeats = 0;   // a reply
  int closes = 0, goes_off = 0; // at a command, without or with a 421
};

// A host's side of the session. It knows which message it took by the sender, "m7@example.org".
class Host {
 public:
  Host(Character character, Random& random) : character_(character), random_(random) {}

  std::map<int, std::string> taken; // by message: the content, dots undone
  bool closed = false;

  std::string greeting() { return "220 host ESMTP\r\n"; }

  std::string hears(std::string_view bytes) {
    in_ += bytes;
    replies_.clear();
    while (!closed && step()) {
    }
    return std::move(replies_);
  }

 private:
  bool step() {
    if (chunk_left_ > 0) {
      if (in_.empty()) return false;
      const std::size_t some = std::min(chunk_left_, in_.size());
      content_ += in_.substr(0, some);
      in_.erase(0, some);
      chunk_left_ -= some;
      if (chunk_left_ == 0) chunk_ends();
      return true;
    }
    const std::size_t end = in_.find("\r\n");
    if (end == std::string::npos) return false;
    const std::string line = in_.substr(0, end);
    in_.erase(0, end + 2);
    if (in_data_) {
      if (line == ".")
        end_of_data();
      else
        content_ += line.substr(line.starts_with('.') ? 1 : 0) + "\r\n";
      return true;
    }
    command(line);
    return true;
  }

  void command(const std::string& line) {
    if (happens(random_, character_.closes)) {
      closed = true;
    } else if (happens(random_, character_.goes_off)) {
      replies_ += "421 4.3.2 Going\r\n";
      closed = true;
    } else if (line.starts_with("EHLO")) {
      replies_ += character_.chunking ? "250-host\r\n250-CHUNKING\r\n" : "250-host\r\n";
      replies_ += character_.pipelining ? "250 PIPELINING\r\n" : "250 8BITMIME\r\n";
    } else if (line.starts_with("RSET")) {
      open_ = false;
      accepted_ = 0;
      say("250", "2.0.0 Flushed");
    } else if (line.starts_with("MAIL")) {
      if (open_) return say("503", "5.5.1 Nested");
      open_ = true;
      message_ = std::stoi(line.substr(line.find("<m") + 2));
      accepted_ = 0;
      content_.clear();
      say("250", "2.1.0 Sender");
    } else if (line.starts_with("RCPT")) {
      if (!open_) return say("503", "5.5.1 Need MAIL");
      if (happens(random_, character_.refuses)) return say("550", "5.1.1 Nobody");
      ++accepted_;
      say("250", "2.1.5 Recipient");
    } else if (line.starts_with("DATA")) {
      if (accepted_ == 0) return say("554", "5.5.1 Nobody");
      in_data_ = true;
      say("354", "Go on");
    } else if (line.starts_with("BDAT")) {
      chunk_left_ = std::stoull(line.substr(5));
      last_ = line.ends_with("LAST");
      if (chunk_left_ == 0) chunk_ends();
    } else {
      say("221", "Bye");
      closed = true;
    }
  }

  void chunk_ends() {
    if (last_) return end_of_data();
    accepted_ > 0 ? say("250", "2.0.0 Chunk") : say("503", "5.5.1 Need RCPT");
  }

  void end_of_data() {
    in_data_ = false;
    if (accepted_ == 0) return say("503", "5.5.1 Need RCPT"); // and stays open
    open_ = false;
    if (happens(random_, character_.refuses)) return say("550", "5.7.1 No");
    taken[message_] = std::exchange(content_, {});
    say("250", "2.0.0 Queued as " + std::to_string(random_() % 100'000));
  }

  void say(std::string_view code, std::string words) {
    if (character_.alike && code == "250") words = "Ok";
    const std::string reply = std::string(code) + " " + words + "\r\n";
    if (!happens(random_, character_.loses)) replies_ += reply;
    if (happens(random_, character_.repeats)) replies_ += reply;
  }

  Character character_;
  Random& random_;
  std::string in_, replies_, content_;
  std::size_t chunk_left_ = 0;
  bool in_data_ = false, open_ = false, last_ = false;
  int message_ = 0, accepted_ = 0;
};

struct Sum {
  std::size_t accepted = 0, indeterminate = 0, most_at_once = 0;
};

class Play {
 public:
  Play(Character character, std::uint64_t seed, bool whole_reads, Sum& sum)
      : random_(seed),
        host_(character, random_),
        whole_reads_(whole_reads),
        sum_(sum),
        client_(config(), now_) {
    hear(host_.greeting());
    while (!closed_ && !(started_ == most_messages && client_.idle())) {
      const std::string said = client_.take_output();
      const std::string replies = host_.hears(said);
      now_ += std::chrono::milliseconds(1);
      hear(replies);
      if (host_.closed && !closed_) {
        client_.lost("gone", now_);
        pump();
      } else if (replies.empty() && !closed_ && client_.deadline()) {
        client_.timeout(now_ = *client_.deadline());
        pump();
      }
    }
    if (!closed_) client_.lost("enough", now_);
    pump();
    REQUIRE(closed_);
    REQUIRE(settled_ == started_);
  }

 private:
  static constexpr int most_messages = 40;

  static ClientConfig config() {
    ClientConfig config;
    config.hostname = "relay.example";
    config.run_ahead_from = {};
    return config;
  }

  static std::string content_of(int message) {
    return "Subject: " + std::to_string(message) + "\r\n\r\n.\r\n..two\r\n" +
           (message % 3 == 0 ? "" : "a.\r\n.\r\nRSET\r\n");
  }

  void hear(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t some = whole_reads_ ? bytes.size() : 1 + random_() % bytes.size();
      client_.receive(bytes.substr(0, some), now_);
      bytes.remove_prefix(some);
      pump();
    }
  }

  void pump() {
    for (;;) {
      while (const auto event = client_.next_event()) handle(*event);
      while (client_.wants_content()) {
        const std::string rest = content_of(sending_).substr(sent_);
        const std::string block = rest.substr(0, sent_ == 0 ? 5 : rest.size());
        sent_ += block.size();
        client_.send_content(block, block.size() == rest.size(), now_);
      }
      if (client_.has_event()) continue;
      if (started_ == most_messages || !client_.can_start()) break;
      start();
    }
    sum_.most_at_once =
        std::max<std::size_t>(sum_.most_at_once, static_cast<std::size_t>(started_ - settled_));
  }

  void start() {
    Transaction transaction;
    transaction.sender = "m" + std::to_string(++started_) + "@example.org";
    for (std::uint64_t i = random_() % 3 + 1; i > 0; --i)
      transaction.recipients.push_back({"r" + std::to_string(i) + "@example.org", {}, {}});
    REQUIRE(client_.start(std::move(transaction), now_) == static_cast<std::uint32_t>(started_));
  }

  void handle(const Event& event) {
    REQUIRE_FALSE(closed_);
    switch (event.kind) {
    case Event::Kind::start_tls: break; // never asked for
    case Event::Kind::ready: REQUIRE(settled_ == started_); break;
    case Event::Kind::send_content:
      sending_ = static_cast<int>(event.transaction);
      sent_ = 0;
      break;
    case Event::Kind::closed: closed_ = true; break;
    case Event::Kind::settled:
      REQUIRE(static_cast<int>(event.transaction) == ++settled_);
      for (const RecipientResult& result : event.results) {
        sum_.indeterminate += result.kind == RecipientResult::Kind::indeterminate ? 1 : 0;
        if (result.kind != RecipientResult::Kind::accepted) continue;
        ++sum_.accepted;
        REQUIRE(host_.taken.contains(settled_));
        REQUIRE(host_.taken[settled_] == content_of(settled_));
      }
      break;
    }
  }

  Random random_;
  Host host_;
  bool whole_reads_;
  Sum& sum_;
  Monotonic now_{};
  Client client_;
  std::size_t sent_ = 0;
  int started_ = 0, settled_ = 0, sending_ = 0;
  bool closed_ = false;
};

Sum play(Character character, bool whole_reads = false) {
  Sum sum;
  for (std::uint64_t seed = 1; seed <= test::number_from("CLIENT_SEEDS", 300); ++seed) {
    INFO("seed " << seed << ", chunking " << character.chunking << ", alike " << character.alike);
    Play(character, seed, whole_reads, sum);
  }
  return sum;
}

} // namespace

TEST_CASE(
    "client: with right hosts of each kind everything arrives as it was sent, and long flights are used") {
  for (const bool pipelining : {false, true}) {
    for (const bool chunking : {false, true}) {
      const Sum sum = play({.pipelining = pipelining, .chunking = chunking});
      INFO("pipelining " << pipelining << ", chunking " << chunking);
      CHECK(sum.accepted > 10'000);
      CHECK(sum.indeterminate == 0);
      CHECK(sum.most_at_once >= (!pipelining ? 1U : chunking ? 20U : 2U));
      CHECK((pipelining || sum.most_at_once == 1));
    }
  }
}

TEST_CASE("client: hosts whose words are all alike are believed when nothing is left over or missing") {
  const Sum sum = play({.alike = true});
  CHECK(sum.accepted > 10'000);
  CHECK(sum.indeterminate == 0);
}

TEST_CASE("client: hosts that lose replies make nobody accepted who was not") {
  for (const bool chunking : {false, true}) {
    for (const bool alike : {false, true}) {
      const Sum sum = play({.chunking = chunking, .alike = alike, .loses = 10});
      CHECK(sum.accepted > 1000);
      CHECK(sum.indeterminate > 0);
    }
  }
}

TEST_CASE("client: hosts that say replies twice make nobody accepted who was not") {
  for (const bool chunking : {false, true}) {
    for (const bool alike : {false, true}) {
      const Sum sum = play({.chunking = chunking, .alike = alike, .repeats = 10}, true);
      CHECK(sum.accepted > 1000);
    }
  }
}

TEST_CASE("client: hosts that hang up or go off anywhere make nobody accepted who was not") {
  for (const bool chunking : {false, true}) {
    const Sum sum = play({.chunking = chunking, .closes = 10, .goes_off = 10});
    CHECK(sum.accepted > 1000);
    CHECK((sum.indeterminate > 0 || !chunking)); // a dot and its reply are one turn of this host's
  }
}
