// How a session logs in (RFC 4954), after EHLO and after TLS. Nothing of what is said here is ever told to anybody but the
// host: troubles name the mechanism and the host's reply.
#include "spool/base64.h"
#include "transport/client/client.h"

#include <fmt/format.h>

namespace bulkmail::transport {

// Whether that comes before the session is ready, be it its end.
bool Client::logs_in() {
  if (!config_.credentials || exchange_ || quit_wanted_) return false;
  if (!secured_ && !config_.credentials->without_tls) {
    refuse_to_log_in("there is no TLS, and nobody logs in over a session in clear");
    return true;
  }
  const auto mechanism = choose(offer_.auth, *config_.credentials);
  if (!mechanism) {
    refuse_to_log_in("the host offers no mechanism that will do to log in with");
    return true;
  }
  exchange_ = begin(*mechanism, *config_.credentials, config_.nonce);
  mechanism_ = *mechanism;
  send(Verb::auth);
  return true;
}

void Client::append_auth() {
  output_.append("AUTH ").append(name_of(mechanism_));
  if (const auto first = exchange_->first()) {
    output_ += ' ';
    if (first->empty())
      output_ += '='; // RFC 4954 §4: an empty one
    else
      spool::append_base64(output_, *first);
  }
  output_ += "\r\n";
}

void Client::auth_answered() {
  const Reply& reply = parser_.reply();
  if (reply.code == 334) {
    std::string challenge;
    const bool legible =
        spool::decode_base64(reply.lines.empty() ? std::string_view{} : reply.lines.front(), challenge);
    const auto answer = legible ? exchange_->answer(challenge) : std::nullopt;
    if (!answer)
      return refuse_to_log_in(fmt::format("the host's part of {} is not right", name_of(mechanism_)));
    spool::append_base64(output_, *answer);
    output_ += "\r\n";
    return push(Verb::auth);
  }
  if (!reply.positive()) {
    SharedReply shared = share();
    return close({.kind = Trouble::Kind::no_entry,
                  .stage = Stage::auth,
                  .reply = shared,
                  .text = fmt::format("the host refused the login: {}", shared->text())});
  }
  if (!exchange_->satisfied())
    return refuse_to_log_in(fmt::format("the host has not proved itself in {}", name_of(mechanism_)));
  become_ready();
}

void Client::refuse_to_log_in(std::string_view why) {
  close({.kind = Trouble::Kind::no_entry, .stage = Stage::auth, .reply = {}, .text = std::string(why)});
}

} // namespace bulkmail::transport
