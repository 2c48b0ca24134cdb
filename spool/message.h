// One claimed message: its envelope, where its content lies in the file, and what became of each recipient.
//
// Belongs to one thread. Everything that another thread needs is taken as a Snapshot, which is immutable.
// Outcomes are shared, so that 100 recipients answered alike cost one.
#pragma once

#include "spool/message_facts.h"
#include "spool/outcome.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace bulkmail::spool {

struct Counts {
  std::uint32_t total = 0, relayed = 0, delivered = 0, failed = 0, delayed = 0, queued = 0;

  [[nodiscard]] bool all_final() const { return delayed == 0 && queued == 0; }

  bool operator==(const Counts&) const = default;
};

struct RecipientState {
  std::uint32_t outcome = 0; // 1 + index into the outcomes; 0: queued
  std::uint16_t attempts = 0;
  Action action = Action::queued;
};

// Everything a status file says, frozen.
struct Snapshot {
  std::shared_ptr<const MessageFacts> facts;
  std::vector<RecipientState> states;
  std::vector<std::shared_ptr<const Outcome>> outcomes; // null where no recipient has it
  Counts counts;
  std::uint32_t serial = 0;
  bool final = false;
  Wall expires;
  Wall updated;
};

class Message {
 public:
  explicit Message(MessageFacts facts, Wall expires);

  [[nodiscard]] const MessageFacts& facts() const { return *facts_; }

  [[nodiscard]] const std::shared_ptr<const MessageFacts>& shared_facts() const { return facts_; }

  [[nodiscard]] const Envelope& envelope() const { return facts_->envelope; }

  [[nodiscard]] const std::string& id() const { return facts_->id; }

  [[nodiscard]] std::uint64_t number() const { return facts_->number; }

  [[nodiscard]] Action action(std::size_t recipient) const { return states_[recipient].action; }

  [[nodiscard]] std::uint16_t attempts(std::size_t recipient) const { return states_[recipient].attempts; }

  [[nodiscard]] const Outcome* outcome(std::size_t recipient) const; // null: queued

  [[nodiscard]] std::shared_ptr<const Outcome> shared_outcome(std::size_t recipient) const;

  [[nodiscard]] const Counts& counts() const { return counts_; }

  [[nodiscard]] bool final() const { return counts_.all_final(); }

  [[nodiscard]] Wall expires() const { return expires_; }

  void set_expires(Wall expires) { expires_ = expires; }

  // The earliest of what is delayed; none: nothing is.
  [[nodiscard]] std::optional<Wall> next_attempt_date() const;

  // A recipient that has a final action keeps it: such an index is ignored. Answers how many were changed.
  std::size_t apply(std::span<const std::uint32_t> recipients, std::shared_ptr<const Outcome> outcome);

  // Sets what recovery knows: the outcome and how often each was tried, whatever was known before.
  void restore(std::span<const std::uint32_t> recipients, std::shared_ptr<const Outcome> outcome,
               std::uint16_t attempts);

  [[nodiscard]] std::uint32_t serial() const { return serial_; }

  [[nodiscard]] Snapshot snapshot(Wall updated); // counts the serial up

  void set_serial(std::uint32_t serial) { serial_ = serial; }

 private:
  std::uint32_t keep(std::shared_ptr<const Outcome> outcome); // answers 1 + its index
  void assign(RecipientState& state, std::uint32_t outcome, Action action);
  void drop_user(std::uint32_t outcome);

  std::shared_ptr<const MessageFacts> facts_;
  std::vector<RecipientState> states_;
  // An outcome that no recipient has any more is forgotten and its place used again, so that a message
  // retried for days doesn't grow.
  std::vector<std::shared_ptr<const Outcome>> outcomes_;
  std::vector<std::uint32_t> users_;  // of each outcome: how many recipients have it
  std::vector<std::uint32_t> unused_; // places in outcomes_
  Counts counts_;
  std::uint32_t serial_ = 0;
  Wall expires_;
};

} // namespace bulkmail::spool
