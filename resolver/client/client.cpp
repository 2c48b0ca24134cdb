#include "resolver/client/client.h"

#include "resolver/answer/interpret.h"
#include "resolver/wire/codec.h"
#include "resolver/wire/walker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::resolver {
namespace {

constexpr unsigned slot_bits = 11; // of a SocketId; the rest is a serial number, so that no id comes twice
static_assert(Client::most_in_flight <= 1U << slot_bits);

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// draft-vixie-dnsext-dns0x20: case that a forger has to guess besides id and port.
std::string randomise_case(std::string name, Dice& dice) {
  std::uint64_t bits = 0;
  int left = 0;
  for (char& c : name) {
    if (c < 'a' || c > 'z') continue;
    if (left-- == 0) {
      bits = dice.next();
      left = 63;
    }
    if ((bits & 1U) != 0) c = static_cast<char>(c - 'a' + 'A');
    bits >>= 1U;
  }
  return name;
}

} // namespace

Client::Client(std::vector<Endpoint> servers, std::chrono::milliseconds timeout, int attempts,
               std::size_t max_in_flight, TrustAd trust, Dice& dice)
    : servers_(std::move(servers), trust),
      timeout_(timeout),
      attempts_(std::max(attempts, 1)),
      max_in_flight_(std::clamp<std::size_t>(max_in_flight, 1, most_in_flight)),
      dice_(dice) {}

void Client::ask(const Question& question, Monotonic now) {
  waiting_.push_back(question);
  start_waiting(now);
}

std::optional<Client::Finished> Client::next_finished() {
  if (finished_.empty()) return std::nullopt;
  auto finished = std::move(finished_.front());
  finished_.pop_front();
  return finished;
}

std::optional<Action> Client::next_action() {
  if (actions_.empty()) return std::nullopt;
  auto action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

// What comes in
// ------------------------------------------------------------------------------------------------------

void Client::datagram(SocketId socket, const Endpoint& from, std::string_view bytes, Monotonic now) {
  Query* query = find(socket);
  if (query == nullptr || query->stream) {
    ++stats_.ignored; // late, or a second one
    return;
  }
  const Match matched = from == servers_[query->server] ? match(*query, bytes) : Match::no;
  if (matched == Match::yes) {
    take_response(*query, bytes, now);
  } else {
    ++stats_.ignored;
    query->other_case |= matched == Match::other_case;
    if (++query->ignored >= max_ignored) open_stream(*query, now);
  }
  start_waiting(now);
}

void Client::datagram_failed(SocketId socket, Monotonic now) {
  Query* query = find(socket);
  if (query == nullptr || query->stream) return;
  servers_.silent(query->server, now);
  query->unreachable |= ServerSet{1} << query->server;
  query->trouble = fmt::format("{} cannot be reached", servers_[query->server].to_string());
  if (query->tries >= attempts_ || servers_.after(query->server, query->useless | query->unreachable)) {
    next_try(*query, now);
  } else {
    close(*query); // the timer goes on: a server that is just being restarted is asked again after it
  }
  start_waiting(now);
}

void Client::stream_data(SocketId socket, std::string_view bytes, Monotonic now) {
  Query* query = find(socket);
  if (query == nullptr || !query->stream) {
    ++stats_.ignored;
    return;
  }
  constexpr std::size_t prefix = 2;
  constexpr std::size_t largest = prefix + 65'535;
  std::string& received = query->received;
  received.append(bytes.substr(0, largest - received.size()));
  if (received.size() < prefix) return;
  const std::size_t length = static_cast<std::size_t>(static_cast<std::uint8_t>(received[0])) << 8U |
                             static_cast<std::uint8_t>(received[1]);
  if (received.size() < prefix + length) return;
  const std::string message = received.substr(prefix, length);
  // No one can forge a stream from afar, so case does not matter here: some servers answer in lower case.
  if (match(*query, message) == Match::no) {
    server_useless(*query, "an answer to another question", now);
  } else {
    take_response(*query, message, now);
  }
  start_waiting(now);
}

void Client::stream_closed(SocketId socket, Monotonic now) {
  Query* query = find(socket);
  if (query == nullptr || !query->stream) return;
  server_useless(*query, "no answer by TCP", now);
  start_waiting(now);
}

std::optional<Monotonic> Client::deadline() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.front().at;
}

void Client::timeout(Monotonic now) {
  for (forget_timers(); !timers_.empty() && timers_.front().at <= now; forget_timers()) {
    Query& query = queries_[timers_.front().slot];
    timers_.pop_front();
    ++stats_.timeouts;
    query.unreachable = 0;
    if (query.stream) {
      server_useless(query, "no answer by TCP", now);
    } else if (query.socket != 0 && std::exchange(query.other_case, false)) {
      open_stream(query, now); // this server seems to change the case
    } else {
      if (query.socket != 0) {
        servers_.silent(query.server, now);
        query.trouble = fmt::format("no answer from {}", servers_[query.server].to_string());
      }
      next_try(query, now);
    }
  }
  start_waiting(now);
}

// Tries
// --------------------------------------------------------------------------------------------------------------

void Client::start_waiting(Monotonic now) {
  while (active_ < max_in_flight_ && !waiting_.empty()) {
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(question), now);
  }
  forget_timers();
}

void Client::start(Question question, Monotonic now) {
  std::size_t slot = queries_.size();
  if (free_.empty()) {
    queries_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Query& query = queries_[slot];
  query.question = std::move(question);
  query.slot = slot;
  ++active_;
  const auto server = servers_.first(now);
  if (!server) return finish(query, doubt(query.question.name, "no name server is known", now));
  query.server = *server;
  ++query.tries;
  send_datagram(query, now);
}

void Client::next_try(Query& query, Monotonic now) {
  auto server = servers_.after(query.server, query.useless | query.unreachable);
  if (!server) server = servers_.after(query.server, query.useless);
  if (!server || query.tries >= attempts_) {
    return finish(query, doubt(query.question.name, std::move(query.trouble), now));
  }
  query.server = *server;
  ++query.tries;
  send_datagram(query, now);
}

void Client::send_datagram(Query& query, Monotonic now) {
  close(query);
  if (!prepare(query)) return finish(query, doubt(query.question.name, "the name cannot be asked for", now));
  query.stream = false;
  query.ignored = 0;
  query.socket = ++serial_ << slot_bits | query.slot;
  ++stats_.sent;
  actions_.push_back({Action::Kind::send_datagram, query.socket, servers_[query.server], query.packet});
  arm(query, now);
}

void Client::open_stream(Query& query, Monotonic now) {
  close(query);
  if (!prepare(query)) return finish(query, doubt(query.question.name, "the name cannot be asked for", now));
  query.stream = true;
  query.received.clear();
  query.socket = ++serial_ << slot_bits | query.slot;
  std::string bytes{static_cast<char>(query.packet.size() >> 8U),
                    static_cast<char>(query.packet.size() & 0xffU)};
  bytes += query.packet;
  ++stats_.sent;
  actions_.push_back({Action::Kind::open_stream, query.socket, servers_[query.server], std::move(bytes)});
  arm(query, now);
}

bool Client::prepare(Query& query) {
  const auto id = static_cast<std::uint16_t>(dice_.below(65'536));
  auto packet = encode_query(randomise_case(query.question.name, dice_), query.question.type, id, query.edns,
                             servers_.trusted(query.server));
  if (!packet) return false;
  query.packet = *std::move(packet);
  query.question_end = question_end(query.packet).value_or(query.packet.size());
  return true;
}

void Client::arm(Query& query, Monotonic now) {
  query.timer = ++serial_;
  timers_.push_back({now + timeout_, query.slot, query.timer});
}

void Client::close(Query& query) {
  if (query.socket == 0) return;
  const auto kind = query.stream ? Action::Kind::close_stream : Action::Kind::close_datagram;
  actions_.push_back({kind, std::exchange(query.socket, 0), servers_[query.server], {}});
}

// Answers
// ------------------------------------------------------------------------------------------------------------

Client::Match Client::match(const Query& query, std::string_view bytes) {
  const auto header = read_header(bytes);
  if (!header || !header->response || header->opcode != 0) return Match::no;
  const std::string_view sent(query.packet);
  if (bytes.substr(0, 2) != sent.substr(0, 2)) return Match::no;
  // A server that does not understand EDNS may send nothing but a header back; it costs no more than EDNS.
  const bool bare = header->questions == 0 && bytes.size() == header_size;
  if (bare && query.edns && (header->rcode == 1 || header->rcode == 4)) return Match::yes;
  if (header->questions != 1 || bytes.size() < query.question_end) return Match::no;
  const auto asked = sent.substr(header_size, query.question_end - header_size);
  const auto answered = bytes.substr(header_size, asked.size());
  if (asked == answered) return Match::yes;
  const bool same = std::ranges::equal(asked, answered, [](char a, char b) { return lower(a) == lower(b); });
  return same ? Match::other_case : Match::no;
}

void Client::take_response(Query& query, std::string_view bytes, Monotonic now) {
  ++stats_.answers;
  servers_.answered(query.server);
  if (read_header(bytes)->truncated) {
    if (query.stream) return server_useless(query, "a truncated answer by TCP", now);
    return open_stream(query, now);
  }
  auto message = decode(bytes);
  if (!message) return server_useless(query, fmt::format("a broken answer ({})", message.error()), now);
  message->authentic &= servers_.trusted(query.server);
  auto answer = interpret(query.question, *std::move(message), now);
  if (answer) return finish(query, *std::move(answer));
  if (answer.error().perhaps_edns && std::exchange(query.edns, false)) return send_datagram(query, now);
  server_useless(query, std::move(answer.error().text), now);
}

void Client::server_useless(Query& query, std::string trouble, Monotonic now) {
  query.useless |= ServerSet{1} << query.server;
  query.trouble = fmt::format("{} from {}", trouble, servers_[query.server].to_string());
  next_try(query, now);
}

void Client::finish(Query& query, Answer answer) {
  close(query);
  finished_.push_back({std::move(query.question), std::make_shared<const Answer>(std::move(answer))});
  free_.push_back(query.slot);
  query = Query{};
  --active_;
}

// Places
// -------------------------------------------------------------------------------------------------------------

void Client::forget_timers() {
  while (!timers_.empty() && queries_[timers_.front().slot].timer != timers_.front().serial)
    timers_.pop_front();
}

Client::Query* Client::find(SocketId socket) {
  const std::size_t slot = socket & ((1U << slot_bits) - 1);
  if (socket == 0 || slot >= queries_.size() || queries_[slot].socket != socket) return nullptr;
  return &queries_[slot];
}

} // namespace bulkmail::resolver
