// A Channel over another one that is secured by TLS: what its owner writes goes out encrypted, what its owner hears has been
// decrypted. It begins with the handshake and tells its owner how that ended; until then nothing may be written.
//
// Content that is written is kept as it is, shared, and encrypted block by block as the connection takes it: what is waiting
// of a large message costs one block, however slow its reader.
#pragma once

#include "agent/seams.h"
#include "transport/tls/channel.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace bulkmail::agent {

class SecureChannel final : public Channel, private Channel::Handler {
 public:
  class Owner : public Channel::Handler {
   public:
    // One of the two, once. `flaw`: of a certificate that nothing hangs on. Without either: closed(), the connection was lost.
    virtual void secured(const spool::TlsInfo& how, std::optional<transport::TlsFault> flaw) = 0;
    virtual void insecure(std::string_view why, transport::TlsFault fault) = 0; // nothing follows
  };

  // Encrypted ahead of the connection.
  static constexpr std::size_t block = 64 * 1024;

  struct Security {
    std::shared_ptr<const transport::TlsContexts> contexts;
    transport::TlsPolicy policy;
    transport::TlsChannel::Tickets tickets;
  };

  SecureChannel(std::unique_ptr<Channel> under, Security security, Owner& owner, Clock& clock);
  ~SecureChannel() override; // says close_notify if it can

  void set_handler(Channel::Handler& handler) override { handler_ = &handler; }

  void write(std::string bytes) override;

  [[nodiscard]] std::size_t unwritten() const override { return waiting_ + under_->unwritten(); }

  void pause_reading(bool paused) override { under_->pause_reading(paused); }

 private:
  void received(std::string_view bytes) override;
  void drained() override;
  void closed(std::string_view why, bool local) override;

  bool tell_handshake(); // false: this is destroyed, or at its end
  void encrypt();
  void send();

  std::unique_ptr<Channel> under_;
  Owner& owner_;
  Channel::Handler* handler_;
  Clock& clock_;
  transport::TlsChannel tls_;
  std::deque<std::string> queue_; // plaintext, not encrypted yet
  std::size_t taken_ = 0;         // of its first
  std::size_t waiting_ = 0;       // octets in it
  bool told_ = false;             // how the handshake ended
  bool ended_ = false;            // closed() or insecure() was said
  std::shared_ptr<char> alive_ =
      std::make_shared<char>(); // to see whether a call to a handler destroyed this
};

} // namespace bulkmail::agent
