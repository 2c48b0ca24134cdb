// How a session is secured: STARTTLS after EHLO (RFC 3207), or TLS before the greeting (RFC 8314 §3.3).
#include "transport/client/client.h"
#include "transport/printable.h"

#include <fmt/format.h>

namespace bulkmail::transport {

// After EHLO: whether something else comes before the session is ready, be it its end.
bool Client::turns_to_tls() {
  if (secured_ || quit_wanted_ || config_.tls == UseTls::never) return false;
  if (offer_.starttls) {
    send(Verb::starttls);
    return true;
  }
  if (config_.tls == UseTls::if_offered) return false;
  close({.kind = Trouble::Kind::insecure,
         .stage = Stage::starttls,
         .reply = {},
         .text = "the host does not offer STARTTLS, and nothing is sent there in clear"});
  return true;
}

void Client::starttls_answered() {
  if (parser_.reply().positive()) return await_handshake();
  if (config_.tls == UseTls::if_offered) { // the session goes on as it was (RFC 3207 §4.1)
    if (!logs_in()) become_ready();
    return;
  }
  SharedReply reply = share();
  close({.kind = Trouble::Kind::insecure,
         .stage = Stage::starttls,
         .reply = reply,
         .text = fmt::format("the host refused STARTTLS: {}", reply->text())});
}

void Client::await_handshake() {
  push(Verb::handshake);
  untaken_ = commands_.size(); // nothing of it is ours to send
  events_.push_back({.kind = Event::Kind::start_tls});
}

bool Client::shaking_hands() const { return unanswered() && commands_[oldest_].verb == Verb::handshake; }

// Whatever was heard before could have come from anybody: only the EHLO after TLS counts (RFC 3207 §4.2).
void Client::tls_established(Monotonic now) {
  if (closed_ || !shaking_hands()) return;
  now_ = now;
  ++oldest_;
  ++replies_;
  secured_ = true;
  offer_ = {};
  if (config_.tls == UseTls::at_once) {
    push(Verb::greeting);
    untaken_ = commands_.size();
  } else {
    send(Verb::ehlo);
  }
  arm();
}

void Client::tls_failed(std::string_view why, Monotonic) {
  if (closed_ || !shaking_hands()) return;
  close({.kind = Trouble::Kind::insecure, .stage = Stage::tls, .reply = {}, .text = printable(why)});
}

} // namespace bulkmail::transport
