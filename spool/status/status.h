// The status file of a message or of a refused drop, status/<id>.json: what it says and how it gets there
// whole.
#pragma once

#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/ledger_config.h"
#include "spool/message.h"
#include "spool/status/recipient_fields.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bulkmail::spool {

// A message's status file as text, some at a time: 100,000 recipients have one of 50 MB. UTF-8, one line, ends in a
// newline; never throws on any bytes. What it is given must outlive it.
class StatusText {
 public:
  // `condemned`: a final status, with the problem, and of the recipients those that had a final action before.
  StatusText(const Snapshot& snapshot, const LedgerConfig& config, const DropProblem* condemned = nullptr);

  // Appends the next part of it. False: there is no more.
  [[nodiscard]] bool next(std::string& chunk);

  [[nodiscard]] std::string_view id() const { return facts_->id; }

 private:
  void append_head(std::string& out) const;
  void append_recipient(std::string& out);
  [[nodiscard]] bool wanted(Action action) const;
  [[nodiscard]] const OutcomeFields& fields_of(std::uint32_t outcome);

  // Neighbours were often answered alike.
  static constexpr std::size_t kept_fields = 16;

  const Snapshot& snapshot_;
  const LedgerConfig& config_;
  const DropProblem* condemned_;
  std::shared_ptr<const MessageFacts> facts_;
  std::array<std::optional<std::pair<std::uint32_t, OutcomeFields>>, kept_fields> fields_; // by outcome
  std::size_t next_ = 0;                                                                   // recipient
  bool begun_ = false;
  bool some_ = false; // recipients were written
  bool over_ = false;
};

[[nodiscard]] std::string render_status(const Snapshot& snapshot, const LedgerConfig& config,
                                        const DropProblem* condemned = nullptr); // all of it

// The status of a refused drop, or (not final) of one that waits for something.
[[nodiscard]] std::string render_refusal(const std::string& id, const std::string& name,
                                         const DropProblem& problem, bool final,
                                         const std::string& reporting_mta, const Digest* digest, Wall now);

[[nodiscard]] std::string status_path(std::string_view id); // "status/<id>.json"
[[nodiscard]] std::string_view
id_of_status(std::string_view entry); // <id>; of an entry that is no status, the whole name

// Puts status/<id>.json in place: a reader sees the old one or the new one, whole. Nothing is synced. One
// writer an id.
[[nodiscard]] Result<void> write_status_file(Disk& disk, std::string_view id, std::string_view json);
[[nodiscard]] Result<void> write_status_file(Disk& disk, StatusText text);

// What the head of a status file tells, without reading all of it.
struct StatusHead {
  std::uint32_t serial = 0;
  bool final = false;
  std::string digest; // as to_string(Digest) has it; empty: none
};

// An error if there is none.
[[nodiscard]] Result<StatusHead> read_status_head(Disk& disk, std::string_view id);

} // namespace bulkmail::spool
