#include "agent/run/intake.h"

#include "agent/run/merge_check.h"
#include "transport/content/wire_form.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {
namespace {

// A writer between link(2) and unlink(2) is done in microseconds: ask again soon, then less and less often.
constexpr milliseconds first_link_wait{5};
constexpr milliseconds longest_link_wait{2000};

} // namespace

struct Intake::Job {
  std::vector<std::string> names;
  bool rescan = false;
  Wall wall;
  std::optional<spool::Error> list_error;
  std::vector<std::string> listed;
  std::vector<std::string>
      replaced; // by it: what is left of the look before, given up where that may take its time
  std::vector<spool::ClaimAnswer> answers;
  std::vector<WireContent> contents; // beside the answers
  std::vector<SortedRecipients> recipients;

  void run(spool::Claimer& claimer) {
    if (rescan) {
      replaced = {};
      if (auto found = claimer.names())
        listed = std::move(*found);
      else
        list_error = found.error();
      std::ranges::sort(listed); // upstreams' names tend to tell the order
    }
    for (const auto& name : names) {
      answers.push_back(claimer.claim(name, wall));
      auto& content = contents.emplace_back();
      auto& sorted = recipients.emplace_back();
      if (const auto* claimed = std::get_if<spool::Claimed>(&answers.back()))
        sorted = sort_by_domain(claimed->facts->envelope);
      if (auto* claimed = std::get_if<spool::Claimed>(&answers.back());
          claimed != nullptr && !claimed->facts->envelope.merge &&
          (!claimed->small_content.empty() || claimed->facts->content.length == 0)) {
        content = std::make_shared<const std::string>(
            transport::wire_form(claimed->small_content, claimed->facts->content.dot_stuffed));
        claimed->small_content = {};
      }
    }
    claimer.rest();
  }
};

Intake::Intake(spool::Disk& disk, spool::Ids& ids, const std::string& reporting_mta, Clock& clock, Pool& pool,
               Timers& timers, Sink& sink)
    : claimer_(std::make_shared<spool::Claimer>(disk, ids, reporting_mta, std::make_unique<MergeCheck>())),
      clock_(clock),
      pool_(pool),
      sink_(sink),
      alarm_(timers, [this] { wake(); }) {}

void Intake::wake() {
  const auto now = clock_.now().mono;
  next_.reset();
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second > now) {
      next_ = next_ ? std::min(*next_, it->second) : it->second;
      ++it;
      continue;
    }
    hint(it->first);
    it = waiting_.erase(it);
  }
  alarm_.set(next_);
}

void Intake::hint(std::string name) {
  if (spool::in_progress_name(name) || !known_.insert(name).second) return;
  pending_.push_back(std::move(name));
}

void Intake::rescan() { rescan_ = true; }

void Intake::pause(bool paused) { paused_ = paused; }

bool Intake::held_back() const { return paused_ || clock_.now().mono < trouble_until_; }

bool Intake::idle() const {
  return !working_ && (paused_ || (pending_.empty() && next_listed_ == listed_.size() && !rescan_));
}

void Intake::turn() {
  tell_some();
  if (working_ || held_back()) return;
  while (pending_.size() < batch && next_listed_ < listed_.size()) hint(std::move(listed_[next_listed_++]));
  if (pending_.empty() && !rescan_) return;
  auto job = std::make_shared<Job>();
  job->rescan = std::exchange(rescan_, false);
  if (job->rescan) {
    job->replaced = std::exchange(listed_, {});
    next_listed_ = 0;
  }
  job->wall = clock_.now().wall;
  while (!pending_.empty() && job->names.size() < batch) {
    known_.erase(pending_.front());
    job->names.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  working_ = true;
  pool_.run([job, claimer = claimer_] { job->run(*claimer); }, [this, job] { finish(job); });
}

void Intake::finish(std::shared_ptr<Job> job) {
  if (job->list_error) {
    rescan_ = true;
    pause_for_trouble(*job->list_error);
  }
  if (job->rescan) listed_ = std::move(job->listed); // it has whatever is left of the one before
  finished_ = std::move(job);
  told_ = 0;
}

// A claim of 100,000 recipients takes the loop milliseconds: not many of them in one turn.
void Intake::tell_some() {
  if (!finished_) return;
  std::size_t recipients = 0;
  for (; told_ < finished_->answers.size() && recipients < recipients_a_turn; ++told_) {
    const std::string& name = finished_->names[told_];
    std::visit(
        [&](auto& answer) {
          using Answer = std::decay_t<decltype(answer)>;
          if constexpr (!std::is_same_v<Answer, spool::Waiting>) linked_.erase(name);
          if constexpr (std::is_same_v<Answer, spool::Claimed>) {
            recipients += answer.facts->envelope.size();
            sink_.claimed(std::move(answer), std::move(finished_->contents[told_]),
                          std::move(finished_->recipients[told_]));
          } else if constexpr (std::is_same_v<Answer, spool::Refused>) {
            sink_.refused(std::move(answer));
          } else if constexpr (std::is_same_v<Answer, spool::Waiting>) {
            wait(name, answer);
          }
        },
        finished_->answers[told_]);
  }
  if (told_ < finished_->answers.size()) return;
  finished_.reset();
  working_ = false;
}

void Intake::wait(const std::string& name, const spool::Waiting& waiting) {
  using Why = spool::Waiting::Why;
  const Now now = clock_.now();
  if (!waiting.text.empty()) sink_.attention(name, waiting.text);
  switch (waiting.why) {
  case Why::reserved: return; // its intake gives the hint
  case Why::error:
    pause_for_trouble(waiting.error);
    come_back(name, trouble_until_);
    return;
  case Why::hard_linked: {
    auto& wait_for = linked_.try_emplace(name, first_link_wait).first->second;
    come_back(name, now.mono + wait_for);
    wait_for = std::min(wait_for * 2, longest_link_wait);
    return;
  }
  case Why::incomplete:
  case Why::unreadable:
    come_back(name, now.mono + std::max(waiting.again - now.wall, first_link_wait));
    return;
  }
}

void Intake::come_back(const std::string& name, Monotonic at) {
  waiting_.insert_or_assign(name, at);
  wake_at(at);
}

void Intake::pause_for_trouble(const spool::Error& error) {
  const auto now = clock_.now().mono;
  if (trouble_until_ <= now) sink_.disk_trouble(error); // once a pause, not once a drop
  trouble_until_ = now + trouble_pause;
  wake_at(trouble_until_);
}

void Intake::wake_at(Monotonic at) {
  if (next_ && *next_ <= at) return;
  next_ = at;
  alarm_.set(at);
}

} // namespace bulkmail::agent
