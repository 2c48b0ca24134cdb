// One SMTP connection to a mail host. Every reply passes reply(), where the host's rules may change, delay or
// withhold it; and the reply that is really sent decides what follows (settle()), as a client would see it.
#pragma once

#include "tests/world/content_reader.h"
#include "tests/world/host_rules.h"
#include "tests/world/scene.h"
#include "tests/world/socket.h"

#include <deque>

namespace bulkmail::world {

class MailHost;

class MailSession final : public Loop::Watcher {
 public:
  MailSession(Scene& scene, MailHost& host, Descriptor socket, std::string address, std::uint64_t nth);
  ~MailSession() override;

  void begin(std::uint64_t open); // greets; `open`: connections at this host, this one included
  void ready(std::uint32_t events) override;

  [[nodiscard]] int descriptor() const { return socket_.get(); }

  [[nodiscard]] bool closing() const { return lingering_; }

  void end(std::string_view by); // "client", "world", "reset"

 private:
  struct Transaction {
    bool open = false;
    std::string sender, lower_sender, mail_parameters;
    std::vector<std::string> recipients, lower_recipients, parameters;
    std::uint64_t attempt = 0;
  };

  struct Finished { // a complete message whose reply is not with the kernel yet
    std::uint64_t seq = 0, size = 0, bare = 0;
    std::string digest, reply;
    Transaction transaction;
  };

  struct Pending { // a step that waits
    Stage stage = Stage::other;
    std::string text;
    Step step;
  };

  // Input.
  void read_input();
  void take_in(std::string_view bytes); // as they came from the network
  void arrived(std::string_view bytes);
  void release_arrived(); // what the latency has held back long enough
  void process();
  bool next_command();
  void command(std::string_view line);
  void mail(std::string_view line);
  void rcpt(std::string_view line);
  void data();
  void bdat(std::string_view parameters);
  void chunk_announced();
  bool content();
  bool chunk();
  void content_ended();

  // TLS.
  void start_tls();
  void tell_handshake();

  // Output.
  void reply(Stage stage, std::string text); // the default text; a step may change it
  void act(Stage stage, std::string text, const Step& step);
  void send(Stage stage, std::string_view text);
  void drip();
  void settle(Stage stage, std::string_view text); // `text`: what was sent, empty if nothing
  void then(Step::Then what);
  void fill_wire();
  void flush();
  void log_finished(const Finished& finished, bool answered);
  void want_events();
  void close_gently();

  template <class T>
  [[nodiscard]] T rule(std::optional<T> HostKeys::* key, T otherwise) const;
  [[nodiscard]] Moment moment() const;
  [[nodiscard]] std::string ehlo_text() const;
  [[nodiscard]] std::string recipient_text() const;

  Scene& scene_;
  MailHost& host_;
  Descriptor socket_;
  std::string address_;
  std::uint64_t nth_, id_;
  Loop::Timer timer_{}, latency_timer_{};

  std::deque<std::pair<Loop::Time, std::string>>
      arriving_; // held back by the latency; an empty one is the end
  std::string input_;
  std::size_t at_ = 0;
  std::string output_, held_, endless_;
  std::string wire_; // for the network: output_, encrypted if it must be
  std::optional<test::TlsPeer> tls_;
  bool tls_told_ = false; // that it is established, or has failed
  std::uint32_t events_ = 0;

  std::string helo_;
  Stage stage_ = Stage::greeting;
  std::uint64_t transactions_ = 0, message_ = 0, commands_ = 0, messages_ = 0;
  Transaction transaction_;
  std::string named_, lower_named_, named_parameters_; // the recipient that is being asked for
  std::uint64_t attempt_ = 0;                          // nth time that it is
  ContentReader reader_;
  Finished incoming_;
  std::vector<Finished> finished_;
  Pending pending_;
  std::size_t dripped_ = 0;
  std::optional<Step> content_step_;

  bool busy_ = false; // a step waits: nothing else is answered
  bool in_content_ = false;
  std::optional<std::size_t> chunk_left_; // octets of a chunk that are still to come
  std::size_t chunk_size_ = 0;
  bool last_chunk_ = false;
  bool chunks_begun_ = false; // in this transaction
  bool unanswered_ = false;   // the content is complete, its reply not yet decided
  bool stalled_ = false;      // reads and forgets
  bool deaf_ = false;         // doesn't read
  bool closing_ = false;      // closes once the output is out
  bool resetting_ = false;    // likewise, by RST
  bool lingering_ = false;    // our FIN is out, waiting for theirs
  bool at_end_ = false;       // the client's FIN was read
  bool ended_ = false;
};

} // namespace bulkmail::world
