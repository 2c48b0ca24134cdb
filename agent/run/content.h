// The content of messages in wire form: small ones whole and shared by all their transactions, large ones block by block;
// templates (XMERGE) compiled, and filled in for each transaction's recipient.
//
// What leaves is made in one order, and here alone: filled in, then signed (DKIM), for a signature holds only for what is not
// changed afterwards. All of it is the pool's work.
//
// Every byte that goes out has been checked against the digest of the claim (a drop changed afterwards is never sent).
// Memory is bounded: `budget` for what is kept, one block for each large message being sent. What nobody asks for in
// `kept_for` is let go: mail that is delayed, held or waits for its turn is read again when it is sent.
#pragma once

#include "agent/run/signing.h"
#include "agent/run/timers.h"
#include "agent/seams.h"
#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/message.h"
#include "transport/content/merge/template.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkmail::agent {

using WireContent = std::shared_ptr<const std::string>; // ends in CRLF or is empty

// What one transaction sends.
struct Content {
  WireContent wire;       // null: a large message, read block by block
  std::uint64_t size = 0; // signatures included
  bool eight_bit = false;
  std::string signatures; // of a large message: they go before its first block
};

// Why content cannot be had.
struct ContentProblem {
  bool changed = false; // the file is not what was claimed, or gone: the message is to be condemned
  std::string text;
};

// Reads one large message once, in the order of its bytes.
class ContentReader {
 public:
  struct Block {
    std::string wire;
    bool last = false; // the digest held: the end of data may follow
    std::shared_ptr<const ContentProblem> problem;
  };

  using Taker = std::function<void(Block)>;

  static constexpr std::size_t block_size = 64 * 1024;

  // `before` goes out before the first byte.
  ContentReader(spool::Disk& disk, Pool& pool, std::shared_ptr<const spool::MessageFacts> facts,
                std::string before = {});
  ~ContentReader(); // a block under way is forgotten
  ContentReader(const ContentReader&) = delete;
  ContentReader& operator=(const ContentReader&) = delete;
  void next(Taker taker); // one at a time

 private:
  struct State;
  Pool& pool_;
  std::shared_ptr<State> state_;
};

class ContentStore {
 public:
  static constexpr std::uint64_t small_size = 256 * 1024; // beyond it a message is streamed
  static constexpr std::size_t budget = 16 << 20;         // what a second or two of sending uses up
  static constexpr std::chrono::seconds kept_for{5};

  ContentStore(spool::Disk& disk, Clock& clock, Pool& pool, Timers& timers,
               std::shared_ptr<const Signers> signers);

  // From now on these sign; null: nobody does.
  void set_signers(std::shared_ptr<const Signers> signers);

  // Filling in a template of up to this many octets takes less time than the way to the pool and back.
  static constexpr std::size_t quick_template = 64 * 1024;

  [[nodiscard]] static bool is_small(const spool::MessageFacts& facts) {
    return facts.envelope.merge || facts.size <= small_size;
  }

  // What is declared of the message (SIZE) is only known once its content is made.
  [[nodiscard]] bool decides_size(const spool::MessageFacts& facts) const {
    return facts.envelope.merge || signers_ != nullptr;
  }

  // Takes what a claim had at hand anyway, if there is room.
  void offer(std::uint64_t message, WireContent content);
  // `recipient` is the transaction's first; a template is filled in for it. None: it must be loaded.
  [[nodiscard]] std::optional<Content> find(const spool::MessageFacts& facts, std::uint32_t recipient);
  using Taker = std::function<void(Content, std::shared_ptr<const ContentProblem>)>;
  // Loads a small message, or signs a large one; asked again while under way, one read serves all. `taker` is called later, never inside.
  void load(const std::shared_ptr<const spool::MessageFacts>& facts, std::uint32_t recipient, Taker taker);
  [[nodiscard]] std::unique_ptr<ContentReader> open(std::shared_ptr<const spool::MessageFacts> facts,
                                                    std::string signatures);
  void forget(std::uint64_t message);

 private:
  // One of the first two, or the signatures of a large message.
  struct Source {
    WireContent wire;
    std::shared_ptr<const transport::MergeTemplate> form;
    std::string signatures;
    std::size_t signed_octets = 0;      // of the signatures, wherever they are
    std::optional<Monotonic> signed_at; // none: not yet

    [[nodiscard]] std::size_t memory() const {
      return own_size + (form ? form->memory() : wire ? wire->size() : signatures.size());
    }
  };

  static constexpr std::size_t own_size = 256; // of what is kept, beside its text

  struct Use {
    std::uint64_t message = 0;
    Monotonic at{};
  };

  struct Kept {
    Source source;
    std::list<Use>::iterator used;
  };

  struct Waiting {
    std::uint32_t recipient = 0;
    Taker take;
  };

  void keep(std::uint64_t message, Source source);
  [[nodiscard]] bool is_ready(const Source& source) const;
  [[nodiscard]] std::optional<Content> at_once(const Source& source, const spool::MessageFacts& facts,
                                               std::uint32_t recipient) const;
  [[nodiscard]] Kept* look_up(std::uint64_t message);
  void let_go();
  void make(const std::shared_ptr<const spool::MessageFacts>& facts, WireContent at_hand);
  void give(const Source& source, const std::shared_ptr<const spool::MessageFacts>& facts, Waiting waiting);
  spool::Disk& disk_;
  Clock& clock_;
  Pool& pool_;
  Timers::Alarm alarm_; // when what was used longest ago is let go, while there is anything
  std::shared_ptr<const Signers> signers_;
  std::unordered_map<std::uint64_t, Kept> kept_;
  std::list<Use> by_use_; // front: used last
  std::size_t bytes_ = 0;
  std::unordered_map<std::uint64_t, std::vector<Waiting>> loading_;
};

} // namespace bulkmail::agent
