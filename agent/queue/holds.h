// What people hold: which mail, which domains and which Sites are to wait until somebody releases them.
#pragma once

#include "agent/queue/scheduler.h"
#include "resolver/route.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

// Whether a selector of Sites means the one that a route leads to: by its name or by that of a host.
[[nodiscard]] bool means_site(std::string_view text, std::string_view name, const resolver::Route& route);

class Holds {
 public:
  void set(const Selector& what, bool held);

  [[nodiscard]] bool message(std::uint64_t number, std::string_view sender) const;
  [[nodiscard]] bool domain(std::string_view canonical) const; // by that very name
  [[nodiscard]] bool site(std::string_view name, const resolver::Route& route) const;

  [[nodiscard]] bool any_site() const { return !sites_.empty(); }

 private:
  bool everything_ = false;
  std::set<std::uint64_t> messages_;
  std::map<std::string, SenderPattern, std::less<>> senders_;
  std::vector<std::string> sites_; // and domains
};

} // namespace bulkmail::agent
