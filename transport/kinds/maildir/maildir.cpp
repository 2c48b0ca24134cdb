#include "transport/kinds/maildir/maildir.h"

#include "transport/kinds/mailbox.h"
#include "transport/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::transport::kinds {
namespace {

using spool::Action;

constexpr std::size_t longest_part = 200; // of a path, beside what else its component has: NAME_MAX is 255

// What a recipient chose can be a part of a path: one component, and none that leads elsewhere or is hidden.
bool fits_into_a_path(std::string_view part) {
  return !part.empty() && part.size() <= longest_part && part.front() != '.' &&
         std::ranges::none_of(part, [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20; });
}

// A Maildir's file names have no "/" and no ":".
std::string as_name_part(std::string_view hostname) {
  std::string part;
  for (const char c : hostname) {
    if (c == '/')
      part += "\\057";
    else if (c == ':')
      part += "\\072";
    else
      part += c;
  }
  return part;
}

class Maildir final : public Delivery {
 public:
  explicit Maildir(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] std::string site() const override { return "maildir:" + path_; }

  [[nodiscard]] std::optional<Opening> opening(const Letter& letter) const override {
    if (!has_a_place(letter)) return std::nullopt;
    Opening opening;
    opening.kind = Opening::Kind::file;
    opening.head = trace_fields(letter);
    const std::string folder = fill_in(path_, letter);
    // From the first part that is the recipient's on, what is above is not ours to make.
    const auto ours = std::min(path_.find('{'), path_.size());
    for (auto slash = folder.find('/', ours); slash != folder.npos; slash = folder.find('/', slash + 1))
      opening.folders.push_back(folder.substr(0, slash));
    opening.folders.push_back(folder);
    for (const auto* part : {"/tmp", "/new", "/cur"}) opening.folders.push_back(folder + part);
    const auto since = letter.now.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const std::string name =
        fmt::format("{}.M{}R{:016x}.{}", seconds.count(),
                    std::chrono::duration_cast<std::chrono::microseconds>(since - seconds).count(),
                    letter.random, as_name_part(letter.hostname));
    opening.temporary = fmt::format("{}/tmp/{}", folder, name);
    opening.place = fmt::format("{}/new/{}", folder, name);
    return opening;
  }

  [[nodiscard]] spool::Outcome outcome(const Letter& letter, const Ending& ending, Wall now) const override {
    const auto end = [&](Action action, const char* status, std::string text) {
      return local_outcome(action, spool::Source::local, status, std::move(text), now);
    };
    if (!has_a_place(letter)) return end(Action::failed, "5.1.1", "no mailbox can have such a name");
    if (ending.kind == Ending::Kind::done)
      return end(Action::delivered, "2.0.0", "in maildir " + fill_in(path_, letter));
    return end(Action::delayed, "4.2.0", fmt::format("maildir {}: {}", fill_in(path_, letter), ending.text));
  }

 private:
  [[nodiscard]] bool has_a_place(const Letter& letter) const {
    const auto [local, domain] = mailbox_of(letter);
    return (!path_.contains("{local}") || fits_into_a_path(local)) &&
           (!path_.contains("{domain}") || fits_into_a_path(domain));
  }

  std::string path_;
};

} // namespace

Kind::Made make_maildir(const Options& options) {
  const auto* path = find_option<std::string>(options, "path");
  if (path == nullptr || !path->starts_with('/') || path->ends_with('/'))
    return std::unexpected("maildir needs a path, \"/var/mail/{domain}/{local}\"");
  const auto place = unknown_place(*path);
  if (!place.empty() || path->contains("{sender}") || path->contains("{recipient}"))
    return std::unexpected("path has {local} and {domain} and no other");
  return std::make_shared<const Maildir>(*path);
}

} // namespace bulkmail::transport::kinds
