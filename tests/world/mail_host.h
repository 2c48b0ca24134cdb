// One mail host: its listeners, what it remembers of its visitors, and its sessions.
#pragma once

#include "tests/world/host_rules.h"
#include "tests/world/mail_session.h"
#include "tests/world/scene.h"
#include "tests/world/socket.h"

namespace bulkmail::world {

class MailHost {
 public:
  MailHost(Scene& scene, std::string name);

  // Opens, closes and reopens listeners as the rules say. Throws std::system_error if an address can't be
  // bound.
  void apply(HostRules rules, std::uint16_t port);

  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] const HostRules& rules() const { return rules_; }

  [[nodiscard]] HostTally& tally() { return tally_; }

  // What its connections share of TLS; null: it has none.
  [[nodiscard]] const test::TlsHost* tls() const { return tls_ ? &*tls_ : nullptr; }

  std::uint64_t next_message() { return ++messages_; }

  std::uint64_t next_attempt(const std::string& lower_recipient);
  // How long ago this pair was first seen here.
  std::chrono::milliseconds known_for(const std::string& lower_sender, const std::string& lower_recipient);

  void ended(MailSession& session);
  void end_all();

 private:
  class Listener final : public Loop::Watcher {
   public:
    Listener(MailHost& host, const std::string& address, std::uint16_t port);
    ~Listener() override;
    void ready(std::uint32_t events) override;

   private:
    void fill_backlog(const SocketAddress& address);
    MailHost& host_;
    std::string address_;
    Descriptor socket_;
    std::vector<Descriptor> fillers_; // connections that keep a black hole's backlog full
  };

  void make_certificate();
  void accepted(Descriptor socket, const std::string& address);
  [[nodiscard]] std::uint64_t open_sessions() const;

  Scene& scene_;
  std::string name_;
  HostRules rules_;
  HostTally& tally_;
  std::optional<test::TlsHost> tls_;
  std::uint64_t connections_ = 0, messages_ = 0;
  std::unordered_map<std::string, std::uint64_t> attempts_;
  std::unordered_map<std::string, Loop::Time> first_seen_;
  std::vector<std::unique_ptr<Loop::Watcher>> listeners_;
  std::unordered_map<MailSession*, std::unique_ptr<MailSession>> sessions_;
};

} // namespace bulkmail::world
