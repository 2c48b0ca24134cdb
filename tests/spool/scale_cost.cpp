// What many messages cost, in memory and time, on a real file system. Hidden: run by its tag, in an optimized build.
#include "spool/layout.h"
#include "spool/ledger.h"
#include "spool/number_table.h"
#include "spool/posix_disk.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace fs = std::filesystem;
using namespace bulkmail;
using namespace bulkmail::spool;

namespace {

double milliseconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

struct Cpu {
  double ours = 0, kernel = 0; // ms

  static Cpu now() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return {milliseconds_of(used.ru_utime), milliseconds_of(used.ru_stime)};
  }
};

std::string since(const Cpu& start, std::size_t count) {
  const Cpu end = Cpu::now();
  const double ours = end.ours - start.ours, kernel = end.kernel - start.kernel;
  return fmt::format("{:.1f} us ({:.1f} ours, {:.1f} the kernel's)",
                     (ours + kernel) * 1e3 / static_cast<double>(count),
                     ours * 1e3 / static_cast<double>(count), kernel * 1e3 / static_cast<double>(count));
}

std::size_t octets_held() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

double resident_peak_mb() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_maxrss) / 1024;
}

// An agent's life with its spool, without the sending.
class Run {
 public:
  explicit Run(const fs::path& root, LedgerConfig::Files files = LedgerConfig::Files::all)
      : disk_(std::move(*open_posix_disk(root))),
        ledger_(*disk_, ids_, config(files)),
        claimer_(*disk_, ids_, "relay.example") {}

  void recover() {
    auto recovered = ledger_.recover(now().wall);
    REQUIRE(recovered);
    for (auto& message : recovered->messages) {
      const std::uint64_t number = message->number();
      messages.insert(number, std::move(message));
    }
  }

  void claim_all() {
    const auto names = *claimer_.names();
    for (const std::string& name : names) {
      auto claimed = std::get<Claimed>(claimer_.claim(name, now().wall));
      const std::uint64_t number = claimed.packed.number();
      auto message =
          std::make_unique<Message>(std::move(claimed.packed), now().wall + std::chrono::hours(120));
      ledger_.begin(*messages.insert(number, std::move(message)), now());
      work();
    }
  }

  void settle_all() {
    std::vector<std::uint64_t> numbers;
    messages.for_each([&](std::uint64_t number, const auto&) { numbers.push_back(number); });
    Outcome outcome;
    outcome.action = Action::relayed;
    outcome.source = Source::remote;
    outcome.status = "2.0.0";
    outcome.diagnostic_code = "smtp; 250 2.0.0 Ok: queued as 4c2d1f5A";
    outcome.remote_mta = "mx1.d1.example";
    outcome.remote_address = "192.0.2.7";
    outcome.remote_port = 25;
    outcome.last_attempt_date = now().wall;
    const std::vector<std::uint32_t> first{0};
    for (const std::uint64_t number : numbers) {
      ledger_.settle(**messages.find(number), first, outcome, now());
      work();
    }
  }

  void work() {
    for (;;) {
      auto start = std::chrono::steady_clock::now();
      auto job = ledger_.next_job(now());
      note(start);
      if (!job) break;
      job->run();
      start = std::chrono::steady_clock::now();
      ledger_.finish(std::move(job), now());
      note(start);
    }
    for (const std::uint64_t number : ledger_.take_closed()) messages.erase(number);
  }

  void finish() {
    ledger_.hurry();
    while (!ledger_.idle()) work();
  }

  static Now now() {
    return {std::chrono::steady_clock::now(),
            std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
  }

  NumberTable<std::unique_ptr<Message>> messages;
  double longest_call = 0; // of next_job or finish, ms

 private:
  static LedgerConfig config(LedgerConfig::Files files) {
    LedgerConfig config;
    config.reporting_mta = "relay.example";
    config.files = files;
    return config;
  }

  void note(std::chrono::steady_clock::time_point start) {
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    longest_call = std::max(longest_call, taken.count());
  }

  std::unique_ptr<Disk> disk_;
  Ids ids_;
  Ledger ledger_;
  Claimer claimer_;
};

struct ScratchSpool {
  fs::path root;

  ScratchSpool() {
    std::string name = (fs::temp_directory_path() / "bulkmail-scale-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
    auto disk = open_posix_disk(root);
    REQUIRE(make_spool_layout(**disk));
  }

  ~ScratchSpool() { fs::remove_all(root); }

  void drop_singles(int count) const {
    for (int n = 0; n < count; ++n)
      std::ofstream(root / "new" / fmt::format("single-{:06}", n), std::ios::binary)
          << fmt::format("MAIL FROM:<list-bounces@example.org>\r\nRCPT "
                         "TO:<user{}@d{}.example>\r\nDATA\r\nSubject: x\r\n"
                         "Message-ID: <{}.1234@relay.example>\r\n\r\n",
                         n, n % 5'000, n)
          << body << "\r\n.\r\n";
  }

  void drop_lists(int lists, int recipients) const {
    for (int list = 0; list < lists; ++list) {
      std::ofstream out(root / "new" / fmt::format("list-{}", list), std::ios::binary);
      out << "MAIL FROM:<list-bounces@example.org>\r\n";
      for (int n = 0; n < recipients; ++n)
        out << fmt::format("RCPT TO:<user{}@d{}.example>\r\n", n, n % 5'000);
      out << "DATA\r\nSubject: x\r\n\r\n" << body << "\r\n.\r\n";
    }
  }

  std::string body = std::string(4'000, 'x');
};

int size_of(const char* variable, int usual) {
  const char* const given = std::getenv(variable);
  return given != nullptr ? std::atoi(given) : usual;
}

} // namespace

TEST_CASE("the cost of a message from claim to leaving", "[.cost]") {
  const int count = size_of("COST_MESSAGES", 10'000);
  for (const auto files : {LedgerConfig::Files::all, LedgerConfig::Files::none}) {
    const ScratchSpool folder;
    folder.drop_singles(count);
    Run run(folder.root, files);
    run.recover();
    Cpu start = Cpu::now();
    run.claim_all();
    const std::string claimed = since(start, static_cast<std::size_t>(count));
    start = Cpu::now();
    run.settle_all();
    run.finish();
    CHECK(run.messages.empty());
    WARN((files == LedgerConfig::Files::all ? "with a status file: " : "without one: ")
         << "claimed in " << claimed << ", settled and gone in "
         << since(start, static_cast<std::size_t>(count)));
  }
}

TEST_CASE("the cost of what waits, and of its recovery", "[.cost]") {
  const int singles = size_of("COST_SINGLES", 20'000), list = size_of("COST_LIST", 100'000);
  for (const bool many : {true, false}) {
    const ScratchSpool folder;
    const auto count = static_cast<std::size_t>(many ? singles : 10 * list);
    if (many)
      folder.drop_singles(singles);
    else
      folder.drop_lists(10, list);
    const auto held = [&](std::size_t base) {
      return static_cast<double>(octets_held() - base) / static_cast<double>(count);
    };
    {
      const std::size_t base = octets_held();
      Run run(folder.root);
      run.recover();
      run.claim_all();
      run.finish();
      WARN((many ? "messages" : "recipients of 10 messages")
           << ": " << count << ", " << held(base) << " octets each, longest call " << run.longest_call
           << " ms");
    }
    ::malloc_trim(0);
    const std::size_t base = octets_held();
    Run again(folder.root);
    const Cpu start = Cpu::now();
    const auto began = std::chrono::steady_clock::now();
    again.recover();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
    WARN("recovered in " << taken.count() << " s, " << since(start, count) << " each; " << held(base)
                         << " octets each, peak of the whole run " << resident_peak_mb() << " MB");
    again.finish();
    WARN("and all written anew, longest call " << again.longest_call << " ms");
  }
}
