// `run` and `drain` on the real loop: lock, sockets, privileges, recovery, signals, and the engine's turns.
#include "agent/io/service.h"

#include "agent/io/control_client.h"
#include "agent/io/https_client.h"
#include "agent/io/log_sink.h"
#include "agent/io/loop.h"
#include "agent/io/machine.h"
#include "agent/io/privileges.h"
#include "agent/io/progress_bar.h"
#include "agent/io/spool_directory.h"
#include "agent/io/spool_lock.h"
#include "agent/io/threaded_crew.h"
#include "agent/io/unix_socket.h"
#include "agent/io/uv_machine.h"
#include "agent/io/uv_network.h"
#include "agent/run/engine.h"
#include "agent/run/log_line.h"
#include "agent/run/signing.h"
#include "spool/posix_disk.h"

#include <fmt/format.h>
#include <grp.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

namespace bulkmail::agent {
namespace {

// Threads for blocking disk work: claim, journal, status files, LMTP and a few content reads at once.
constexpr const char* pool_threads = "8";
constexpr std::chrono::milliseconds lock_poll{50};
constexpr int large_block = 512 * 1024;
constexpr int spare_memory =
    4 * 1024 * 1024; // that malloc keeps at the end of its own, so as not to ask each time

int misconfigured(const std::string& text) {
  fmt::print(stderr, "bulkmail: {}\n", text);
  return EX_CONFIG;
}

int unusable(const std::string& text) {
  fmt::print(stderr, "bulkmail: {}\n", text);
  return EX_TEMPFAIL;
}

// The spool made where it is missing, and its lock, not yet taken.
spool::Result<SpoolLock> open_lock(const Config& config, const std::optional<Identity>& identity) {
  if (identity) {
    if (auto given = give_spool(config.spool.path, *identity); !given) return std::unexpected(given.error());
  }
  if (auto made = open_spool(config); !made) return std::unexpected(made.error());
  return SpoolLock::open(config.spool.path);
}

// Everything of one process that works on a spool.
class Service {
 public:
  Service(const Config& config, std::shared_ptr<const transport::TlsContexts> tls, ConfigOrigin origin,
          std::string version)
      : config_(config),
        tls_(std::move(tls)),
        origin_(std::move(origin)),
        version_(std::move(version)),
        log_(config.log),
        network_(loop_),
        machine_(loop_),
        https_(loop_) {}

  // Binds the sockets while the process may still do so.
  spool::Result<void> bind_sockets() {
    struct stat home{};
    if (stat(config_.spool.path.c_str(), &home) != 0) {
      return std::unexpected(spool::Error{errno, "stat " + config_.spool.path});
    }
    auto control = listen_unix(config_.spool.path + "/control.sock", {0600, home.st_uid, home.st_gid});
    if (!control) return std::unexpected(control.error());
    control_socket_ = *control;
    if (const std::string path = config_.lmtp_socket(); !path.empty()) {
      gid_t group_id = home.st_gid;
      if (!config_.listen.lmtp_group.empty()) {
        const group* named = getgrnam(config_.listen.lmtp_group.c_str());
        if (named == nullptr) {
          return std::unexpected(
              spool::Error{EINVAL, fmt::format("listen.lmtp_group: no group {}", config_.listen.lmtp_group)});
        }
        group_id = named->gr_gid;
      }
      auto lmtp = listen_unix(path, {0660, home.st_uid, group_id});
      if (!lmtp) return std::unexpected(lmtp.error());
      lmtp_socket_ = *lmtp;
    }
    return {};
  }

  spool::Result<void> open() {
    const DescriptorBudget descriptors = raise_descriptor_limit();
    auto disk = spool::open_posix_disk(config_.spool.path);
    if (!disk) return std::unexpected(disk.error());
    disk_ = std::move(*disk);
    EngineSettings settings;
    settings.worker.config = config_;
    settings.worker.tls = tls_;
    auto [servers, trust_ad] = name_servers(config_);
    settings.worker.servers = std::move(servers);
    settings.worker.trust_ad = trust_ad;
    settings.worker.own_addresses = own_addresses();
    settings.worker.most_connections = descriptors.sessions;
    settings.worker.most_questions = descriptors.questions;
    settings.version = version_;
    settings.process_id = static_cast<std::uint64_t>(getpid());
    settings.worker.workers = config_.agent.workers;
    Engine::MakeCrew threads; // one worker shares the engine's thread: nothing has to be handed over
    if (config_.agent.workers > 1) {
      threads = [this](const WorkerSettings& each, Worker::Office& office) {
        auto crew = std::make_unique<ThreadedCrew>(each.workers, loop_, *disk_, log_, each, office);
        crew_ = crew.get();
        return crew;
      };
    }
    engine_ = std::make_unique<Engine>(Seams{loop_, loop_, network_, machine_, https_, log_}, *disk_, dice_,
                                       std::move(settings), threads);
    engine_->set_memory_report([this] { return measure_memory(); });
    engine_->set_loop_report([this]() -> nlohmann::json {
      LatencyHistogram latency = loop_.latency();
      if (crew_ != nullptr) latency.add(crew_->latency());
      return {{"p50", latency.percentile_ms(0.5)},
              {"p99", latency.percentile_ms(0.99)},
              {"max", latency.max_ms()}};
    });
    warn_of_keys(config_);
    auto recovered = engine_->recover();
    malloc_trim(0); // of what was read a good half was only there to be compared
    return recovered;
  }

  void listen() {
    if (control_socket_ >= 0) {
      listeners_.push_back(network_.listen(control_socket_, [this](std::unique_ptr<Channel> channel) {
        engine_->admin_client(std::move(channel));
      }));
    }
    if (lmtp_socket_ >= 0) {
      listeners_.push_back(network_.listen(lmtp_socket_, [this](std::unique_ptr<Channel> channel) {
        engine_->lmtp_client(std::move(channel));
      }));
    }
  }

  void obey_signals() {
    const auto end = [this] {
      if (std::exchange(asked_to_end_, true))
        engine_->stop_now();
      else
        engine_->stop();
    };
    loop_.on_signal(SIGTERM, end);
    loop_.on_signal(SIGINT, end);
    loop_.on_signal(SIGHUP, [this] { reload(); });
    loop_.on_signal(SIGALRM, [this] { engine_->flush(); });
    loop_.on_signal(SIGUSR1, [this] { engine_->dump_state(); });
  }

  void watch_spool() {
    try {
      loop_.watch(config_.spool.path + "/new",
                  [this](std::string name) { engine_->dropped(std::move(name)); });
    } catch (const std::runtime_error&
                 error) { // no inotify watches left: the rescan finds every drop all the same
      say(log_, Level::warning, "cannot watch new/", error.what());
    }
  }

  // Returns EX_OK, or EX_TEMPFAIL when the spool can't be trusted any more.
  int work(const std::function<void()>& each_turn = [] {}) {
    loop_.drive(
        [&] {
          each_turn();
          return engine_->turn();
        },
        [this] { return engine_->over(); });
    const bool failed = engine_->failed();
    listeners_.clear();
    loop_.finish_jobs();
    return failed ? EX_TEMPFAIL : EX_OK;
  }

  [[nodiscard]] Engine& engine() { return *engine_; }

  [[nodiscard]] Log& log() { return log_; }

  [[nodiscard]] Loop& loop() { return loop_; }

 private:
  // What was freed is with the allocator still: above the limit it goes back to the system, off the loop.
  std::uint64_t measure_memory() {
    const std::uint64_t used = resident_memory();
    if (used > config_.agent.memory && !std::exchange(trimming_, true))
      loop_.run([] { malloc_trim(0); }, [this] { trimming_ = false; });
    return used;
  }

  void warn_of_keys(const Config& config) {
    for (const auto& remark : weak_keys(config.dkim)) say(log_, Level::warning, "weak DKIM key", remark);
  }

  // A broken file changes nothing: the agent goes on with what it has.
  void reload() {
    auto config = read_config(origin_);
    if (!config) {
      for (const auto& error : config.error()) say(log_, Level::error, "reload refused", error);
      return;
    }
    auto tls = transport::TlsContexts::make(config->smtp.ca_file);
    if (!tls) {
      say(log_, Level::error, "reload refused", "smtp.ca_file: " + tls.error());
      return;
    }
    if (auto reopened = log_.reopen(config->log); !reopened) {
      say(log_, Level::error, "reload refused", reopened.error());
      return;
    }
    config_.agent = config->agent;
    engine_->reload(*config, std::move(*tls));
    warn_of_keys(*config);
    say(log_, Level::info, "reloaded", origin_.file.empty() ? "defaults" : origin_.file);
  }

  Config config_;
  std::shared_ptr<const transport::TlsContexts> tls_;
  ConfigOrigin origin_;
  std::string version_;
  LogSink log_;
  KernelDice dice_;
  Loop loop_;
  UvNetwork network_;
  UvMachine machine_;
  HttpsClient https_;
  std::unique_ptr<spool::Disk> disk_;
  std::unique_ptr<Engine> engine_;
  ThreadedCrew* crew_ = nullptr; // the engine's; null: one worker in the engine's thread
  std::vector<std::unique_ptr<Listener>> listeners_;
  int control_socket_ = -1, lmtp_socket_ = -1;
  bool trimming_ = false;
  bool asked_to_end_ = false;
};

// An agent has the spool: it is asked to do what the drain would have done.
int flush_instead(const Config& config) {
  const auto response = ask_agent(config.spool.path, {.command = Request::Command::drain});
  if (!response) return unusable(response.error());
  if (!response->ok) return unusable(response->error);
  return EX_OK;
}

void prepare_process(const Config& config) {
  std::signal(SIGPIPE, SIG_IGN);
  setenv("UV_THREADPOOL_SIZE", pool_threads, 1);
  // The pool's threads allocate little and free elsewhere: an arena for each would only hold memory back.
  mallopt(M_ARENA_MAX, static_cast<int>(config.agent.workers));
  // What grows with the queue lies by itself and goes back to the system when it moves. Left alone, malloc would raise this
  // bound with the first large block that is freed, and the holes of such blocks would stay.
  mallopt(M_MMAP_THRESHOLD, large_block);
  mallopt(M_TRIM_THRESHOLD, spare_memory);
  umask(0007); // the spool's group may read what is made for it, nobody else
}

} // namespace

int run_agent(const Config& config, const RunOptions& options) {
  prepare_process(config);
  auto tls = transport::TlsContexts::make(config.smtp.ca_file);
  if (!tls) return misconfigured("smtp.ca_file: " + tls.error());
  const auto identity = configured_identity(config);
  auto lock = open_lock(config, identity);
  if (!lock) return unusable(lock.error().text);
  for (;;) { // a drain is waited for, another agent is not
    const auto taken = lock->try_take(SpoolLock::Holder::agent);
    if (!taken) return unusable(taken.error().text);
    if (*taken) break;
    if (lock->holder() == SpoolLock::Holder::agent) return unusable("another agent has " + config.spool.path);
    std::this_thread::sleep_for(lock_poll);
  }
  try {
    Service service(config, std::move(*tls), options.origin, options.version);
    if (auto bound = service.bind_sockets(); !bound) return unusable(bound.error().text);
    if (identity) {
      if (auto became = become(*identity); !became) return unusable(became.error().text);
    }
    if (auto opened = service.open(); !opened) return unusable(opened.error().text);
    service.listen();
    service.obey_signals();
    service.watch_spool();
    say(service.log(), Level::info, "started", config.spool.path);
    const int code = service.work();
    say(service.log(), Level::info, "stopped", config.spool.path);
    return code;
  } catch (const std::exception& error) {
    return unusable(error.what());
  }
}

int drain_spool(const Config& config, const DrainOptions& options) {
  prepare_process(config);
  auto tls = transport::TlsContexts::make(config.smtp.ca_file);
  if (!tls) return misconfigured("smtp.ca_file: " + tls.error());
  const auto identity = configured_identity(config);
  auto lock = open_lock(config, identity);
  if (!lock) return unusable(lock.error().text);
  const auto taken = lock->try_take(SpoolLock::Holder::drain);
  if (!taken) return unusable(taken.error().text);
  if (!*taken) {
    if (lock->holder() == SpoolLock::Holder::drain) return EX_OK;
    return flush_instead(config);
  }
  try {
    Config quiet = config;
    quiet.listen.lmtp.clear();
    if (quiet.log.target == "stderr")
      quiet.log.level = std::max(quiet.log.level, Config::Log::Level::error); // for cron
    Service service(quiet, std::move(*tls), options.origin, options.version);
    if (identity) {
      if (auto became = become(*identity); !became) return unusable(became.error().text);
    }
    if (auto opened = service.open(); !opened) return unusable(opened.error().text);
    service.obey_signals();
    service.engine().drain({options.max_time, options.force});
    ProgressBar bar(options.progress);
    const int code = service.work([&] { bar.show(service.engine().progress()); });
    bar.finish(service.engine().progress());
    if (code != EX_OK) return code;
    return options.strict && service.engine().progress().left > 0 ? EX_TEMPFAIL : EX_OK;
  } catch (const std::exception& error) {
    return unusable(error.what());
  }
}

} // namespace bulkmail::agent
