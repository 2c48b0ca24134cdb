#include "agent/run/content.h"

#include "spool/digest.h"
#include "transport/content/wire_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bulkmail::agent {
namespace {

using transport::WireEncoder;

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

ContentStore::ContentStore(spool::Disk& disk, Pool& pool) : disk_(disk), pool_(pool) {}

void ContentStore::offer(std::uint64_t message, WireContent content) {
  if (bytes_ + content->size() <= budget) keep(message, std::move(content));
}

void ContentStore::keep(std::uint64_t message, WireContent content) {
  forget(message);
  bytes_ += content->size();
  by_use_.push_front(message);
  kept_.emplace(message, Kept{std::move(content), by_use_.begin()});
  while (bytes_ > budget && by_use_.size() > 1) forget(by_use_.back());
}

WireContent ContentStore::find(std::uint64_t message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second.used);
  return found->second.content;
}

void ContentStore::forget(std::uint64_t message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return;
  bytes_ -= found->second.content->size();
  by_use_.erase(found->second.used);
  kept_.erase(found);
}

void ContentStore::load(const std::shared_ptr<const spool::MessageFacts>& facts, Taker taker) {
  auto& takers = loading_[facts->number];
  takers.push_back(std::move(taker));
  if (takers.size() > 1) return;

  struct Job {
    WireContent content;
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
        job->content = std::make_shared<const std::string>(transport::wire_form(
            content_part(facts->content, 0, bytes), facts->content.dot_stuffed, WireEncoder::Stuffing::dots));
      },
      [this, job, number = facts->number] {
        if (job->content) keep(number, job->content);
        const auto waiting = std::move(loading_[number]);
        loading_.erase(number);
        for (const auto& take : waiting) take(job->content, job->problem);
      });
}

std::unique_ptr<ContentReader> ContentStore::open(std::shared_ptr<const spool::MessageFacts> facts) {
  return std::make_unique<ContentReader>(disk_, pool_, std::move(facts));
}

} // namespace bulkmail::agent
