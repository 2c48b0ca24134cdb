#include "agent/cli/submit.h"

#include "agent/cli/bsmtp_stream.h"
#include "agent/io/spool_directory.h"
#include "spool/digest.h"
#include "spool/drop/format.h"
#include "spool/drop/ids.h"
#include "spool/drop/submit.h"
#include "transport/content/dot_stuffing.h"
#include "transport/content/wire_form.h"
#include "transport/printable.h"

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>

namespace bulkmail::agent {
namespace {

// Why a submission is not to be: one line for whoever called.
struct Refusal {
  std::string code; // RFC 3463, class 4: the caller is to keep the message
  std::string text;
};

using Step = std::expected<void, Refusal>;

std::unexpected<Refusal> refuse(std::string code, std::string text) {
  return std::unexpected(Refusal{std::move(code), std::move(text)});
}

std::unexpected<Refusal> refuse(const spool::Error& error) {
  const bool full = error.code == ENOSPC || error.code == EDQUOT;
  return refuse(full ? "4.3.1" : "4.3.0", error.text);
}

constexpr std::size_t block_size = 65'536;

// Messages whose files are open at once: well under the usual limit of 1024 descriptors.
constexpr std::size_t lot = 500;

std::expected<bool, std::string> read_block(int input, std::string& into) {
  const auto before = into.size();
  into.resize(before + block_size);
  for (;;) {
    const auto got = ::read(input, into.data() + before, block_size);
    if (got < 0 && errno == EINTR) continue;
    into.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0)
      return std::unexpected(fmt::format("standard input: {}", std::generic_category().message(errno)));
    return got > 0;
  }
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// A message being written, with the digest of its bytes.
class Draft {
 public:
  explicit Draft(spool::Composition composition) : composition_(std::move(composition)) {}

  spool::Result<void> append(std::string_view bytes) {
    digest_.update(bytes);
    return composition_.append(bytes);
  }

  spool::Composition& composition() { return composition_; }

  [[nodiscard]] spool::Digest digest() const { return spool::Sha256(digest_).finish(); }

 private:
  spool::Composition composition_;
  spool::Sha256 digest_;
};

class Submission {
 public:
  Submission(spool::Disk& disk, int input) : disk_(disk), input_(input) {}

  Step message(const SubmitOptions& options);
  Step batch();

 private:
  std::expected<Draft, Refusal> begin();
  Step publish_all();
  Step publish_as(Draft& draft, const std::string& id);
  [[nodiscard]] std::optional<spool::Digest> digest_of(const std::string& path);

  spool::Disk& disk_;
  int input_;
  std::uint64_t counter_ = 0;
  std::vector<Draft> drafts_; // whole, not yet published
};

std::expected<Draft, Refusal> Submission::begin() {
  const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  auto composition = spool::Composition::begin(
      disk_, spool::generate_id(now, static_cast<std::uint64_t>(::getpid()), counter_++));
  if (!composition) return refuse(composition.error());
  return Draft(std::move(*composition));
}

// The head as the agent will read it: what it would refuse is said now, while the caller still has the message.
Step judge(const std::string& head, std::string_view line_end) {
  const auto parsed =
      spool::parse_drop(fmt::format("{}{}.{}", head, head.ends_with('\n') ? "" : line_end, line_end));
  if (parsed) return {};
  const bool sender = parsed.error().code == "bad-sender";
  return refuse(sender ? "4.1.7" : "4.5.4",
                fmt::format("envelope line {}: {}", parsed.error().line, parsed.error().text));
}

Step Submission::message(const SubmitOptions& options) {
  std::string_view sender = *options.sender;
  if (sender == "<>") sender = "";
  if (has_control(sender)) return refuse("4.1.7", "control characters in the sender");
  spool::EnvelopeBuilder builder;
  builder.sender(sender);
  for (const auto& recipient : options.recipients) {
    if (has_control(recipient)) return refuse("4.1.3", "control characters in a recipient");
    builder.recipient(recipient);
  }
  builder.envelope.notices = !sender.empty(); // who submits reads no status files
  const std::string head = spool::bsmtp_head(builder.take());
  if (auto judged = judge(head, "\r\n"); !judged) return judged;

  auto draft = begin();
  if (!draft) return std::unexpected(draft.error());
  if (auto done = draft->append(head); !done) return refuse(done.error());
  transport::WireEncoder encoder(false);
  transport::DotStuffer stuffer;
  std::string block, wire, stuffed;
  for (bool more = true; more; block.clear(), wire.clear(), stuffed.clear()) {
    const auto read = read_block(input_, block);
    if (!read) return refuse("4.3.0", read.error());
    more = *read;
    encoder.encode(block, wire);
    if (!more) encoder.finish(wire);
    stuffer.append(wire, stuffed);
    if (!more) stuffed += ".\r\n";
    if (auto done = draft->append(stuffed); !done) return refuse(done.error());
  }
  drafts_.push_back(std::move(*draft));
  if (options.id.empty()) return publish_all();
  if (auto done = drafts_.front().composition().sync(); !done) return refuse(done.error());
  return publish_as(drafts_.front(), options.id);
}

Step Submission::batch() {
  BsmtpStream stream([this](std::string& into) { return read_block(input_, into); });
  std::string block;
  for (std::size_t number = 1;; ++number) {
    const auto wrong = [&](std::string_view code, std::string_view text) {
      return refuse(std::string(code), fmt::format("transaction {}: {}", number, text));
    };
    const auto head = stream.next_head();
    if (!head) return wrong("4.5.2", head.error());
    if (head->empty()) return publish_all();
    if (auto judged = judge(*head, stream.line_end()); !judged)
      return wrong(judged.error().code, judged.error().text);
    auto draft = begin();
    if (!draft) return std::unexpected(draft.error());
    if (auto done = draft->append(spool::asking_for_notices(*head)); !done) return refuse(done.error());
    for (bool more = true; more; block.clear()) {
      const auto read = stream.next_content(block);
      if (!read) return wrong("4.5.2", read.error());
      more = *read;
      if (auto done = draft->append(block); !done) return refuse(done.error());
    }
    drafts_.push_back(std::move(*draft));
    if (drafts_.size() < lot) continue;
    if (auto done = publish_all(); !done) return done;
  }
}

// Durable first, then seen: an agent takes what is in new/ at once.
Step Submission::publish_all() {
  if (drafts_.empty()) return {};
  auto synced = drafts_.size() == 1 ? drafts_.front().composition().sync() : disk_.sync_all();
  if (!synced) return refuse(synced.error());
  for (Draft& draft : drafts_)
    if (auto done = draft.composition().publish(); !done) return refuse(done.error());
  if (auto done = disk_.sync_directory("new"); !done) return refuse(done.error());
  drafts_.clear();
  return {};
}

Step Submission::publish_as(Draft& draft, const std::string& id) {
  const auto digest = draft.digest();
  const std::string tail = '.' + spool::to_string(digest).substr(std::string_view("sha256:").size(), 16);
  std::string other = id + tail;
  if (!spool::valid_id(other)) other = id.substr(0, id.size() - tail.size()) + tail; // too long
  for (const auto& name : {id, other}) {
    // The file in tmp/ bears the composition's id; it gets its name in new/ by the same rename as any other.
    const auto done = disk_.rename_new("tmp/" + draft.composition().id(), "new/" + name);
    const bool there = !done && done.error().code == EEXIST;
    if (!done && !there) return refuse(done.error());
    if (done || digest_of("new/" + name) == digest) {
      if (auto synced = disk_.sync_directory("new"); !synced) return refuse(synced.error());
      return {};
    }
  }
  return refuse("4.3.0", fmt::format("new/{} is there already with other bytes", other));
}

// None: it is gone, or not to be read by this user.
std::optional<spool::Digest> Submission::digest_of(const std::string& path) {
  const auto file = disk_.open_read(path);
  if (!file) return std::nullopt;
  const auto info = (*file)->info();
  if (!info) return std::nullopt;
  spool::Sha256 sum;
  if (!spool::hash_range(**file, 0, info->size, sum)) return std::nullopt;
  return sum.finish();
}

Step run(const Config& config, const SubmitOptions& options, int input) {
  if (options.bsmtp && (options.sender || !options.recipients.empty() || !options.id.empty()))
    return refuse("4.3.5", "--bsmtp takes the envelopes from the input: no -f, no --id, no recipients");
  if (!options.bsmtp && (!options.sender || options.recipients.empty()))
    return refuse("4.3.5", "usage: bulkmail submit -f SENDER [--id ID] [--] RECIPIENT...");
  if (!options.id.empty() && (!spool::valid_id(options.id) || spool::in_progress_name(options.id)))
    return refuse("4.3.5",
                  "an id is 1 to 200 of A-Z a-z 0-9 . _ = , : + @ -, and no writer's temporary name");
  auto disk = open_spool(config);
  if (!disk) return refuse(disk.error());
  Submission submission(**disk, input);
  return options.bsmtp ? submission.batch() : submission.message(options);
}

} // namespace

int submit_failed(std::string_view code, std::string_view text) {
  fmt::print(stderr, "{} {}\n", code, transport::printable(text));
  return EX_TEMPFAIL;
}

int submit(const Config& config, const SubmitOptions& options, int input) {
  const Step done = run(config, options, input);
  return done ? EX_OK : submit_failed(done.error().code, done.error().text);
}

} // namespace bulkmail::agent
