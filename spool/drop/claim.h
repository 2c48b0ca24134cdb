// Turns a name in new/ into a claimed message in cur/, or says why not (docs/drop-formats.md).
//
// The dropped file itself is the backup copy: it is moved by rename, never copied, and never deleted here unless the
// very same bytes are already taken. Works on one thread at a time; blocking, so it runs off the loop.
//
//   Claimer claimer(disk, ids, policy);
//   for (auto& name : *claimer.names())            // a rescan; or the names that events told of
//     std::visit(..., claimer.claim(name, now));   // Claimed, Refused, Waiting, Ignored
//   claimer.rest();
#pragma once

#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/drop/handling.h"
#include "spool/drop/ids.h"
#include "spool/drop/namesakes.h"
#include "spool/drop/refusals.h"
#include "spool/drop/template_check.h"
#include "spool/drop/waiting_drops.h"
#include "spool/packed_facts.h"

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bulkmail::spool {

struct Claimed {
  PackedFacts packed;                        // to keep
  std::shared_ptr<const MessageFacts> facts; // the same, to work with now
  std::string
      small_content; // the content's bytes as in the file, if the claim had them whole at hand; else empty
};

// A name or a kind of file that is none of the agent's business, or a repetition that was dropped as such.
struct Ignored {
  bool duplicate = false;
};

using ClaimAnswer = std::variant<Claimed, Refused, Waiting, Ignored>;

class Claimer {
 public:
  static constexpr milliseconds incomplete_grace = WaitingDrops::incomplete_grace;
  static constexpr milliseconds hard_link_grace = WaitingDrops::hard_link_grace;

  // Without a judge of templates none is taken.
  Claimer(Disk& disk, Ids& ids, std::string reporting_mta,
          std::unique_ptr<const TemplateCheck> templates = nullptr);

  [[nodiscard]] Result<std::vector<std::string>> names(); // of new/, without writers' work in progress
  [[nodiscard]] ClaimAnswer claim(const std::string& name, Wall now);
  void rest(); // after the last of several claims

 private:
  // None: the drop changed meanwhile and is to be looked at again from the start.
  using Trial = std::optional<ClaimAnswer>;
  Trial try_to_take(const std::string& name, Wall now);
  [[nodiscard]] std::expected<ParsedDrop, DropProblem> read(File& file, std::uint64_t size);
  [[nodiscard]] std::expected<void, DropProblem> judge_template(File& file, const ParsedDrop& drop);
  Trial take(const std::string& name, ParsedDrop drop, const Stamp& stamp, Wall now);
  ClaimAnswer refuse(const std::string& name, DropProblem problem, Wall now);
  ClaimAnswer not_taken(const std::string& name, const Error& error, Wall now);
  [[nodiscard]] bool changed(const std::string& path, const Stamp& stamp);
  HandlingMark& mark();

  Disk& disk_;
  Ids& ids_;
  Namesakes namesakes_;
  Refusals refusals_;
  WaitingDrops waiting_;
  std::unique_ptr<const TemplateCheck> templates_;
  std::optional<HandlingMark> mark_; // from the first claim on, when the spool's folders are there
};

} // namespace bulkmail::spool
