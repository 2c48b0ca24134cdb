// The client against any peer, and against any order of calls: what it sends is well formed, each recipient has exactly one
// answer, in the order of the transactions, and none is accepted without an end of data of its own and a 2yz that came after
// it.
//
// The input is a list of moves: an octet that says which, and for what the peer says its length and its bytes.
#include "transport/client/client.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

class Game {
 public:
  explicit Game(std::uint8_t settings) : client_(config(settings), now_) {}

  void move(std::uint8_t what, std::string_view& rest) {
    switch (what % 16) {
    case 4: client_.tls_established(now_); break;
    case 5: client_.tls_failed("no cipher in common", now_); break;
    case 7: start(rest); break;
    case 8: client_.content_progress(now_); break;
    case 9: send(rest, true); break;
    case 6: send(rest, false); break;
    case 10:
      if (client_.deadline()) client_.timeout(now_ = *client_.deadline());
      break;
    case 11: client_.timeout(now_ += std::chrono::seconds(1)); break;
    case 12: client_.lost("reset", now_); break;
    case 13: client_.quit(now_); break;
    case 14: client_.abandon_content("no more", now_); break;
    case 15: pump(); break;
    default: { // most of what happens
      const std::size_t length = rest.empty() ? 0 : static_cast<std::uint8_t>(rest.front());
      rest.remove_prefix(rest.empty() ? 0 : 1);
      const std::string_view heard = rest.substr(0, length);
      rest.remove_prefix(heard.size());
      heard_ += heard;
      client_.receive(heard, now_);
      break;
    }
    }
    if (what < 240) pump(); // sometimes the caller is slow to look
  }

  void end() {
    pump();
    client_.lost("the end", now_);
    pump();
    must(closed_);
    must(settled_ == started_);
    must(!client_.deadline());
  }

 private:
  static ClientConfig config(std::uint8_t settings) {
    ClientConfig config;
    config.hostname = "relay.example";
    config.allow_pipelining = (settings & 1) != 0;
    config.messages_per_connection = (settings & 2) != 0 ? 2 : 1000;
    config.eight_bit = (settings & 4) != 0 ? EightBit::fail : EightBit::send;
    config.tls = static_cast<UseTls>(settings >> 6 & 3);
    if ((settings & 8) != 0) config.protocol = ClientConfig::Protocol::lmtp;
    config.allow_chunking = (settings & 16) == 0;
    config.run_ahead_from = std::chrono::milliseconds((settings & 32) != 0 ? 1'000'000 : 0);
    return config;
  }

  void start(std::string_view& rest) {
    pump();
    if ((!ready_ && !client_.can_start()) || closed_) return;
    ready_ = false;
    const std::size_t taken = std::min<std::size_t>(rest.size(), 4);
    Transaction transaction;
    transaction.sender = "a@example.org";
    transaction.eight_bit = taken > 1;
    transaction.size = taken * 1000;
    for (std::size_t i = 0; i < taken; ++i) {
      transaction.recipients.push_back(
          {.address = std::string("r") + rest[i] + "@example.org", .notify = {}, .orcpt = {}});
    }
    rest.remove_prefix(taken);
    recipients_.push_back(taken);
    must(client_.start(std::move(transaction), now_) == ++started_);
  }

  void send(std::string_view& rest, bool last) {
    const bool wanted = client_.wants_content();
    const std::string_view block = rest.substr(0, std::min<std::size_t>(rest.size(), 3));
    rest.remove_prefix(block.size());
    content_ = true; // whose line ends are not the client's
    client_.send_content(block, last, now_);
    if (wanted && last) ends_.push_back(sending_);
  }

  void pump() {
    while (const auto event = client_.next_event()) {
      must(!closed_);
      switch (event->kind) {
      case Event::Kind::start_tls: break; // the input says how it ends
      case Event::Kind::ready:
        must(settled_ == started_);
        ready_ = true;
        break;
      case Event::Kind::send_content:
        must(event->transaction > settled_ && event->transaction <= started_);
        sending_ = event->transaction;
        break;
      case Event::Kind::settled:
        must(event->transaction == ++settled_);
        must(event->results.size() == recipients_[settled_ - 1]);
        for (const RecipientResult& result : event->results) check(result);
        break;
      case Event::Kind::closed: closed_ = true; break;
      }
    }
    const std::string output = client_.take_output();
    must(!closed_ || output.empty());
    for (std::size_t i = 0; !content_ && i < output.size(); ++i) {
      must(output[i] != '\0');
      if (output[i] == '\r') must(i + 1 < output.size() && output[i + 1] == '\n');
      if (output[i] == '\n') must(i > 0 && output[i - 1] == '\r');
    }
    content_ = false;
    for (const std::uint32_t one : std::exchange(ends_, {})) heard_before_end_[one] = heard_.size();
  }

  void check(const RecipientResult& result) {
    switch (result.kind) {
    case RecipientResult::Kind::accepted:
      must(result.reply && result.reply->positive());
      must(heard_before_end_.contains(settled_));
      must(heard_.substr(heard_before_end_[settled_]).find('\n') != std::string::npos);
      break;
    case RecipientResult::Kind::refused: must(result.reply && result.reply->negative()); break;
    case RecipientResult::Kind::again:
      must(!result.text.empty() || result.reply);
      break; // LIMITS, or a reply
    case RecipientResult::Kind::lost:
    case RecipientResult::Kind::indeterminate: must(!result.text.empty()); break;
    case RecipientResult::Kind::unsuitable: must(!result.enhanced.empty() && !result.text.empty()); break;
    }
  }

  Monotonic now_{};
  Client client_;
  bool ready_ = false;
  bool closed_ = false;
  bool content_ = false;
  std::string heard_;
  std::vector<std::uint32_t> ends_;                       // of data, still in the client's output
  std::map<std::uint32_t, std::size_t> heard_before_end_; // octets, by transaction
  std::uint32_t started_ = 0, settled_ = 0, sending_ = 0;
  std::vector<std::size_t> recipients_; // by transaction
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Game game(data[0]);
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!rest.empty()) {
    const auto what = static_cast<std::uint8_t>(rest.front());
    rest.remove_prefix(1);
    game.move(what, rest);
  }
  game.end();
  return 0;
}
