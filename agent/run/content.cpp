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

using Problem = std::shared_ptr<const ContentProblem>;

Problem unsignable(std::string why) {
  return std::make_shared<ContentProblem>(ContentProblem{false, std::move(why)});
}

// Small enough to be read at once, and what it has to be.
std::expected<std::string, Problem> read_whole(spool::Disk& disk, const spool::MessageFacts& facts) {
  auto file = disk.open_read(path_of(facts));
  if (!file) return std::unexpected(problem_of(facts, file.error()));
  std::string bytes(facts.stamp.size + 1, '\0'); // one more: a file that grew is noticed
  auto got = (*file)->read_at(0, bytes);
  if (!got) return std::unexpected(problem_of(facts, got.error()));
  bytes.resize(*got);
  if (spool::sha256(bytes) != facts.digest) return std::unexpected(changed(facts));
  return bytes;
}

// The signatures over content.
std::expected<std::string, Problem> signatures_of(const std::string& wire,
                                                  const std::shared_ptr<const Signers>& signers, Wall now) {
  if (!signers) return std::string();
  MessageSigner signer(signers, now);
  signer.update(wire);
  auto fields = signer.finish();
  if (!fields) return std::unexpected(unsignable(std::move(fields.error())));
  return *std::move(fields);
}

// A template filled in, and signed.
std::expected<Content, Problem> filled_in(const transport::MergeTemplate& form,
                                          const spool::MessageFacts& facts, std::uint32_t recipient,
                                          const std::shared_ptr<const Signers>& signers, Wall now) {
  auto merged = form.render(facts.envelope, recipient);
  auto signatures = signatures_of(merged.wire, signers, now);
  if (!signatures) return std::unexpected(std::move(signatures.error()));
  merged.size += signatures->size();
  if (!signatures->empty()) merged.wire.insert(0, *signatures);
  return Content{
      std::make_shared<const std::string>(std::move(merged.wire)), merged.size, merged.eight_bit, {}};
}

// A large message is read once to be signed and once more to be sent.
std::expected<std::string, Problem> signatures_of_large(spool::Disk& disk, const spool::MessageFacts& facts,
                                                        const std::shared_ptr<const Signers>& signers,
                                                        Wall now) {
  auto file = disk.open_read(path_of(facts));
  if (!file) return std::unexpected(problem_of(facts, file.error()));
  MessageSigner signer(signers, now);
  WireEncoder encoder(facts.content.dot_stuffed);
  spool::Sha256 digest;
  std::string bytes, wire;
  for (std::uint64_t offset = 0;;) {
    bytes.resize(ContentReader::block_size);
    auto got = (*file)->read_at(offset, bytes);
    if (!got) return std::unexpected(problem_of(facts, got.error()));
    const std::string_view block{bytes.data(), *got};
    digest.update(block);
    wire.clear();
    encoder.encode(content_part(facts.content, offset, block), wire);
    offset += block.size();
    const bool last = block.size() < ContentReader::block_size;
    if (last) encoder.finish(wire);
    signer.update(wire);
    if (last) break;
  }
  if (digest.finish() != facts.digest) return std::unexpected(changed(facts));
  auto fields = signer.finish();
  if (!fields) return std::unexpected(unsignable(std::move(fields.error())));
  return *std::move(fields);
}

} // namespace

struct ContentReader::State {
  State(spool::Disk& d, std::shared_ptr<const spool::MessageFacts> f, std::string first)
      : disk(d),
        facts(std::move(f)),
        before(std::move(first)),
        encoder(facts->content.dot_stuffed) {}

  spool::Disk& disk;
  std::shared_ptr<const spool::MessageFacts> facts;
  std::string before;
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
    block.wire = std::exchange(before, {});
    const std::size_t begun = block.wire.size();
    while (block.wire.size() == begun && !block.last) {
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

ContentReader::ContentReader(spool::Disk& disk, Pool& pool, std::shared_ptr<const spool::MessageFacts> facts,
                             std::string before)
    : pool_(pool),
      state_(std::make_shared<State>(disk, std::move(facts), std::move(before))) {}

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

ContentStore::ContentStore(spool::Disk& disk, Clock& clock, Pool& pool, Timers& timers,
                           std::shared_ptr<const Signers> signers)
    : disk_(disk),
      clock_(clock),
      pool_(pool),
      alarm_(timers, [this] { let_go(); }),
      signers_(std::move(signers)) {}

void ContentStore::set_signers(std::shared_ptr<const Signers> signers) {
  if (!signers && !signers_) return;
  signers_ = std::move(signers);
  while (!by_use_.empty()) forget(by_use_.back().message); // signed by others, or by nobody
}

void ContentStore::offer(std::uint64_t message, WireContent content) {
  Source source{std::move(content), nullptr, {}, 0, {}};
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

// Templates are signed each time they are filled in.
bool ContentStore::is_ready(const Source& source) const {
  if (!signers_ || source.form) return true;
  if (!source.signed_at) return false;
  return !signers_->fresh_for() || clock_.now().mono - *source.signed_at < *signers_->fresh_for();
}

std::optional<Content> ContentStore::find(const spool::MessageFacts& facts, std::uint32_t recipient) {
  const Kept* const kept = look_up(facts.number);
  if (kept == nullptr || !is_ready(kept->source)) return std::nullopt;
  return at_once(kept->source, facts, recipient);
}

std::optional<Content> ContentStore::at_once(const Source& source, const spool::MessageFacts& facts,
                                             std::uint32_t recipient) const {
  if (!source.form)
    return Content{source.wire, facts.size + source.signed_octets, facts.eight_bit, source.signatures};
  if (signers_ || source.form->memory() > quick_template) return std::nullopt;
  return *filled_in(*source.form, facts, recipient, nullptr, {}); // what isn't signed has no problem
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
  const Kept* const kept = look_up(facts->number);
  if (kept != nullptr && is_ready(kept->source)) // a template, or it came meanwhile
    return give(kept->source, facts, {recipient, std::move(taker)});
  auto& waiting = loading_[facts->number];
  waiting.push_back({recipient, std::move(taker)});
  const bool at_hand = kept != nullptr && !kept->source.signed_at;
  if (waiting.size() == 1) make(facts, at_hand ? kept->source.wire : nullptr);
}

void ContentStore::give(const Source& source, const std::shared_ptr<const spool::MessageFacts>& facts,
                        Waiting waiting) {
  auto content = std::make_shared<std::expected<Content, Problem>>();
  if (!source.form) **content = *at_once(source, *facts, waiting.recipient);
  pool_.run(
      [content, facts, form = source.form, recipient = waiting.recipient, signers = signers_,
       now = clock_.now().wall] {
        if (form) *content = filled_in(*form, *facts, recipient, signers, now);
      },
      [content, take = std::move(waiting.take)] {
        if (*content)
          take(std::move(**content), nullptr);
        else
          take({}, content->error());
      });
}

// What all recipients of a message share: a template compiled, anything else signed.
void ContentStore::make(const std::shared_ptr<const spool::MessageFacts>& facts, WireContent at_hand) {
  struct Job {
    Source source;
    Problem problem;
  };

  auto job = std::make_shared<Job>();
  const Now now = clock_.now();
  if (signers_ && !facts->envelope.merge) job->source.signed_at = now.mono;
  pool_.run(
      [job, facts, at_hand = std::move(at_hand), signers = signers_, now = now.wall, &disk = disk_] {
        const auto failed = [&](Problem why) { job->problem = std::move(why); };
        Source& source = job->source;
        if (!is_small(*facts)) {
          auto signatures = signatures_of_large(disk, *facts, signers, now);
          if (!signatures) return failed(std::move(signatures.error()));
          source.signed_octets = signatures->size();
          source.signatures = *std::move(signatures);
          return;
        }
        std::string wire;
        if (!at_hand) {
          auto bytes = read_whole(disk, *facts);
          if (!bytes) return failed(std::move(bytes.error()));
          wire = transport::wire_form(content_part(facts->content, 0, *bytes), facts->content.dot_stuffed);
        }
        if (facts->envelope.merge) {
          auto form = transport::MergeTemplate::compile(wire, facts->envelope.field_names());
          if (!form) // taken by an agent that knew it otherwise
            return failed(std::make_shared<ContentProblem>(
                ContentProblem{true, fmt::format("the template can't be filled in: {}", form.error().text)}));
          source.form = std::make_shared<const transport::MergeTemplate>(*std::move(form));
          return;
        }
        auto signatures = signatures_of(at_hand ? *at_hand : wire, signers, now);
        if (!signatures) return failed(std::move(signatures.error()));
        source.signed_octets = signatures->size();
        if (at_hand && signatures->empty())
          source.wire = at_hand;
        else
          source.wire =
              std::make_shared<const std::string>(*std::move(signatures) + (at_hand ? *at_hand : wire));
      },
      [this, job, facts, signers = signers_] {
        if (signers != signers_) return make(facts, nullptr); // a reload came between
        auto waiting = std::move(loading_[facts->number]);
        loading_.erase(facts->number);
        if (!job->problem) keep(facts->number, job->source);
        for (Waiting& one : waiting) {
          if (job->problem)
            one.take({}, job->problem);
          else if (auto content = at_once(job->source, *facts, one.recipient))
            one.take(std::move(*content), nullptr);
          else
            give(job->source, facts, std::move(one));
        }
      });
}

std::unique_ptr<ContentReader> ContentStore::open(std::shared_ptr<const spool::MessageFacts> facts,
                                                  std::string signatures) {
  return std::make_unique<ContentReader>(disk_, pool_, std::move(facts), std::move(signatures));
}

} // namespace bulkmail::agent
