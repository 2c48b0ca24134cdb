// One claimed message: its facts, and what became of each recipient.
//
// As long as nothing did, it is five words; of a single recipient, which most messages have, the outcome and little more is
// added. Belongs to one thread; everything that another thread needs is taken as a Snapshot, which is immutable.
#pragma once

#include "spool/packed_facts.h"
#include "spool/shared_blocks.h"
#include "spool/shared_outcome.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
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

// When so many of the recipients will be done, as things go.
struct Forecast {
  Wall p50, p99;

  bool operator==(const Forecast&) const = default;
};

// Everything a status file says, frozen.
struct Snapshot {
  PackedFacts facts;
  SharedBlocks<RecipientState> states;  // empty: all are queued
  SharedBlocks<SharedOutcome> outcomes; // none where no recipient has it
  Counts counts;
  std::optional<Forecast> forecast;
  std::uint32_t serial = 0;
  bool final = false;
  Wall expires;
  Wall updated;

  [[nodiscard]] RecipientState state(std::size_t recipient) const {
    return states.size() == 0 ? RecipientState() : states[recipient];
  }
};

class Message {
 public:
  Message(PackedFacts facts, Wall expires);

  Message(MessageFacts facts, Wall expires) : Message(PackedFacts(std::move(facts)), expires) {}

  Message(Message&&) noexcept;
  ~Message();

  [[nodiscard]] const PackedFacts& packed() const { return facts_; }

  [[nodiscard]] std::shared_ptr<const MessageFacts> facts() const {
    return facts_.unpack();
  } // keep it while at work

  [[nodiscard]] std::string_view id() const { return facts_.id(); }

  [[nodiscard]] std::uint64_t number() const { return facts_.number(); }

  [[nodiscard]] std::uint32_t recipients() const { return total_; }

  [[nodiscard]] Action action(std::size_t recipient) const { return state(recipient).action; }

  [[nodiscard]] std::uint16_t attempts(std::size_t recipient) const { return state(recipient).attempts; }

  // Null: queued. Those answered together have the same one. Good until something of the message changes.
  [[nodiscard]] const SharedOutcome* outcome(std::size_t recipient) const;

  [[nodiscard]] Counts counts() const;

  [[nodiscard]] bool final() const { return counts().all_final(); }

  [[nodiscard]] Wall expires() const { return expires_; }

  void set_expires(Wall expires) { expires_ = expires; }

  // The earliest of what is delayed; none: nothing is.
  [[nodiscard]] std::optional<Wall> next_attempt_date() const;

  // Told of with the next status, to the second. None: nothing can be said.
  void set_forecast(const std::optional<Forecast>& forecast);

  // A recipient that has a final action keeps it: such an index is ignored. Answers how many were changed.
  std::size_t apply(std::span<const std::uint32_t> recipients, SharedOutcome outcome);

  // Sets what recovery knows: the outcome and how often each was tried, whatever was known before.
  void restore(std::span<const std::uint32_t> recipients, SharedOutcome outcome, std::uint16_t attempts);

  [[nodiscard]] std::uint32_t serial() const { return serial_; }

  [[nodiscard]] Snapshot snapshot(Wall updated);   // to be published: counts the serial up
  [[nodiscard]] Snapshot view(Wall updated) const; // to be looked at

  void set_serial(std::uint32_t serial) { serial_ = serial; }

 private:
  struct Single; // what happened to the one recipient that there is
  struct Record; // … or to several

  [[nodiscard]] bool single() const { return total_ == 1; }

  [[nodiscard]] RecipientState state(std::size_t recipient) const;
  void set_single(SharedOutcome outcome, std::uint16_t attempts);
  Record& record();

  PackedFacts facts_;

  union { // null: nothing yet
    Single* single_ = nullptr;
    Record* record_;
  };

  Wall expires_;
  std::uint32_t serial_ = 0;
  std::uint32_t total_;
  std::uint32_t p50_ = 0, p99_ = 0; // the forecast, in seconds since 1970; 0: there is none
};

} // namespace bulkmail::spool
