// Asks name servers over UDP and TCP (RFC 1035 §7, RFC 5452, RFC 7766), without I/O: takes questions, gives
// actions, takes bytes, gives answers. It knows no cache and no MX.
//
// A question is tried `attempts` times, each time at the next server, from a fresh socket with a fresh id and
// fresh 0x20 case. What does not match in all of it is ignored, and waiting goes on; after many such, or a
// truncated answer, the server is asked by TCP. In the end there is always an answer; doubt is one.
#pragma once

#include "resolver/answer/answer.h"
#include "resolver/client/servers.h"
#include "resolver/resolver.h"
#include "resolver/wire/question.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

class Client {
 public:
  // At once in flight: the sockets they need fit beside 1,000 sessions in a common limit of descriptors
  // (4,096), and a local resolver's own limits (unbound: 1,024 a thread and more) are not far exceeded.
  // Others wait their turn.
  static constexpr std::size_t most_in_flight = 2000;
  // Answers that do not match, until a question goes on by TCP: someone may be guessing (RFC 5452 §9.3).
  static constexpr int max_ignored = 20;

  Client(std::vector<Endpoint> servers, std::chrono::milliseconds timeout, int attempts,
         std::size_t max_in_flight, TrustAd trust, Dice& dice);

  // The same question must not be asked again before it is finished.
  void ask(const Question& question, Monotonic now);

  struct Finished {
    Question question;
    std::shared_ptr<const Answer> answer;
  };

  [[nodiscard]] std::optional<Finished> next_finished();

  [[nodiscard]] std::optional<Action> next_action();
  void datagram(SocketId socket, const Endpoint& from, std::string_view bytes, Monotonic now);
  void datagram_failed(SocketId socket, Monotonic now);
  void stream_data(SocketId socket, std::string_view bytes, Monotonic now);
  void stream_closed(SocketId socket, Monotonic now);
  [[nodiscard]] std::optional<Monotonic> deadline() const;
  void timeout(Monotonic now);

  // Questions not finished, those that wait their turn included.
  [[nodiscard]] std::size_t in_flight() const { return active_ + waiting_.size(); }

  struct Stats {
    std::uint64_t sent = 0, answers = 0, ignored = 0, timeouts = 0;
  };

  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  // One question in flight and the try it is in.
  struct Query {
    Question question;
    std::size_t slot = 0; // its place in queries_
    SocketId socket = 0;  // 0: the try has failed, and its time is waited out
    bool stream = false;  // by TCP
    std::size_t server = 0;
    std::string packet; // as sent
    std::size_t question_end = 0;
    std::uint64_t timer = 0; // the serial of its entry in timers_ that counts
    int tries = 0;
    int ignored = 0;
    bool edns = true;
    bool other_case = false; // an answer was right but for its case
    ServerSet useless = 0;   // servers that answered, but not this question
    ServerSet unreachable = 0;
    std::string received; // from the stream
    std::string trouble;  // the last one
  };

  struct Timer {
    Monotonic at;
    std::size_t slot;
    std::uint64_t serial;
  };

  enum class Match : std::uint8_t { no, other_case, yes };

  void start(Question question, Monotonic now);
  void next_try(Query& query, Monotonic now);
  void send_datagram(Query& query, Monotonic now);
  void open_stream(Query& query, Monotonic now);
  bool prepare(Query& query);
  void arm(Query& query, Monotonic now);
  void close(Query& query);
  static Match match(const Query& query, std::string_view bytes);
  void take_response(Query& query, std::string_view bytes, Monotonic now);
  void server_useless(Query& query, std::string trouble, Monotonic now);
  void finish(Query& query, Answer answer);
  void start_waiting(Monotonic now);
  void forget_timers();
  Query* find(SocketId socket);

  Servers servers_;
  std::chrono::milliseconds timeout_;
  int attempts_;
  std::size_t max_in_flight_;
  Dice& dice_;
  std::deque<Query> queries_; // stable places
  std::vector<std::size_t> free_;
  std::size_t active_ = 0;
  std::deque<Question> waiting_;
  std::deque<Timer> timers_; // all tries last the same time: in order of time without sorting
  std::deque<Action> actions_;
  std::deque<Finished> finished_;
  std::uint64_t serial_ = 0; // of sockets and timers
  Stats stats_;
};

} // namespace bulkmail::resolver
