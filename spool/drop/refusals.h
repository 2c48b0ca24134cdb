// Drops that are no message: moved to bad/ as they are, and told of by a final status with an error.
//
// The status comes first and is made durable, then the drop is moved: a crash between the two finds the drop still in
// new/, refuses it again and knows its own status by the digest. Refused drops are never deleted and never replaced: one
// whose id is taken becomes id~1 and so on, in bad/ and in status/ alike.
#pragma once

#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/drop/ids.h"

#include <optional>
#include <string>

namespace bulkmail::spool {

// Moved to bad/ with a final status: one `refused` event for results/.
struct Refused {
  std::string id;
  std::string name;
  DropProblem problem;
};

// The id under which a drop is spoken of: its name, or if that can't be one "bad-" and 16 hex digits of its SHA-256.
[[nodiscard]] std::string speaking_id(const std::string& name);

class Refusals {
 public:
  Refusals(Disk& disk, Ids& ids, std::string reporting_mta);

  // An error with ENOENT: the drop is gone. Any other: it stays, nothing was decided.
  [[nodiscard]] Result<Refused> refuse(const std::string& name, DropProblem problem, Wall now);

 private:
  Result<bool> may_have(const std::string& id, const std::optional<Digest>& digest);
  Result<void> publish(const std::string& id, const std::string& json);
  std::optional<Digest> digest_of(const std::string& path);

  Disk& disk_;
  Ids& ids_;
  std::string reporting_mta_;
};

} // namespace bulkmail::spool
