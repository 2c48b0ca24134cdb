// An envelope as bytes in memory, without what it doesn't have.
#include "spool/envelope.h"
#include "spool/journal/bytes.h"

namespace bulkmail::spool {
namespace {

// Bits of the flags.
constexpr unsigned utf8 = 1, tls_required = 2, has_priority = 4, has_declared_size = 8, has_envid = 16,
                   has_verp = 32, has_extras = 64;
constexpr unsigned body_shift = 7, ret_shift = 9; // two bits each
constexpr unsigned is_template = 1 << 11, has_fields = 1 << 12, wants_notices = 1 << 13;

// Bits of a Notify.
constexpr unsigned given = 1, never = 2, success = 4, failure = 8, delay = 16;

std::uint64_t notify_bits(const Notify& notify) {
  return (notify.given ? given : 0U) | (notify.never ? never : 0U) | (notify.success ? success : 0U) |
         (notify.failure ? failure : 0U) | (notify.delay ? delay : 0U);
}

Notify notify_of(std::uint64_t bits) {
  return {(bits & given) != 0, (bits & never) != 0, (bits & success) != 0, (bits & failure) != 0,
          (bits & delay) != 0};
}

} // namespace

void Envelope::pack(std::string& out) const {
  put_string(out, sender_);
  put_number(out, slots_.size());
  put_number(out, (smtp_utf8 ? utf8 : 0U) | (require_tls ? tls_required : 0U) |
                      (mt_priority ? has_priority : 0U) | (declared_size ? has_declared_size : 0U) |
                      (envid.empty() ? 0U : has_envid) | (verp ? has_verp : 0U) |
                      (extras_.empty() ? 0U : has_extras) | (merge ? is_template : 0U) |
                      (field_names_.size() == 0 ? 0U : has_fields) | (notices ? wants_notices : 0U) |
                      static_cast<unsigned>(body) << body_shift | static_cast<unsigned>(ret) << ret_shift);
  if (mt_priority) put_signed(out, *mt_priority);
  if (declared_size) put_number(out, *declared_size);
  if (!envid.empty()) put_string(out, envid);
  if (verp) out.append({verp->before_recipient, verp->at_sign});
  for (std::size_t i = 0; i < slots_.size(); ++i) { // one behind the other in the arena, each with its fields
    put_number(out, slots_[i].length);
    put_number(out, slots_[i].local_length);
    if (field_names_.size() != 0) put_number(out, merge_fields(i).octets());
  }
  out += arena_;
  if (field_names_.size() != 0) put_number(out, field_names_.size());
  for (std::size_t i = 0; i < field_names_.size(); ++i) put_string(out, field_names_[i]);
  if (extras_.empty()) return;
  put_number(out, extras_.size());
  for (const Extra& extra : extras_) {
    put_number(out, extra.index);
    put_number(out, notify_bits(extra.notify));
    put_string(out, extra.orcpt);
  }
}

Envelope Envelope::unpack(ByteReader& in) {
  Envelope envelope;
  envelope.sender_ = in.string();
  envelope.slots_.resize(in.number());
  const std::uint64_t flags = in.number();
  envelope.smtp_utf8 = (flags & utf8) != 0;
  envelope.require_tls = (flags & tls_required) != 0;
  envelope.merge = (flags & is_template) != 0;
  envelope.notices = (flags & wants_notices) != 0;
  envelope.body = static_cast<Body>(flags >> body_shift & 3);
  envelope.ret = static_cast<Ret>(flags >> ret_shift & 3);
  if ((flags & has_priority) != 0) envelope.mt_priority = static_cast<int>(in.signed_number());
  if ((flags & has_declared_size) != 0) envelope.declared_size = in.number();
  if ((flags & has_envid) != 0) envelope.envid = in.string();
  if ((flags & has_verp) != 0) {
    const std::string_view both = in.bytes(2);
    envelope.verp = Verp{both[0], both[1]};
  }
  std::uint32_t end = 0;
  for (Slot& slot : envelope.slots_) {
    slot.offset = end;
    slot.length = static_cast<std::uint16_t>(in.number());
    slot.local_length = static_cast<std::uint16_t>(in.number());
    end += slot.length;
    if ((flags & has_fields) != 0) end += static_cast<std::uint32_t>(in.number());
  }
  envelope.arena_ = in.bytes(end);
  if ((flags & has_fields) != 0)
    for (std::uint64_t names = in.number(); names > 0; --names) envelope.field_names_.add(in.string());
  if ((flags & has_extras) == 0) return envelope;
  envelope.extras_.resize(in.number());
  for (Extra& extra : envelope.extras_) {
    extra.index = static_cast<std::uint32_t>(in.number());
    extra.notify = notify_of(in.number());
    extra.orcpt = in.string();
  }
  return envelope;
}

} // namespace bulkmail::spool
