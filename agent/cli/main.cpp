// The command line: what is asked for, with which configuration, and the exit code.
//
// 64 the command line makes no sense, 78 the configuration doesn't, 69 no agent answers, 75 try again later. `submit`, by
// this name or as `bulkmail-pipe`, knows 0 and 75 alone: its callers take anything else for a bounce.
#include "agent/cli/asking.h"
#include "agent/cli/host.h"
#include "agent/cli/settings.h"
#include "agent/cli/submit.h"
#include "agent/config/units.h"
#include "agent/io/service.h"
#include "agent/run/signing.h"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {
namespace {

// A caller may start us with descriptors 0, 1 or 2 closed; the first file opened would then get one of those numbers, and
// what is printed would end up in it.
void open_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) ::_exit(EX_OSERR);
}

struct CommandLine {
  SettingsSource source;
  SubmitOptions submit;
  DrainOptions drain;
  std::string max_time;
  Request order;     // flush, hold, release, cancel
  std::string id;    // show
  bool json = false; // queue, show, and the orders

  CLI::App app{"bulkmail takes mail out of its spool and to its recipients."};
  CLI::App* run_command = nullptr;
  CLI::App* drain_command = nullptr;
  CLI::App* flush_command = nullptr;
  CLI::App* hold_command = nullptr;
  CLI::App* release_command = nullptr;
  CLI::App* cancel_command = nullptr;
  CLI::App* submit_command = nullptr;
  CLI::App* check_command = nullptr;
  CLI::App* queue_command = nullptr;
  CLI::App* show_command = nullptr;
  CLI::App* ping_command = nullptr;

  CommandLine();

 private:
  CLI::App* command(const char* name, const char* about) {
    auto* made = app.add_subcommand(name, about);
    made->fallthrough(); // options of all commands may stand behind its name too
    return made;
  }

  // One whose options say which mail is meant.
  CLI::App* order_command(const char* name, const char* about);
};

CommandLine::CommandLine() {
  app.name("bulkmail");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "bulkmail " BULKMAIL_VERSION);
  app.add_option("--config", source.file, "The configuration file")->type_name("FILE");
  app.add_option("--spool", source.spool, "The spool directory")->type_name("DIR");
  app.add_option("--set", source.set, "Sets any key of the configuration; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);

  run_command = command("run", "The agent, in the foreground, until TERM");

  drain_command =
      command("drain", "One pass over what is due, without an agent; asks a running one to flush");
  drain_command->add_option("--max-time", max_time, "Begin no transaction after so long")
      ->type_name("DURATION");
  drain_command->add_flag("--force", drain.force, "All that waits, due or not");
  drain_command->add_flag("--strict", drain.strict, "Exit 75 if any mail is left");

  flush_command = order_command("flush", "Asks the agent to try now what waits");
  flush_command->get_option_group("mail")->add_option("domain", order.domain,
                                                      "Only recipients of this domain");
  hold_command = order_command("hold", "Nothing of it is sent until it is released");
  release_command = order_command("release", "What was held is sent");
  cancel_command = order_command("cancel", "What waits of it fails, and is never sent");
  for (auto* of : {hold_command, release_command, cancel_command})
    of->get_option_group("mail")->require_option(1);

  submit_command = command("submit", "The message on standard input into the spool, durably");
  submit_command->add_option("-f", submit.sender, "The envelope's sender; \"\" is the null sender")
      ->type_name("SENDER");
  submit_command->add_option("--id", submit.id, "The message's id; submitting it again is a no-op");
  submit_command->add_flag("--bsmtp", submit.bsmtp, "Standard input is any number of BSMTP transactions");
  submit_command->add_option("recipients", submit.recipients, "The envelope's recipients");

  check_command = command("check", "Reads the configuration and says all that is wrong");

  queue_command = command("queue", "What waits and why");
  queue_command->add_flag("--json", json, "One JSON object");

  show_command = command("show", "All about one message");
  show_command->add_option("id", id, "The message's id")->required();
  show_command->add_flag("--json", json, "One JSON object, as the status file has it");

  ping_command = command("ping", "Is an agent there and making progress?");
}

CLI::App* CommandLine::order_command(const char* name, const char* about) {
  auto* made = command(name, about);
  auto* which = made->add_option_group("mail", "Which mail");
  which->require_option(0, 1);
  which->add_option("--id", order.id, "This message");
  which->add_option("--sender", order.sender, "From this sender")->type_name("ADDRESS|DOMAIN|*.DOMAIN|<>");
  which->add_option("--site", order.site, "To these mail hosts")->type_name("NAME|HOST|DOMAIN");
  which->add_flag("--all", order.all, "All of it");
  made->add_flag("--json", json, "What was done, as a JSON object");
  return made;
}

int complain(int code, const std::vector<std::string>& lines) {
  for (const auto& line : lines) fmt::print(stderr, "{}\n", line);
  return code;
}

int check(const SettingsSource& source) {
  const auto settings = load_settings(source, full_hostname(), true);
  if (!settings) return complain(EX_CONFIG, settings.error());
  for (const auto& remark : weak_keys(settings->config.dkim)) fmt::print(stderr, "warning: {}\n", remark);
  fmt::print("{}: good\n",
             settings->origin.file.empty() ? "no configuration file, the defaults" : settings->origin.file);
  return EX_OK;
}

int perform(CommandLine& line) {
  if (line.check_command->parsed()) return check(line.source);
  // Asking for the host's full name may take the DNS a while: only who sends mail needs it.
  const bool sends = line.run_command->parsed() || line.drain_command->parsed();
  const bool submits = line.submit_command->parsed();
  auto settings = load_settings(line.source, sends ? full_hostname() : "localhost", sends);
  if (!settings)
    return submits ? submit_failed("4.3.5", settings.error().front()) : complain(EX_CONFIG, settings.error());
  const Config& config = settings->config;
  if (submits) return submit(config, line.submit, STDIN_FILENO);
  if (line.run_command->parsed()) return run_agent(config, {std::move(settings->origin), BULKMAIL_VERSION});
  if (line.drain_command->parsed()) {
    if (!line.max_time.empty()) {
      line.drain.max_time = parse_duration(line.max_time);
      if (!line.drain.max_time)
        return complain(EX_USAGE, {"bulkmail: --max-time takes a duration such as 30s or 1h20m"});
    }
    line.drain.origin = std::move(settings->origin);
    line.drain.version = BULKMAIL_VERSION;
    line.drain.progress = ::isatty(STDERR_FILENO) == 1;
    return drain_spool(config, line.drain);
  }
  if (line.queue_command->parsed()) return queue(config, line.json);
  if (line.show_command->parsed()) return show(config, line.id, line.json);
  for (const auto& [command, meaning] : {std::pair(line.flush_command, Request::Command::flush),
                                         std::pair(line.hold_command, Request::Command::hold),
                                         std::pair(line.release_command, Request::Command::release),
                                         std::pair(line.cancel_command, Request::Command::cancel)}) {
    if (!command->parsed()) continue;
    line.order.command = meaning;
    return order(config, line.order, line.json);
  }
  return ping(config);
}

// A sender may begin with a hyphen, and what follows -f is never an option.
void join_sender(std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] != "-f" || !arguments[i + 1].starts_with('-')) continue;
    arguments[i] += arguments[i + 1];
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

// What stands behind "--" are recipients as they are: CLI11 would make two of "[a,b]".
std::vector<std::string> take_tail(std::vector<std::string>& arguments) {
  const auto mark = std::ranges::find(arguments, "--");
  if (mark == arguments.end()) return {};
  std::vector<std::string> tail(mark + 1, arguments.end());
  arguments.erase(mark, arguments.end());
  return tail;
}

int run_command_line(std::vector<std::string> arguments) {
  CommandLine line;
  const auto tail = take_tail(arguments);
  try {
    join_sender(arguments);
    std::ranges::reverse(arguments); // as CLI11 takes them
    line.app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == EXIT_SUCCESS) return line.app.exit(error); // --help, --version
    if (line.submit_command->parsed()) return submit_failed("4.3.5", error.what());
    return complain(EX_USAGE,
                    {fmt::format("bulkmail: {}", error.what()), "Run with --help for more information."});
  }
  if (line.submit_command->parsed())
    line.submit.recipients.insert(line.submit.recipients.end(), tail.begin(), tail.end());
  else if (!tail.empty())
    return complain(EX_USAGE, {"bulkmail: only submit takes anything behind --"});
  if (line.app.get_subcommands().empty())
    return complain(EX_USAGE, {"bulkmail: what is to be done? Run with --help for the commands."});
  return perform(line);
}

} // namespace
} // namespace bulkmail::agent

int main(int count, char** arguments) {
  using namespace bulkmail::agent;
  open_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN); // a reader who left is an error of that write, no more
  std::vector<std::string> given(arguments + std::min(count, 1), arguments + count);
  const std::string_view name = count > 0 ? arguments[0] : "";
  if (name.substr(name.rfind('/') + 1) == "bulkmail-pipe") given.insert(given.begin(), "submit");
  return run_command_line(std::move(given));
}
