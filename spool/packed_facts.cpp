#include "spool/packed_facts.h"

#include "spool/journal/bytes.h"

#include <atomic>
#include <new>
#include <string>

namespace bulkmail::spool {
namespace {

// Bits of the flags.
constexpr unsigned other_name = 1, has_message_id = 2, eight_bit = 4, dot_stuffed = 8;

std::int64_t difference(std::uint64_t from, std::uint64_t to) { return static_cast<std::int64_t>(to - from); }

std::uint64_t moved(std::uint64_t from, std::int64_t by) { return from + static_cast<std::uint64_t>(by); }

std::int64_t milliseconds_of(std::int64_t ns) { return ns / 1'000'000; }

// What is asked for most stands first; what is usually close to another number is written as the distance to it.
void pack(const MessageFacts& facts, std::string& out) {
  put_string(out, facts.id);
  facts.envelope.pack(out);
  const unsigned flags = (facts.name != facts.id ? other_name : 0U) |
                         (facts.message_id.empty() ? 0U : has_message_id) |
                         (facts.eight_bit ? eight_bit : 0U) | (facts.content.dot_stuffed ? dot_stuffed : 0U);
  put_number(out, flags);
  if ((flags & other_name) != 0) put_string(out, facts.name);
  if ((flags & has_message_id) != 0) put_string(out, facts.message_id);
  put_number(out, facts.stamp.inode);
  put_signed(out, facts.stamp.mtime_ns);
  put_number(out, facts.stamp.size);
  put_signed(out, facts.arrival_date.time_since_epoch().count() - milliseconds_of(facts.stamp.mtime_ns));
  put_number(out, facts.content.offset);
  put_signed(out, difference(facts.content.offset + facts.content.length, facts.stamp.size));
  put_signed(out, difference(facts.content.length, facts.size));
}

MessageFacts unpacked(std::string_view bytes) {
  MessageFacts facts;
  ByteReader in(bytes);
  facts.id = in.string();
  facts.envelope = Envelope::unpack(in);
  const std::uint64_t flags = in.number();
  facts.name = (flags & other_name) != 0 ? in.string() : facts.id;
  if ((flags & has_message_id) != 0) facts.message_id = in.string();
  facts.eight_bit = (flags & eight_bit) != 0;
  facts.content.dot_stuffed = (flags & dot_stuffed) != 0;
  facts.stamp.inode = in.number();
  facts.stamp.mtime_ns = in.signed_number();
  facts.stamp.size = in.number();
  facts.arrival_date = Wall(milliseconds(in.signed_number() + milliseconds_of(facts.stamp.mtime_ns)));
  facts.content.offset = in.number();
  facts.content.length = moved(facts.stamp.size, -in.signed_number()) - facts.content.offset;
  facts.size = moved(facts.content.length, in.signed_number());
  return facts;
}

} // namespace

struct PackedFacts::Block {
  std::uint64_t number;
  Digest digest;
  mutable std::atomic<std::uint32_t> uses{1};
  std::uint32_t length = 0; // of the bytes behind; 0: this is a SharedBlock

  [[nodiscard]] std::string_view bytes() const { return {reinterpret_cast<const char*>(this + 1), length}; }
};

struct PackedFacts::SharedBlock : Block {
  std::shared_ptr<const MessageFacts> facts;
};

PackedFacts::PackedFacts(MessageFacts facts)
    : PackedFacts(std::make_shared<const MessageFacts>(std::move(facts))) {}

PackedFacts::PackedFacts(std::shared_ptr<const MessageFacts> facts) {
  if (facts->envelope.size() > few_recipients) {
    block_ = new SharedBlock{{facts->number, facts->digest}, std::move(facts)};
    return;
  }
  std::string bytes;
  pack(*facts, bytes);
  block_ = new (::operator new(sizeof(Block) + bytes.size())) Block{facts->number, facts->digest};
  block_->length = static_cast<std::uint32_t>(bytes.size());
  bytes.copy(reinterpret_cast<char*>(block_ + 1), bytes.size());
}

PackedFacts::PackedFacts(const PackedFacts& other) noexcept : block_(other.block_) {
  if (block_ != nullptr) block_->uses.fetch_add(1, std::memory_order_relaxed);
}

PackedFacts::~PackedFacts() {
  if (block_ == nullptr || block_->uses.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (block_->length == 0) {
    delete static_cast<SharedBlock*>(block_);
  } else {
    block_->~Block();
    ::operator delete(block_);
  }
}

std::uint64_t PackedFacts::number() const { return block_->number; }

const Digest& PackedFacts::digest() const { return block_->digest; }

std::string_view PackedFacts::id() const {
  if (block_->length == 0) return static_cast<const SharedBlock*>(block_)->facts->id;
  ByteReader in(block_->bytes());
  return in.bytes(in.number());
}

std::string_view PackedFacts::sender() const {
  if (block_->length == 0) return static_cast<const SharedBlock*>(block_)->facts->envelope.sender();
  ByteReader in(block_->bytes());
  in.bytes(in.number()); // the id
  return in.bytes(in.number());
}

std::size_t PackedFacts::recipients() const {
  if (block_->length == 0) return static_cast<const SharedBlock*>(block_)->facts->envelope.size();
  ByteReader in(block_->bytes());
  in.bytes(in.number()); // the id
  in.bytes(in.number()); // the sender
  return in.number();
}

std::shared_ptr<const MessageFacts> PackedFacts::unpack() const {
  if (block_->length == 0) return static_cast<const SharedBlock*>(block_)->facts;
  auto facts = std::make_shared<MessageFacts>(unpacked(block_->bytes()));
  facts->number = block_->number;
  facts->digest = block_->digest;
  return facts;
}

std::size_t PackedFacts::memory() const {
  if (block_->length != 0) return sizeof(Block) + block_->length;
  return sizeof(SharedBlock) + sizeof(MessageFacts) + unpack()->envelope.memory();
}

} // namespace bulkmail::spool
