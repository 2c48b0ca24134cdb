// What people hold: which mail, which domains and which Sites are to wait until somebody releases them.
#pragma once

#include "agent/queue/scheduler.h"
#include "resolver/route.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

// Whether a selector of senders means this one, "" being the null sender.
[[nodiscard]] bool means_sender(std::string_view text, std::string_view sender);
// Whether a Site's identity, "10 mx1.example,20 mx2.example", has that host, which may have no usable address just now.
[[nodiscard]] bool names_host(std::string_view site, std::string_view host);
// Whether a selector of Sites means the one that a route leads to.
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
  std::vector<std::string> senders_;
  std::vector<std::string> sites_; // and domains
};

} // namespace bulkmail::agent
