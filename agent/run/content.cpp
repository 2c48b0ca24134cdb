#include "agent/run/content.h"

#include "spool/digest.h"
#include "transport/content/wire_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bulkmail::agent {
namespace {

using transport::WireEncoder;

// Of contents that nobody asked for, about a millisecond's work.
constexpr std::size_t let_go_at_once = 2000;
constexpr milliseconds pause{1};

std::shared_ptr<const ContentProblem> problem_of(const spool::MessageFacts& facts,
                                                 const spool::Error& error) {
  const bool gone = error.code == ENOENT || error.code == EINVAL || error.code == ELOOP;
  return std::make_shared<ContentProblem>(
      ContentProblem{gone, gone ? fmt::format("the claimed file cur/{} is gone", facts.id) : error.text});
}

std::shared_ptr<const ContentProblem> changed(const spool::MessageFacts& facts) {
  return std::make_shared<ContentProblem>(
      ContentProblem{true, fmt::format("the file cur/{} was changed after it was claimed", facts.id)});
}

std::string path_of(const spool::MessageFacts& facts) { return "cur/" + facts.id; }

// The part of the block that starts at `offset` which lies in the content.
std::string_view content_part(const spool::ContentPlace& place, std::uint64_t offset,
                              std::string_view block) {
  const std::uint64_t begin = std::max(place.offset, offset);
  const std::uint64_t end = std::min(place.offset + place.length, offset + block.size());
  if (begin >= end) return {};
  return block.substr(begin - offset, end - begin);
}

Content filled_in(const transport::MergeTemplate& form, const spool::MessageFacts& facts,
                  std::uint32_t recipient) {
  auto merged = form.render(facts.envelope, recipient);
  return {std::make_shared<const std::string>(std::move(merged.wire)), merged.size, merged.eight_bit};
}

} // namespace

struct ContentReader::State {
  State(spool::Disk& d, std::shared_ptr<const spool::MessageFacts> f)
      : disk(d),
        facts(std::move(f)),
        encoder(facts->content.dot_stuffed, WireEncoder::Stuffing::dots) {}

  spool::Disk& disk;
  std::shared_ptr<const spool::MessageFacts> facts;
  WireEncoder encoder;
  spool::Sha256 digest;
  std::unique_ptr<spool::File> file;
  std::uint64_t offset = 0;
  bool cancelled = false;
  Block block;
  Taker taker;

  // Reads on until there is something to send, or the end: the envelope before the content is only digested.
  void read() {
    if (!file) {
      auto opened = disk.open_read(path_of(*facts));
      if (!opened) {
        block.problem = problem_of(*facts, opened.error());
        return;
      }
      file = std::move(*opened);
    }
    std::string bytes;
    while (block.wire.empty() && !block.last) {
      bytes.resize(block_size);
      auto got = file->read_at(offset, bytes);
      if (!got) {
        block.problem = problem_of(*facts, got.error());
        return;
      }
      const std::string_view read{bytes.data(), *got};
      digest.update(read);
      encoder.encode(content_part(facts->content, offset, read), block.wire);
      offset += read.size();
      if (read.size() < block_size) {
        encoder.finish(block.wire);
        block.last = true;
        if (digest.finish() != facts->digest) block.problem = changed(*facts);
      }
    }
  }
};

ContentReader::ContentReader(spool::Disk& disk, Pool& pool, std::shared_ptr<const spool::MessageFacts> facts)
    : pool_(pool),
      state_(std::make_shared<State>(disk, std::move(facts))) {}

ContentReader::~ContentReader() { state_->cancelled = true; }

void ContentReader::next(Taker taker) {
  state_->block = {};
  state_->taker = std::move(taker);
  pool_.run([state = state_] { state->read(); },
            [state = state_] {
              if (state->cancelled) return;
              const auto take = std::move(state->taker);
              take(std::move(state->block));
            });
}

ContentStore::ContentStore(spool::Disk& disk, Clock& clock, Pool& pool, Timers& timers)
    : disk_(disk),
      clock_(clock),
      pool_(pool),
      alarm_(timers, [this] { let_go(); }) {}

void ContentStore::offer(std::uint64_t message, WireContent content) {
  Source source{std::move(content), nullptr};
  if (bytes_ + source.memory() <= budget) keep(message, std::move(source));
}

void ContentStore::keep(std::uint64_t message, Source source) {
  forget(message);
  bytes_ += source.memory();
  const Monotonic now = clock_.now().mono;
  if (by_use_.empty()) alarm_.set(now + kept_for);
  by_use_.push_front({message, now});
  kept_.emplace(message, Kept{std::move(source), by_use_.begin()});
  while (bytes_ > budget && by_use_.size() > 1) forget(by_use_.back().message);
}

void ContentStore::let_go() {
  const Monotonic now = clock_.now().mono;
  for (std::size_t count = 0; !by_use_.empty(); ++count) {
    const Monotonic until = by_use_.back().at + kept_for;
    if (until > now) return alarm_.set(until);
    if (count == let_go_at_once) return alarm_.set(now + pause);
    forget(by_use_.back().message);
  }
}

ContentStore::Kept* ContentStore::look_up(std::uint64_t message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return nullptr;
  found->second.used->at = clock_.now().mono;
  by_use_.splice(by_use_.begin(), by_use_, found->second.used);
  return &found->second;
}

std::optional<Content> ContentStore::find(const spool::MessageFacts& facts, std::uint32_t recipient) {
  const Kept* const kept = look_up(facts.number);
  if (kept == nullptr) return std::nullopt;
  const auto& [wire, form] = kept->source;
  if (!form) return Content{wire, facts.size, facts.eight_bit};
  if (form->memory() > quick_template) return std::nullopt;
  return filled_in(*form, facts, recipient);
}

void ContentStore::forget(std::uint64_t message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return;
  bytes_ -= found->second.source.memory();
  by_use_.erase(found->second.used);
  kept_.erase(found);
}

void ContentStore::load(const std::shared_ptr<const spool::MessageFacts>& facts, std::uint32_t recipient,
                        Taker taker) {
  if (const Kept* const kept = look_up(facts->number)) // a large template, or it came meanwhile
    return give(kept->source, facts, {recipient, std::move(taker)});
  auto& waiting = loading_[facts->number];
  waiting.push_back({recipient, std::move(taker)});
  if (waiting.size() == 1) read(facts);
}

void ContentStore::give(const Source& source, const std::shared_ptr<const spool::MessageFacts>& facts,
                        Waiting waiting) {
  auto content = std::make_shared<Content>(Content{source.wire, facts->size, facts->eight_bit});
  pool_.run(
      [content, facts, form = source.form, recipient = waiting.recipient] {
        if (form) *content = filled_in(*form, *facts, recipient);
      },
      [content, take = std::move(waiting.take)] { take(std::move(*content), nullptr); });
}

void ContentStore::read(const std::shared_ptr<const spool::MessageFacts>& facts) {
  struct Job {
    Source source;
    std::shared_ptr<const ContentProblem> problem;
  };

  auto job = std::make_shared<Job>();
  pool_.run(
      [job, facts, &disk = disk_] {
        auto file = disk.open_read(path_of(*facts));
        if (!file) {
          job->problem = problem_of(*facts, file.error());
          return;
        }
        std::string bytes(facts->stamp.size + 1, '\0'); // one more: a file that grew is noticed
        auto got = (*file)->read_at(0, bytes);
        if (!got) {
          job->problem = problem_of(*facts, got.error());
          return;
        }
        bytes.resize(*got);
        if (spool::sha256(bytes) != facts->digest) {
          job->problem = changed(*facts);
          return;
        }
        const bool merge = facts->envelope.merge;
        std::string wire =
            transport::wire_form(content_part(facts->content, 0, bytes), facts->content.dot_stuffed,
                                 merge ? WireEncoder::Stuffing::none : WireEncoder::Stuffing::dots);
        if (!merge) {
          job->source.wire = std::make_shared<const std::string>(std::move(wire));
          return;
        }
        auto form = transport::MergeTemplate::compile(wire, facts->envelope.field_names());
        if (form)
          job->source.form = std::make_shared<const transport::MergeTemplate>(std::move(*form));
        else // taken by an agent that knew it otherwise
          job->problem = std::make_shared<ContentProblem>(
              ContentProblem{true, fmt::format("the template can't be filled in: {}", form.error().text)});
      },
      [this, job, facts] {
        auto waiting = std::move(loading_[facts->number]);
        loading_.erase(facts->number);
        if (!job->problem) keep(facts->number, job->source);
        for (Waiting& one : waiting) {
          if (job->problem)
            one.take({}, job->problem);
          else if (auto content = find(*facts, one.recipient))
            one.take(std::move(*content), nullptr);
          else
            give(job->source, facts, std::move(one));
        }
      });
}

std::unique_ptr<ContentReader> ContentStore::open(std::shared_ptr<const spool::MessageFacts> facts) {
  return std::make_unique<ContentReader>(disk_, pool_, std::move(facts));
}

} // namespace bulkmail::agent
