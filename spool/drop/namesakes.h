// Under which id a drop is taken whose name may be taken already.
//
// A name repeats for two reasons, told apart by the bytes: the same drop again, which must not be sent twice, or another
// message of a writer whose names do repeat (Exim's stock names, when a drop is taken within its second). The latter get
// the ids name~1, name~2, ..., which no drop can have as its name.
#pragma once

#include "spool/disk.h"
#include "spool/drop/ids.h"
#include "spool/status/status.h"

#include <optional>
#include <string>
#include <unordered_map>

namespace bulkmail::spool {

// The n-th id for this name: itself, then with "~1" and so on. It may be longer than a name may be, for there is room.
[[nodiscard]] std::string numbered(const std::string& name, std::uint32_t n);

// A status that only says why a drop waits: it takes no id.
[[nodiscard]] inline bool is_notice(const StatusHead& head) { return !head.final && head.digest.empty(); }

class Namesakes {
 public:
  Namesakes(Disk& disk, Ids& ids) : disk_(disk), ids_(ids) {}

  // The first id that is free. None: these bytes are taken already, under the name or any name~N.
  [[nodiscard]] Result<std::optional<std::string>> id_for(const std::string& name, const Digest& digest);
  // A file was found in cur/ of which `ids` did not know.
  void adopt(const std::string& id);

 private:
  enum class Holder : std::uint8_t { nobody, same_bytes, others };
  Result<Holder> holder(const std::string& id, const Digest& digest);
  void looked_in_vain();
  Result<std::uint32_t> highest(const std::string& name);
  void count(std::string_view id);

  // A listing of status/ costs what some looks cost; a short run, as a drain's, doesn't make one.
  static constexpr std::size_t looks_before_listing = 256;

  Disk& disk_;
  Ids& ids_;
  std::size_t looks_left_ = looks_before_listing; // for a status that isn't there, until a listing pays
  // name -> the highest N of all its name~N, for there may be free ones below. Read from the disk when the first taken
  // name is met; from then on nobody else makes such ids.
  std::optional<std::unordered_map<std::string, std::uint32_t>> highest_;
};

} // namespace bulkmail::spool
