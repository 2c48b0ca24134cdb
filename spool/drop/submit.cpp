#include "spool/drop/submit.h"

#include "spool/drop/ids.h"
#include "spool/drop/merge_object.h"
#include "spool/drop/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>
#include <vector>

namespace bulkmail::spool {
namespace {

// An address that is well-formed has no such bytes; of one that isn't this much is kept.
void append_address(std::string& out, std::string_view address) {
  out += '<';
  for (const char c : address) out += (c >= '\0' && c < ' ') || c == 0x7f ? '?' : c;
  out += '>';
}

void append_mail_parameters(std::string& out, const Envelope& envelope) {
  auto into = std::back_inserter(out);
  if (envelope.declared_size) fmt::format_to(into, " SIZE={}", *envelope.declared_size);
  switch (envelope.body) {
  case Body::unspecified: break;
  case Body::seven_bit: out += " BODY=7BIT"; break;
  case Body::eight_bit_mime: out += " BODY=8BITMIME"; break;
  case Body::binary_mime: out += " BODY=BINARYMIME"; break;
  }
  if (envelope.smtp_utf8) out += " SMTPUTF8";
  if (envelope.ret == Ret::full) out += " RET=FULL";
  if (envelope.ret == Ret::headers) out += " RET=HDRS";
  if (!envelope.envid.empty()) fmt::format_to(into, " ENVID={}", envelope.envid);
  if (envelope.verp)
    fmt::format_to(into, " XVERP={}{}", envelope.verp->before_recipient, envelope.verp->at_sign);
  if (envelope.merge) out += " XMERGE";
  if (envelope.notices) out += " XDSN";
  if (envelope.require_tls) out += " REQUIRETLS";
  if (envelope.mt_priority) fmt::format_to(into, " MT-PRIORITY={}", *envelope.mt_priority);
}

void append_notify(std::string& out, const Notify& notify) {
  if (!notify.given) return;
  out += " NOTIFY";
  char before = '=';
  const auto add = [&](bool wanted, std::string_view word) {
    if (!wanted) return;
    out += std::exchange(before, ',');
    out += word;
  };
  add(notify.never, "NEVER");
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
}

void append_merge_fields(std::string& out, const Envelope& envelope, std::size_t recipient) {
  MergeFields packed = envelope.merge_fields(recipient);
  if (packed.empty()) return;
  std::vector<MergeField> fields;
  while (!packed.empty()) {
    const auto field = packed.take();
    fields.push_back({envelope.field_names()[field.name], field.value});
  }
  out += " XMERGE=";
  append_merge_object(out, fields);
}

} // namespace

std::string bsmtp_head(const Envelope& envelope) {
  std::string head = "MAIL FROM:";
  append_address(head, envelope.sender());
  append_mail_parameters(head, envelope);
  head += "\r\n";
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    const Recipient recipient = envelope.recipient(i);
    head += "RCPT TO:";
    append_address(head, recipient.address);
    append_notify(head, recipient.notify);
    if (!recipient.orcpt.empty()) head.append(" ORCPT=").append(recipient.orcpt);
    append_merge_fields(head, envelope, i);
    head += "\r\n";
  }
  return head += "DATA\r\n";
}

std::string asking_for_notices(std::string head) {
  constexpr std::string_view verb = "MAIL FROM:";
  const std::string_view line = std::string_view(head).substr(0, head.find_first_of("\r\n"));
  const PathAndRest path = split_path(line.substr(std::min(verb.size(), line.size())));
  Envelope envelope;
  if (path.address.empty() || !take_mail_parameters(path.rest, envelope) || envelope.notices) return head;
  return head.insert(line.size(), " XDSN");
}

std::string generate_id(Wall now, std::uint64_t process, std::uint64_t counter) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(now - day);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}-{:x}-{:08x}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count(), process, counter);
}

Composition::Composition(Disk& disk, std::string id, std::unique_ptr<File> file)
    : disk_(&disk),
      id_(std::move(id)),
      file_(std::move(file)) {}

Composition::Composition(Composition&& other) noexcept
    : disk_(other.disk_),
      id_(std::move(other.id_)),
      file_(std::move(other.file_)) {}

Composition& Composition::operator=(Composition&& other) noexcept {
  if (this == &other) return *this;
  abandon();
  disk_ = other.disk_;
  id_ = std::move(other.id_);
  file_ = std::move(other.file_);
  return *this;
}

Composition::~Composition() { abandon(); }

Result<Composition> Composition::begin(Disk& disk, std::string id, unsigned mode) {
  if (!valid_id(id) || in_progress_name(id))
    return std::unexpected(
        Error{EINVAL, fmt::format("\"{}\" can't be an id: 1 to 200 bytes of A-Z a-z 0-9 . _ = , : "
                                  "+ @ -, not as files in progress are named",
                                  id)});
  auto file = disk.create("tmp/" + id, mode);
  if (!file) return std::unexpected(file.error());
  return Composition(disk, std::move(id), std::move(*file));
}

Result<void> Composition::append(std::string_view bytes) { return file_->append(bytes); }

Result<void> Composition::sync() { return file_->sync_data(); }

Result<void> Composition::publish() {
  if (auto moved = disk_->rename_new(composed_path(), "new/" + id_); !moved) return moved;
  file_ = nullptr; // no longer ours
  return {};
}

void Composition::abandon() {
  if (file_) static_cast<void>(disk_->remove(composed_path()));
  file_ = nullptr;
}

} // namespace bulkmail::spool
