// Puts a message into the spool durably, agent or not: composed in tmp/ as BSMTP, synced, then renamed into new/ whole.
// Used by `bulkmail submit` and by the LMTP intake; other programs do the same by hand (docs/drop-formats.md).
//
//   auto drop = Composition::begin(disk, generate_id(now, pid, counter));
//   drop->append(bsmtp_head(envelope));
//   … drop->append(content, CRLF lines, each leading dot doubled) …
//   drop->append(".\r\n");
//   drop->sync();
//   drop->publish();
//   disk.sync_directory("new");   // or one sync_all for many
#pragma once

#include "spool/disk.h"
#include "spool/envelope.h"
#include "spool/time.h"

#include <memory>
#include <string>
#include <string_view>

namespace bulkmail::spool {

// The BSMTP head of a drop, CRLF lines, "MAIL FROM" to "DATA", with every parameter the envelope has. Whatever bytes the
// envelope holds, it never has a line more than it has recipients: what can't stand in a line is written as "?".
[[nodiscard]] std::string bsmtp_head(const Envelope& envelope);

// A well-formed BSMTP head that begins with its MAIL line, with XDSN there: its writer is told of failures by mail. A null
// sender can't be.
[[nodiscard]] std::string asking_for_notices(std::string head);

// A name unique on this host that sorts by time: "20261124T080054.123-<process hex>-<counter, 8 hex digits>".
[[nodiscard]] std::string generate_id(Wall now, std::uint64_t process, std::uint64_t counter);

// One drop being composed. Destroyed before `publish`: the file in tmp/ is removed.
class Composition {
 public:
  static Result<Composition> begin(Disk& disk, std::string id,
                                   unsigned mode = 0660); // EINVAL: it can't be an id
  Composition(Composition&&) noexcept;
  Composition& operator=(Composition&&) noexcept;
  ~Composition();

  Result<void> append(std::string_view bytes);
  Result<void> sync();    // the bytes are durable; needed before publish unless a sync_all came between
  Result<void> publish(); // rename into new/; EEXIST if the name is there. Not synced: see above

  [[nodiscard]] const std::string& id() const { return id_; }

 private:
  Composition(Disk& disk, std::string id, std::unique_ptr<File> file);
  void abandon();

  [[nodiscard]] std::string composed_path() const { return "tmp/" + id_; }

  Disk* disk_ = nullptr;
  std::string id_;
  std::unique_ptr<File> file_;
};

} // namespace bulkmail::spool
