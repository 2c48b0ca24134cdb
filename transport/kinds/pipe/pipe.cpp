#include "transport/kinds/pipe/pipe.h"

#include "transport/kinds/mailbox.h"
#include "transport/kinds/pipe/sysexits.h"
#include "transport/reply.h"
#include "transport/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::transport::kinds {
namespace {

using namespace std::chrono_literals;
using spool::Action;

constexpr std::chrono::milliseconds usual_timeout = 10min, shortest_timeout = 1s, longest_timeout = 24h;
// Programs look for others there; it is the same whoever started the agent.
constexpr std::string_view path = "PATH=/usr/local/bin:/usr/bin:/bin";

std::string_view first_line(std::string_view text) {
  while (!text.empty() && (text.front() == '\n' || text.front() == '\r' || text.front() == ' '))
    text.remove_prefix(1);
  return text.substr(0, text.find_first_of("\r\n"));
}

class Pipe final : public Delivery {
 public:
  Pipe(std::vector<std::string> command, std::vector<std::string> environment,
       std::chrono::milliseconds timeout)
      : command_(std::move(command)),
        environment_(std::move(environment)),
        timeout_(timeout) {}

  [[nodiscard]] std::string site() const override { return "pipe:" + command_.front(); }

  [[nodiscard]] std::optional<Opening> opening(const Letter& letter) const override {
    if (passes_an_option(letter)) return std::nullopt;
    Opening opening;
    opening.kind = Opening::Kind::process;
    opening.head = trace_fields(letter);
    opening.timeout = timeout_;
    opening.arguments.push_back(command_.front());
    for (std::size_t i = 1; i < command_.size(); ++i)
      opening.arguments.push_back(fill_in(command_[i], letter));
    const auto [local, domain] = mailbox_of(letter);
    opening.environment = {std::string(path),
                           "SENDER=" + letter.sender,
                           "RECIPIENT=" + letter.recipient,
                           fmt::format("LOCAL={}", local),
                           fmt::format("DOMAIN={}", domain),
                           "MESSAGE_ID=" + letter.id};
    opening.environment.insert(opening.environment.end(), environment_.begin(), environment_.end());
    return opening;
  }

  [[nodiscard]] spool::Outcome outcome(const Letter& letter, const Ending& ending, Wall now) const override {
    if (passes_an_option(letter))
      return local_outcome(Action::failed, spool::Source::local, "5.1.1",
                           "no program is given an address that begins with -", now);
    const auto said = [&](std::string text) {
      if (const auto line = first_line(ending.text); !line.empty()) text.append(": ").append(line);
      return text;
    };
    const auto delayed = [&](std::string text) {
      return local_outcome(Action::delayed, spool::Source::local, "4.3.0", std::move(text), now);
    };
    const std::string& program = command_.front();
    switch (ending.kind) {
    case Ending::Kind::done: break;
    case Ending::Kind::killed:
      return delayed(said(fmt::format("{} was killed by signal {}", program, ending.code)));
    case Ending::Kind::timed_out:
      return delayed(said(fmt::format("{} took too long and was killed", program)));
    case Ending::Kind::broken: return delayed(said(program));
    }
    const auto [usual, meaning] = meaning_of_exit(ending.code);
    if (ending.code == 0)
      return local_outcome(Action::delivered, spool::Source::local, std::string(usual), said(program), now);
    // What it says of itself tells more than its exit status.
    const std::string_view told = leading_status(first_line(ending.text));
    const std::string_view status = told.empty() || told.front() == '2' ? usual : told;
    return local_outcome(status.front() == '4' ? Action::delayed : Action::failed, spool::Source::local,
                         std::string(status),
                         said(fmt::format("{} exited with {} ({})", program, ending.code, meaning)), now);
  }

 private:
  // An address that begins with "-" would be taken for an option of the program's.
  [[nodiscard]] bool passes_an_option(const Letter& letter) const {
    return std::ranges::any_of(command_, [&](const std::string& form) {
      return form.starts_with('{') && fill_in(form, letter).starts_with('-');
    });
  }

  std::vector<std::string> command_, environment_;
  std::chrono::milliseconds timeout_;
};

bool sets_a_variable(const std::string& text) {
  const auto equals = text.find('=');
  return equals != text.npos && equals > 0;
}

} // namespace

Kind::Made make_pipe(const Options& options) {
  const auto* command = find_option<std::vector<std::string>>(options, "command");
  const auto* environment = find_option<std::vector<std::string>>(options, "environment");
  const auto* timeout = find_option<std::chrono::milliseconds>(options, "timeout");
  if (command == nullptr || command->empty() || !command->front().starts_with('/'))
    return std::unexpected("pipe needs a command, [\"/usr/bin/program\", \"argument\"]");
  for (const auto& argument : *command)
    if (const auto place = unknown_place(argument); !place.empty())
      return std::unexpected(fmt::format("command knows no {}", place));
  if (environment != nullptr && !std::ranges::all_of(*environment, sets_a_variable))
    return std::unexpected("environment is a list of \"NAME=value\"");
  if (timeout != nullptr && (*timeout < shortest_timeout || *timeout > longest_timeout))
    return std::unexpected("timeout must be from 1s to 1d");
  return std::make_shared<const Pipe>(*command,
                                      environment == nullptr ? std::vector<std::string>{} : *environment,
                                      timeout == nullptr ? usual_timeout : *timeout);
}

} // namespace bulkmail::transport::kinds
