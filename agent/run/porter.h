// Carries attempts to what is on this machine: a program, a folder, nowhere (transport/kinds). The counterpart of the Courier,
// and it answers to the same Desk.
//
// It knows no protocol and no queue: the route's Delivery says what to open for a recipient and what came of it, the Porter
// opens, writes the content and waits, one recipient after the other. No end is written before the content has been found to
// be what was claimed.
#pragma once

#include "agent/run/carrier.h"
#include "agent/run/content.h"
#include "agent/run/courier.h"
#include "agent/run/timers.h"
#include "agent/seams.h"
#include "transport/kinds/delivery.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

class Porter final : public Carrier, public Outlet::Handler, public std::enable_shared_from_this<Porter> {
 public:
  struct Tools {
    Clock& clock;
    Machine& machine;
    Pool& pool;
    spool::Disk& disk;
    Timers& timers;
    Dice& dice;
    ContentStore& contents;
    Courier::Desk& desk;
  };

  Porter(Tools tools, std::string hostname, Work first);
  void start() override;
  void take(Work work) override;
  void close() override;

  void give_up() override {} // there is no opening to give up

  void finish() override;
  void abandon(std::uint64_t message) override;
  void cut() override;

 private:
  using Ending = transport::kinds::Ending;

  // What a program may say; it is read to its end all the same.
  static constexpr std::size_t most_said = 1000;

  void drained() override;
  void received(std::string_view bytes) override;
  void ended(int code, int signal) override;
  void broken(std::string_view why) override;

  [[nodiscard]] const transport::kinds::Delivery& delivery() const { return *work_->way->terms->delivery; }

  void go_on();
  void open(const transport::kinds::Opening& opening);
  void fetch_content();
  void send(Content content);
  void next_block();
  void write(std::string_view wire, bool last);
  void content_failed(const ContentProblem& problem);
  void recipient_done(const Ending& ending);
  void stop_writing();
  void drop();
  void leave();

  Tools tools_;
  std::string hostname_;
  SessionId session_;
  std::optional<Work> work_;
  std::vector<spool::Outcome> outcomes_; // of its first recipients
  transport::kinds::Letter letter_;      // to the next one
  std::unique_ptr<Outlet> outlet_;
  std::unique_ptr<ContentReader> reader_;
  std::uint64_t letters_ = 0; // so far: content that comes late is told by it
  std::string said_;
  Timers::Alarm alarm_;
  bool finishing_ = false, over_ = false;
};

} // namespace bulkmail::agent
