#include "agent/run/lmtp_intake.h"

#include "spool/mail_date.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::agent {
namespace {

// RFC 5321 §4.4: who took it, from whom, by what protocol, when.
std::string received_header(std::string_view client, std::string_view hostname, std::string_view id,
                            Wall now) {
  return fmt::format("Received: from {} by {} with LMTP id {};\r\n\t{}\r\n",
                     client.empty() ? "unknown" : client, hostname, id, spool::mail_date(now));
}

} // namespace

class LmtpIntake::Client : public Channel::Handler, public std::enable_shared_from_this<Client> {
 public:
  Client(LmtpIntake& owner, std::unique_ptr<Channel> channel)
      : owner_(owner),
        channel_(std::move(channel)),
        server_(owner.config_) {
    server_.can_accept(owner.accepting_);
    channel_->set_handler(*this);
    flush();
  }

  void received(std::string_view bytes) override {
    server_.receive(bytes);
    advance();
  }

  void drained() override {
    if (closing_) gone_ = true;
    pause();
  }

  void closed(std::string_view, bool) override { gone_ = true; }

  void can_accept(bool yes) { server_.can_accept(yes); }

  // A reply for each recipient, to the end of data.
  void answer(std::string_view reply) {
    message_.reset();
    complete_ = false;
    server_.answer_all(reply);
    advance();
  }

  void stop() { stopping_ = true; }

  // Nothing more is to come of it; the owner lets it go.
  [[nodiscard]] bool over() const { return !writing_ && !complete_ && (gone_ || (stopping_ && !message_)); }

  [[nodiscard]] bool busy() const { return message_ != nullptr; }

  [[nodiscard]] const std::shared_ptr<Incoming>& message() const { return message_; }

  [[nodiscard]] bool is_gone() const { return gone_; }

 private:
  void advance() {
    while (!writing_ && !complete_) {
      auto event = server_.next_event();
      if (!event) break;
      using Kind = transport::LmtpEvent::Kind;
      switch (event->kind) {
      case Kind::begin:
        event->envelope.notices =
            !event->envelope.sender().empty(); // who sends by a dialog reads no status files
        message_ = owner_.begin(event->envelope, server_.client_name());
        break;
      case Kind::content:
        message_->unwritten += event->bytes;
        if (message_->unwritten.size() >= flush_size) write_out();
        break;
      case Kind::end:
        message_->unwritten += ".\r\n";
        complete_ = true;
        owner_.complete(*this);
        break;
      case Kind::aborted: message_.reset(); break;
      case Kind::closed: closing_ = true; break;
      }
    }
    flush();
  }

  void write_out() {
    writing_ = true;
    owner_.pool_.run([&disk = owner_.disk_, message = message_] { LmtpIntake::write_out(disk, *message); },
                     [self = shared_from_this()] {
                       self->writing_ = false;
                       self->advance();
                     });
  }

  void flush() {
    if (gone_) return;
    if (auto bytes = server_.take_output(); !bytes.empty()) channel_->write(std::move(bytes));
    if (closing_ && channel_->unwritten() == 0) gone_ = true;
    pause();
  }

  // A client that sends faster than the disk takes, or reads slower than we answer, waits.
  void pause() {
    if (!gone_)
      channel_->pause_reading(writing_ || !server_.wants_input() || channel_->unwritten() > flush_size);
  }

  LmtpIntake& owner_;
  std::unique_ptr<Channel> channel_;
  transport::LmtpServer server_;
  std::shared_ptr<Incoming> message_;
  bool writing_ = false;  // a block is on its way to the disk
  bool complete_ = false; // the whole message waits for a sync
  bool closing_ = false, gone_ = false, stopping_ = false;
};

struct LmtpIntake::Group {
  std::vector<std::shared_ptr<Client>> clients;
  std::vector<std::shared_ptr<Incoming>> messages; // beside the clients

  void run(spool::Disk& disk) {
    for (auto& message : messages) LmtpIntake::write_out(disk, *message);
    if (auto synced = disk.sync_all(); !synced) fail_all(synced.error());
    for (auto& message : messages) {
      if (message->error) continue;
      if (auto published = message->file->publish(); !published) message->error = published.error();
    }
    if (auto synced = disk.sync_directory("new"); !synced) fail_all(synced.error());
  }

  void fail_all(const spool::Error& error) {
    for (auto& message : messages) message->error = error;
  }
};

LmtpIntake::LmtpIntake(spool::Disk& disk, spool::Ids& ids, transport::LmtpConfig config, Clock& clock,
                       Pool& pool, Dice& dice, std::function<void(const std::string&)> published)
    : disk_(disk),
      ids_(ids),
      config_(std::move(config)),
      clock_(clock),
      pool_(pool),
      published_(std::move(published)),
      process_(dice.next()) {}

LmtpIntake::~LmtpIntake() = default;

void LmtpIntake::accept(std::unique_ptr<Channel> channel) {
  if (stopping_ || clients_.size() >= max_clients) return; // closes it: the client tries again
  clients_.push_back(std::make_shared<Client>(*this, std::move(channel)));
}

void LmtpIntake::can_accept(bool yes) {
  if (accepting_ == yes) return;
  accepting_ = yes;
  for (auto& client : clients_) client->can_accept(yes);
}

void LmtpIntake::stop() {
  stopping_ = true;
  for (auto& client : clients_) client->stop();
}

bool LmtpIntake::idle() const {
  return !syncing_ && std::ranges::none_of(clients_, [](const auto& client) { return client->busy(); });
}

std::shared_ptr<LmtpIntake::Incoming> LmtpIntake::begin(const spool::Envelope& envelope,
                                                        std::string_view client) {
  auto message = std::make_shared<Incoming>();
  const Wall now = clock_.now().wall;
  message->id = spool::generate_id(now, process_, ++counter_);
  message->unwritten =
      spool::bsmtp_head(envelope) + received_header(client, config_.hostname, message->id, now);
  message->recipients = envelope.size();
  return message;
}

void LmtpIntake::write_out(spool::Disk& disk, Incoming& message) {
  if (message.error) return;
  if (!message.file) {
    auto begun = spool::Composition::begin(disk, message.id);
    if (!begun) {
      message.error = begun.error();
      return;
    }
    message.file.emplace(std::move(*begun));
  }
  if (auto written = message.file->append(message.unwritten); !written) message.error = written.error();
  message.unwritten.clear();
}

void LmtpIntake::complete(Client& client) { complete_.push_back(client.shared_from_this()); }

void LmtpIntake::turn() {
  if (!syncing_ && !complete_.empty()) {
    auto group = std::make_shared<Group>();
    group->clients = std::exchange(complete_, {});
    for (auto& client : group->clients) {
      group->messages.push_back(client->message());
      ids_.reserve(client->message()->id); // not to be sent before it is durable
    }
    syncing_ = true;
    pool_.run([group, &disk = disk_] { group->run(disk); }, [this, group] { finish(*group); });
  }
  std::erase_if(clients_, [](const auto& client) { return client->over(); });
}

void LmtpIntake::finish(Group& group) {
  syncing_ = false;
  for (std::size_t i = 0; i < group.clients.size(); ++i) {
    const Incoming& message = *group.messages[i];
    ids_.unreserve(message.id);
    if (message.error) {
      group.clients[i]->answer("452 4.3.1 Cannot store the message now: " + message.error->text);
      continue;
    }
    published_(message.id);
    group.clients[i]->answer(fmt::format("250 2.0.0 {} queued", message.id));
  }
}

} // namespace bulkmail::agent
