#include "agent/run/porter.h"

#include "agent/run/file_outlet.h"
#include "transport/content/unix_form.h"

#include <utility>

namespace bulkmail::agent {

using transport::kinds::Letter;
using transport::kinds::Opening;

Porter::Porter(Tools tools, std::string hostname, Work first)
    : tools_(tools),
      hostname_(std::move(hostname)),
      session_(first.session),
      work_(std::move(first)),
      alarm_(tools.timers,
             [this] { recipient_done({Ending::Kind::timed_out, 0, std::exchange(said_, {})}); }) {}

void Porter::start() {
  tools_.desk.established(session_);
  go_on();
}

void Porter::take(Work work) {
  work_ = std::move(work);
  go_on();
}

void Porter::go_on() {
  while (work_ && outcomes_.size() < work_->recipients.size()) {
    const auto& facts = *work_->facts;
    const std::uint32_t recipient = work_->recipients[outcomes_.size()];
    const Now now = tools_.clock.now();
    letter_ = {.id = facts.id,
               .sender = facts.envelope.sender_for(recipient),
               .recipient = std::string(facts.envelope.recipient(recipient).address),
               .hostname = hostname_,
               .random = tools_.dice.next(),
               .now = now.wall};
    if (const auto opening = delivery().opening(letter_)) return open(*opening);
    outcomes_.push_back(delivery().outcome(letter_, {}, now.wall));
  }
  const Work work = *std::exchange(work_, std::nullopt);
  tools_.desk.answered(work, std::exchange(outcomes_, {}));
  if (finishing_)
    leave();
  else
    tools_.desk.free(session_);
}

void Porter::open(const Opening& opening) {
  ++letters_;
  said_.clear();
  if (opening.kind == Opening::Kind::process) {
    outlet_ = tools_.machine.start(opening.arguments, opening.environment, *this);
    alarm_.set(tools_.clock.now().mono + opening.timeout);
  } else {
    outlet_ = std::make_unique<FileOutlet>(tools_.disk, tools_.pool, opening, *this);
  }
  outlet_->write(opening.head);
  fetch_content();
}

void Porter::fetch_content() {
  const auto& facts = work_->facts;
  if (!ContentStore::is_small(*facts) && !tools_.contents.decides_size(*facts)) return send({});
  const std::uint32_t recipient = work_->recipients[outcomes_.size()];
  if (auto content = tools_.contents.find(*facts, recipient)) return send(std::move(*content));
  tools_.contents.load(facts, recipient,
                       [self = weak_from_this(), letter = letters_](
                           Content content, const std::shared_ptr<const ContentProblem>& problem) {
                         const auto porter = self.lock();
                         if (!porter || porter->over_ || !porter->outlet_ || porter->letters_ != letter)
                           return;
                         if (problem)
                           porter->content_failed(*problem);
                         else
                           porter->send(std::move(content));
                       });
}

// A small message as it is, a large one behind its signatures, if it has any.
void Porter::send(Content content) {
  const auto& facts = work_->facts;
  if (ContentStore::is_small(*facts)) return write(*content.wire, true);
  reader_ = tools_.contents.open(facts, std::move(content.signatures));
  next_block();
}

void Porter::next_block() {
  reader_->next([self = weak_from_this(), letter = letters_](const ContentReader::Block& block) {
    const auto porter = self.lock();
    if (!porter || porter->over_ || !porter->outlet_ || porter->letters_ != letter) return;
    if (block.problem)
      porter->content_failed(*block.problem);
    else
      porter->write(block.wire, block.last);
  });
}

void Porter::write(std::string_view wire, bool last) {
  outlet_->write(transport::unix_form(wire));
  if (!last) {
    if (outlet_->unwritten() == 0) next_block();
    return;
  }
  reader_.reset();
  if (tools_.desk.may_send())
    outlet_->end();
  else
    drop();
}

void Porter::drained() {
  if (reader_) next_block();
}

void Porter::received(std::string_view bytes) { said_ += bytes.substr(0, most_said - said_.size()); }

void Porter::ended(int code, int signal) {
  const auto kind = signal != 0 ? Ending::Kind::killed : Ending::Kind::done;
  recipient_done({kind, signal != 0 ? signal : code, std::exchange(said_, {})});
}

void Porter::broken(std::string_view why) { recipient_done({Ending::Kind::broken, 0, std::string(why)}); }

void Porter::recipient_done(const Ending& ending) {
  stop_writing();
  outcomes_.push_back(delivery().outcome(letter_, ending, tools_.clock.now().wall));
  go_on();
}

void Porter::stop_writing() {
  alarm_.set(std::nullopt);
  outlet_.reset();
  reader_.reset();
}

void Porter::content_failed(const ContentProblem& problem) {
  stop_writing();
  const Work work = *std::exchange(work_, std::nullopt);
  if (problem.changed)
    tools_.desk.condemned(work, problem);
  else
    tools_.desk.unreadable(work, problem);
  leave();
}

// Nobody was told that it is delivered: what it was about is tried again as if it had not been.
void Porter::drop() {
  stop_writing();
  if (work_) tools_.desk.put_back(*std::exchange(work_, std::nullopt));
  leave();
}

void Porter::close() { leave(); }

void Porter::finish() {
  finishing_ = true;
  if (!work_) leave();
}

void Porter::abandon(std::uint64_t message) {
  if (work_ && work_->message == message) drop();
}

void Porter::cut() { drop(); }

void Porter::leave() {
  if (std::exchange(over_, true)) return;
  tools_.desk.gone(session_, Scheduler::Gone::closed, nullptr);
}

} // namespace bulkmail::agent
