#include "spool/drop/claim.h"

#include "spool/drop/envelope_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace bulkmail::spool {
namespace {

constexpr milliseconds reserved_retry{1'000};
constexpr milliseconds trouble_retry{1'000};
// A drop appears whole; one that is changed in place, against the rules, so many times while it is read is left alone
// for a while.
constexpr int patience_with_changes = 3;

ClaimAnswer trouble(const Error& error, Wall now) {
  return Waiting{Waiting::Why::error, now + trouble_retry, {}, error};
}

} // namespace

Claimer::Claimer(Disk& disk, Ids& ids, std::string reporting_mta,
                 std::unique_ptr<const TemplateCheck> templates)
    : disk_(disk),
      ids_(ids),
      namesakes_(disk, ids),
      refusals_(disk, ids, reporting_mta),
      waiting_(disk, ids, std::move(reporting_mta)),
      templates_(std::move(templates)) {}

Result<std::vector<std::string>> Claimer::names() {
  auto found = disk_.list("new");
  if (!found) return found;
  std::erase_if(*found, [](const std::string& name) { return in_progress_name(name); });
  waiting_.forget_all_but(*found);
  return found;
}

ClaimAnswer Claimer::claim(const std::string& name, Wall now) {
  if (name.empty() || name.find('/') != name.npos || in_progress_name(name)) return Ignored{};
  if (ids_.reserved(name)) return Waiting{Waiting::Why::reserved, now + reserved_retry, {}, {}};
  try {
    for (int i = 0; i < patience_with_changes; ++i)
      if (Trial answer = try_to_take(name, now)) return std::move(*answer);
  } catch (const std::bad_alloc&) {
    return trouble({ENOMEM, fmt::format("claim new/{}: out of memory", name)}, now);
  }
  return Waiting{Waiting::Why::incomplete, now + trouble_retry, {}, {}};
}

void Claimer::rest() {
  if (mark_) mark_->rest();
}

Claimer::Trial Claimer::try_to_take(const std::string& name, Wall now) {
  const std::string path = "new/" + name;
  const auto found = disk_.info(path); // before it is opened: a FIFO or a device is never touched
  if (!found) return not_taken(name, found.error(), now);
  if (found->kind != FileInfo::Kind::regular) return Ignored{};
  if (found->links > 1) return waiting_.hard_linked(name, found->links, now);
  if (!valid_id(name))
    return refuse(name,
                  {DropProblem::Kind::refused, "bad-name",
                   "a drop's name is 1 to 200 bytes of A-Z a-z 0-9 . _ = , : + @ -", 0},
                  now);
  if (mark().hopeless(path))
    return refuse(
        name,
        {DropProblem::Kind::refused, "crashed",
         fmt::format("the agent crashed {} times while it handled this file", HandlingMark::patience), 0},
        now);
  if (waiting_.still_incomplete(name, stamp_of(*found)))
    if (auto wait = waiting_.incomplete(name, stamp_of(*found), now)) return std::move(*wait);

  const auto file = disk_.open_read(path);
  if (!file) return not_taken(name, file.error(), now);
  const auto info = (*file)->info();
  if (!info) return trouble(info.error(), now);
  const Stamp stamp = stamp_of(*info);
  auto drop = [&] {
    const auto handling = mark().handle(path);
    return read(**file, info->size);
  }();
  if (drop) return take(name, std::move(*drop), stamp, now);

  DropProblem& problem = drop.error();
  if (problem.kind == DropProblem::Kind::unreadable)
    return waiting_.unreadable(name, {EIO, problem.text}, now);
  if (problem.kind == DropProblem::Kind::incomplete) {
    if (auto wait = waiting_.incomplete(name, stamp, now)) return std::move(*wait);
    problem.kind = DropProblem::Kind::refused;
  }
  if (changed(path, stamp)) return std::nullopt;
  return refuse(name, std::move(problem), now);
}

std::expected<ParsedDrop, DropProblem> Claimer::read(File& file, std::uint64_t size) {
  auto drop = parse_drop(file, size);
  if (!drop) return drop;
  if (drop->envelope.merge || drop->envelope.field_names().size() > 0)
    if (auto judged = judge_template(file, *drop); !judged) return std::unexpected(std::move(judged.error()));
  return drop;
}

std::expected<void, DropProblem> Claimer::judge_template(File& file, const ParsedDrop& drop) {
  const auto refused = [](std::string code, std::string text, std::size_t line) {
    return std::unexpected(DropProblem{DropProblem::Kind::refused, std::move(code), std::move(text), line});
  };
  if (!templates_) return refused("bad-template", "XMERGE is not offered here", 0);
  const std::size_t most = templates_->most_octets();
  if (drop.content.length > most)
    return refused("template-too-large", fmt::format("with XMERGE the content has at most {} octets", most),
                   0);
  std::string content = drop.small_content;
  if (content.empty()) {
    content.resize(drop.content.length);
    const auto got = file.read_at(drop.content.offset, content);
    if (!got) return std::unexpected(unreadable(got.error()));
    content.resize(*got); // less: it changes under our hands, which is noticed before it is taken
  }
  const auto refusal = templates_->refuses(drop.envelope, content, drop.content.dot_stuffed);
  if (!refusal) return {};
  return refused(refusal->code, refusal->text, refusal->recipient ? drop.lines.of(*refusal->recipient) : 0);
}

Claimer::Trial Claimer::take(const std::string& name, ParsedDrop drop, const Stamp& stamp, Wall now) {
  const std::string path = "new/" + name;
  auto id = namesakes_.id_for(name, drop.digest);
  if (!id) return trouble(id.error(), now);
  if (!*id) { // the same bytes again
    if (changed(path, stamp)) return std::nullopt;
    if (const auto removed = disk_.remove(path); !removed) return not_taken(name, removed.error(), now);
    waiting_.forget(name);
    return Ignored{true};
  }
  const std::string claimed_path = "cur/" + **id;
  if (const auto moved = disk_.rename_new(path, claimed_path); !moved) {
    if (moved.error().code != EEXIST) return not_taken(name, moved.error(), now);
    namesakes_.adopt(**id);
    return std::nullopt;
  }
  // Only now is it certain which file was moved: new/ is open to others.
  if (changed(claimed_path, stamp)) {
    if (const auto back = disk_.rename_new(claimed_path, path); !back) return trouble(back.error(), now);
    return std::nullopt;
  }
  waiting_.forget(name);

  auto facts = std::make_shared<MessageFacts>();
  facts->number = ids_.next_number();
  facts->id = std::move(**id);
  facts->name = name;
  facts->digest = drop.digest;
  facts->stamp = stamp;
  facts->content = drop.content;
  facts->size = drop.size;
  facts->message_id = std::move(drop.message_id);
  facts->eight_bit = drop.eight_bit;
  facts->arrival_date = now;
  facts->envelope = std::move(drop.envelope);
  Claimed claimed{PackedFacts(facts), facts, std::move(drop.small_content)};
  ids_.take(claimed.packed);
  return claimed;
}

ClaimAnswer Claimer::refuse(const std::string& name, DropProblem problem, Wall now) {
  auto refused = refusals_.refuse(name, std::move(problem), now);
  if (!refused) return not_taken(name, refused.error(), now);
  waiting_.forget(name);
  mark().settled("new/" + name);
  return std::move(*refused);
}

// Something could not be done with a drop: because it's gone, because it is closed to us, or because the disk is unwell.
ClaimAnswer Claimer::not_taken(const std::string& name, const Error& error, Wall now) {
  switch (error.code) {
  case ENOENT:
    if (disk_.info("new/" + name)) return trouble(error, now); // it is there; a folder is not
    waiting_.forget(name);
    return Ignored{};
  case EINVAL: return Ignored{}; // no regular file any more
  case EACCES:
  case EPERM:
  case EIO: return waiting_.unreadable(name, error, now);
  default: return trouble(error, now);
  }
}

bool Claimer::changed(const std::string& path, const Stamp& stamp) {
  const auto info = disk_.info(path);
  return !info || info->links > 1 || stamp_of(*info) != stamp;
}

HandlingMark& Claimer::mark() {
  if (!mark_) mark_.emplace(disk_);
  return *mark_;
}

} // namespace bulkmail::spool
