#include "agent/run/secure_channel.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {

using State = transport::TlsChannel::State;

SecureChannel::SecureChannel(std::unique_ptr<Channel> under, Security security, Owner& owner, Clock& clock)
    : under_(std::move(under)),
      owner_(owner),
      handler_(&owner),
      clock_(clock),
      tls_(std::move(security.contexts), std::move(security.policy), security.tickets, clock.now().mono) {
  under_->set_handler(*this);
  send();
}

SecureChannel::~SecureChannel() {
  if (ended_) return;
  tls_.end();
  send();
}

// ---- What the owner writes

void SecureChannel::write(std::string bytes) {
  if (bytes.empty()) return;
  waiting_ += bytes.size();
  queue_.push_back(std::move(bytes));
  encrypt();
}

// As much as the connection takes, and one block more.
void SecureChannel::encrypt() {
  while (!queue_.empty() && under_->unwritten() == 0 && tls_.state() == State::open) {
    for (std::size_t room = block; room > 0 && !queue_.empty();) {
      const auto piece = std::string_view(queue_.front()).substr(taken_, room);
      tls_.write(piece);
      room -= piece.size();
      taken_ += piece.size();
      waiting_ -= piece.size();
      if (taken_ < queue_.front().size()) break;
      queue_.pop_front();
      taken_ = 0;
    }
    send();
  }
}

void SecureChannel::send() {
  if (tls_.has_output()) under_->write(tls_.take_output());
}

// ---- What the connection says

void SecureChannel::received(std::string_view bytes) {
  if (ended_) return;
  tls_.receive(bytes, clock_.now().mono);
  send(); // the handshake's answers, alerts
  if (!tell_handshake()) return;
  if (const std::string plaintext = tls_.take_plaintext(); !plaintext.empty()) {
    const std::weak_ptr<char> alive = alive_;
    handler_->received(plaintext);
    if (alive.expired()) return;
  }
  if (tls_.state() == State::ended) closed("connection closed by the peer", false);
  if (tls_.state() == State::failed) closed(tls_.problem(), false);
}

bool SecureChannel::tell_handshake() {
  if (told_) return true;
  if (tls_.state() == State::handshake) return false;
  told_ = true;
  if (tls_.state() == State::failed) {
    ended_ = true;
    owner_.insecure(tls_.problem(), tls_.fault());
    return false;
  }
  const std::weak_ptr<char> alive = alive_;
  owner_.secured(tls_.info(), tls_.flaw());
  return !alive.expired();
}

void SecureChannel::drained() {
  encrypt();
  if (unwritten() == 0) handler_->drained();
}

void SecureChannel::closed(std::string_view why, bool local) {
  if (std::exchange(ended_, true)) return;
  handler_->closed(why, local);
}

} // namespace bulkmail::agent
