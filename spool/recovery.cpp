#include "spool/recovery.h"

#include "spool/journal/reader.h"
#include "spool/layout.h"
#include "spool/status/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <unordered_map>

namespace bulkmail::spool {
namespace {

// A status file that a reader saw may be gone after a power cut and an older one stand there; the serial must
// still grow.
constexpr std::uint32_t serial_gap = 16;

// All that the journal says of one message, in order. Points into the journal's contents.
struct Journalled {
  const BeginRecord* begin = nullptr;       // the last one
  std::vector<const JournalRecord*> states; // OutcomeRecord, KeptRecord and NoticeRecord
  const RefusedRecord* condemned = nullptr;
  bool found = false; // its file is in the queue
};

std::uint64_t message_of(const JournalRecord& record) {
  return std::visit([](const auto& kind) { return kind.message; }, record);
}

std::uint64_t event_end(const JournalRecord& record) { // one past its last event; 0: no event
  if (const auto* outcome = std::get_if<OutcomeRecord>(&record))
    return outcome->first_event + outcome->recipients.size();
  if (const auto* refused = std::get_if<RefusedRecord>(&record)) return refused->first_event + 1;
  return 0;
}

// The drop's name where the journal doesn't say: an id of a name that was taken ends in ~N, and no name has a
// "~".
std::string name_of(const std::string& id) { return id.substr(0, id.find('~')); }

std::unique_ptr<Message> without_recipients(const Message& message) {
  MessageFacts facts = *message.facts();
  facts.envelope = Envelope();
  return std::make_unique<Message>(std::move(facts), message.expires());
}

class Recovery {
 public:
  Recovery(Disk& disk, Ids& ids, milliseconds expire, Wall now)
      : disk_(disk),
        ids_(ids),
        expire_(expire),
        now_(now) {}

  Result<RecoveredSpool> run() {
    if (auto made = make_spool_layout(disk_); !made) return std::unexpected(made.error());
    auto journal = read_journal(disk_);
    if (!journal) return std::unexpected(journal.error());
    journal_ = std::move(*journal);
    index_journal();
    auto tail = read_results_tail(disk_, first_event_);
    if (!tail) return std::unexpected(tail.error());
    spool_.results_length = tail->good_length;
    last_seq_ = tail->last_seq;
    spool_.next_event = std::max(spool_.next_event, last_seq_ + 1);
    ids_.start_numbers_at(spool_.next_message);
    // What was read may stand in memory alone. All that follows builds on it, so it must not vanish any more.
    if (auto synced = disk_.sync_all(); !synced) return std::unexpected(synced.error());

    mark_.emplace(disk_);
    auto claimed = disk_.list("cur");
    if (!claimed) return std::unexpected(claimed.error());
    std::sort(claimed->begin(), claimed->end());
    for (const std::string& id : *claimed)
      if (auto done = take(id); !done) return std::unexpected(done.error());
    if (auto done = look_into_new(); !done) return std::unexpected(done.error());
    collect_missing_refusals();
    std::stable_sort(spool_.missing.begin(), spool_.missing.end(), [](const auto& a, const auto& b) {
      const auto first = [](const auto& kind) { return kind.first_event; };
      return std::visit(first, a) < std::visit(first, b);
    });
    spool_.next_message = ids_.next_number();
    ids_.start_numbers_at(spool_.next_message);
    return std::move(spool_);
  }

 private:
  void index_journal() {
    for (const SegmentContents& segment : journal_.segments) {
      spool_.segments.push_back(segment.header.number);
      spool_.last_segment_length = segment.valid;
      spool_.next_event = std::max(spool_.next_event, segment.header.next_event);
      spool_.next_message = std::max(spool_.next_message, segment.header.next_message);
      for (const JournalRecord& record : segment.records) index(record);
    }
    for (auto& [number, journalled] : messages_) {
      if (journalled.begin == nullptr) continue; // of a message closed long ago, whose first segment is gone
      by_id_.emplace(journalled.begin->id, &journalled);
      by_name_.emplace(journalled.begin->name, &journalled);
    }
    spool_.warnings = std::move(journal_.warnings);
  }

  void index(const JournalRecord& record) {
    const std::uint64_t number = message_of(record);
    const std::uint64_t end = event_end(record);
    spool_.next_event = std::max(spool_.next_event, end);
    spool_.next_message = std::max(spool_.next_message, number + 1);
    if (const auto* refused = std::get_if<RefusedRecord>(&record)) {
      first_event_ = std::min(first_event_, refused->first_event);
      refusals_.push_back(refused);
      if (number != 0) messages_[number].condemned = refused;
      return;
    }
    if (const auto* outcome = std::get_if<OutcomeRecord>(&record))
      first_event_ = std::min(first_event_, outcome->first_event);
    Journalled& message = messages_[number];
    if (const auto* begin = std::get_if<BeginRecord>(&record))
      message.begin = begin;
    else
      message.states.push_back(&record);
  }

  // The message of which the file with this stamp is the backup copy. A condemned one is known by its inode
  // alone, since its file was changed.
  Journalled* find(const std::unordered_multimap<std::string_view, Journalled*>& names,
                   const std::string& name, const Stamp& stamp) const {
    Journalled* found = nullptr;
    const auto range = names.equal_range(name);
    for (auto at = range.first; at != range.second; ++at) {
      Journalled* const candidate = at->second;
      const Stamp& known = candidate->begin->stamp;
      const bool same = known == stamp || (candidate->condemned != nullptr && known.inode == stamp.inode);
      if (same && (found == nullptr || candidate->begin->message > found->begin->message)) found = candidate;
    }
    return found;
  }

  // A file in cur/: a message to go on with, one to begin with, or one that is done.
  Result<void> take(const std::string& id) {
    const auto info = disk_.info("cur/" + id);
    if (!info) {
      if (info.error().code == ENOENT) return {};
      return std::unexpected(info.error());
    }
    if (info->kind != FileInfo::Kind::regular) {
      spool_.warnings.push_back(fmt::format("cur/{} is no file; left alone", id));
      return {};
    }
    const Stamp stamp = stamp_of(*info);
    Journalled* const journalled = find(by_id_, id, stamp);
    if (journalled != nullptr)
      journalled->found = true;
    else
      taken_anew_.emplace(name_of(id), stamp);
    return restore(id, stamp, journalled);
  }

  // A power cut may undo the rename from new/ to cur/ of a message whose outcomes are durable, or half of any such rename.
  Result<void> look_into_new() {
    if (by_name_.empty() && taken_anew_.empty()) return {};
    auto names = disk_.list("new");
    if (!names) return std::unexpected(names.error());
    std::sort(names->begin(), names->end());
    for (const std::string& name : *names) {
      if (!by_name_.contains(name) && !taken_anew_.contains(name)) continue;
      const auto info = disk_.info("new/" + name);
      if (!info || info->kind != FileInfo::Kind::regular) continue;
      if (auto done = take_back(name, stamp_of(*info)); !done) return done;
    }
    return {};
  }

  Result<void> take_back(const std::string& name, const Stamp& stamp) {
    const std::string path = "new/" + name;
    const auto same_file = [&](const auto& taken) { return taken.second == stamp; };
    const auto [first, last] = taken_anew_.equal_range(name);
    Journalled* const journalled = find(by_name_, name, stamp);
    if ((journalled != nullptr && journalled->found) || std::any_of(first, last, same_file))
      return disk_.remove(path); // it has both names
    if (journalled == nullptr) return {};
    const std::string& id = journalled->begin->id;
    if (auto moved = disk_.rename_new(path, "cur/" + id); !moved) return moved;
    journalled->found = true;
    return restore(id, stamp, journalled);
  }

  Result<void> restore(const std::string& id, const Stamp& stamp, const Journalled* journalled) {
    const BeginRecord* const begin = journalled != nullptr ? journalled->begin : nullptr;
    MessageFacts facts;
    facts.id = id;
    facts.name = begin != nullptr ? begin->name : name_of(id);
    facts.stamp = stamp;
    facts.arrival_date = begin != nullptr ? begin->arrival_date : now_;
    const Wall expires = begin != nullptr ? begin->expires : now_ + expire_;

    auto parsed = parse("cur/" + id, stamp.size);
    if (!parsed && parsed.error().kind == DropProblem::Kind::unreadable) {
      spool_.warnings.push_back(fmt::format("cur/{} can't be read: {}; left there", id, parsed.error().text));
      spool_.keep_segments = spool_.keep_segments || begin != nullptr;
      ids_.take(id, begin != nullptr ? begin->digest : Digest{});
      return {};
    }

    const auto status = read_status_head(disk_, id);
    if (!status && status.error().code != ENOENT) return std::unexpected(status.error());
    if (begin == nullptr && parsed && status && status->final && status->digest == to_string(parsed->digest))
      return disk_.remove("cur/" + id); // told of, and its removal was lost

    RecoveredMessage recovered;
    recovered.has_status = status.has_value();
    if (journalled != nullptr && journalled->condemned != nullptr) {
      const RefusedRecord& refused = *journalled->condemned;
      recovered.condemned = DropProblem{DropProblem::Kind::refused, refused.code, refused.text,
                                        static_cast<std::size_t>(refused.line)};
      recovered.condemnation = refused;
    } else if (!parsed) {
      recovered.condemned = parsed.error();
    } else if (begin != nullptr && begin->digest != parsed->digest) {
      recovered.condemned =
          DropProblem{DropProblem::Kind::refused, "changed", "the file was changed after it was taken", 0};
    }
    if (parsed) {
      facts.digest = parsed->digest;
      facts.content = parsed->content;
      facts.size = parsed->size;
      facts.message_id = std::move(parsed->message_id);
      facts.eight_bit = parsed->eight_bit;
      facts.envelope = std::move(parsed->envelope);
    }
    facts.number = begin != nullptr ? begin->message : ids_.next_number();
    recovered.journalled = begin != nullptr;
    recovered.message = std::make_unique<Message>(std::move(facts), expires);
    if (journalled != nullptr) replay(*journalled, recovered);
    // Nothing of a condemned message is to be sent.
    if (recovered.condemned) recovered.message = without_recipients(*recovered.message);
    ids_.take(recovered.message->packed());
    if (status) recovered.message->set_serial(status->serial + serial_gap);
    spool_.messages.push_back(std::move(recovered));
    return {};
  }

  std::expected<ParsedDrop, DropProblem> parse(const std::string& path, std::uint64_t size) {
    if (mark_->hopeless(path)) {
      mark_->settled(path);
      return std::unexpected(DropProblem{
          DropProblem::Kind::refused, "crashed",
          fmt::format("the agent crashed {} times while it handled this file", HandlingMark::patience), 0});
    }
    auto drop = handle(path, size);
    mark_->rest(); // each time: what lies in cur/ stays there, and must not be suspected of what others do
    return drop;
  }

  std::expected<ParsedDrop, DropProblem> handle(const std::string& path, std::uint64_t size) {
    const auto handling = mark_->handle(path);
    auto file = disk_.open_read(path);
    if (!file)
      return std::unexpected(DropProblem{DropProblem::Kind::unreadable, "unreadable", file.error().text, 0});
    return parse_drop(**file, size);
  }

  // Applies the outcomes in their order; what results/ lacks of them is collected on the way.
  void replay(const Journalled& journalled, RecoveredMessage& recovered) {
    Message& message = *recovered.message;
    for (const JournalRecord* const state : journalled.states) {
      if (const auto* kept = std::get_if<KeptRecord>(state)) {
        message.restore(kept->recipients, shelf_.share(kept->outcome), kept->attempts);
        continue;
      }
      if (const auto* notice = std::get_if<NoticeRecord>(state)) {
        replay(*notice, message, recovered.notices);
        continue;
      }
      const auto& record = std::get<OutcomeRecord>(*state);
      const auto outcome = std::make_shared<const Outcome>(record.outcome);
      message.apply(record.recipients, shelf_.share(*outcome));
      OutcomeEvents events{message.packed(), outcome, record.first_event, record.time, {}, {}};
      for (std::size_t n = 0; n < record.recipients.size(); ++n) {
        const std::uint32_t recipient = record.recipients[n];
        if (record.first_event + n <= last_seq_ || recipient >= message.recipients()) continue;
        if (events.recipients.empty()) events.first_event = record.first_event + n;
        events.recipients.push_back(recipient);
        events.attempts.push_back(message.attempts(recipient));
      }
      if (!events.recipients.empty()) spool_.missing.emplace_back(std::move(events));
    }
  }

  // The outcomes that it tells of are those of this place in the journal.
  static void replay(const NoticeRecord& record, const Message& message,
                     std::vector<RecoveredNotice>& notices) {
    if (record.serial != 0 && record.serial <= notices.size()) {
      RecoveredNotice& known = notices[record.serial - 1];
      known.record.published = known.record.published || record.published;
      return;
    }
    if (record.serial != notices.size() + 1)
      return; // of a message that began anew since, whose state follows
    RecoveredNotice notice{record, {}};
    for (const std::uint32_t index : record.recipients) {
      if (index >= message.recipients()) continue;
      const SharedOutcome* const outcome = message.outcome(index);
      if (outcome != nullptr && (outcome->action() == Action::delayed) == (record.kind == NoticeKind::delay))
        notice.recipients.push_back({index, *outcome});
    }
    notices.push_back(std::move(notice));
  }

  // A condemned message's record is repeated when its state is, with the same event.
  void collect_missing_refusals() {
    const auto event = [](const RefusedRecord* refused) { return refused->first_event; };
    std::ranges::sort(refusals_, {}, event);
    const auto repeated = std::ranges::unique(refusals_, {}, event);
    refusals_.erase(repeated.begin(), repeated.end());
    for (const RefusedRecord* const refused : refusals_)
      if (refused->first_event > last_seq_) spool_.missing.emplace_back(*refused);
  }

  Disk& disk_;
  Ids& ids_;
  milliseconds expire_;
  Wall now_;
  std::optional<HandlingMark> mark_;
  OutcomeShelf shelf_;
  JournalContents journal_;
  std::unordered_map<std::uint64_t, Journalled> messages_;
  std::unordered_multimap<std::string_view, Journalled*> by_id_, by_name_;
  std::unordered_multimap<std::string, Stamp> taken_anew_; // by name: in cur/, unknown to the journal
  std::vector<const RefusedRecord*> refusals_;
  std::uint64_t first_event_ = std::numeric_limits<std::uint64_t>::max(); // the lowest in the journal
  std::uint64_t last_seq_ = 0;                                            // in results/
  RecoveredSpool spool_;
};

} // namespace

Result<RecoveredSpool> recover_spool(Disk& disk, Ids& ids, milliseconds expire, Wall now) {
  return Recovery(disk, ids, expire, now).run();
}

} // namespace bulkmail::spool
