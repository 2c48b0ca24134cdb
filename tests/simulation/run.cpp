#include "tests/simulation/run.h"

#include "agent/run/engine.h"
#include "spool/layout.h"
#include "tests/simulation/bare_machine.h"
#include "tests/simulation/hand.h"
#include "tests/simulation/memory_disk.h"
#include "tests/simulation/timeline.h"
#include "tests/simulation/virtual_https.h"
#include "tests/simulation/virtual_network.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <set>

namespace bulkmail::simulation {
namespace {

using namespace std::chrono_literals;
using resolver::fake::SeededDice;

constexpr auto drops_within = 3h;
constexpr auto trouble_within = 48h; // after it nobody is killed any more
constexpr auto orders_within = 24h;  // after it what is still held is released
constexpr auto everything_over = 8 * 24h;
// Between an end of data and its outcome's durability: replies and pool jobs take less than this here.
constexpr auto duplicate_window = 3s;

class VirtualClock : public agent::Clock {
 public:
  explicit VirtualClock(Timeline& timeline) : timeline_(timeline) {}

  Now now() override { return timeline_.now(); }

 private:
  Timeline& timeline_;
};

// Jobs take their time on the timeline and vanish with the program that asked for them.
class VirtualPool : public agent::Pool {
 public:
  VirtualPool(Timeline& timeline, Dice& dice) : timeline_(timeline), dice_(dice) {}

  void run(std::function<void()> work, std::function<void()> done) override {
    const std::weak_ptr<char> program = program_;
    timeline_.after(delay(), [this, program, work = std::move(work), done = std::move(done)] {
      if (program.expired()) return;
      work();
      timeline_.after(delay(), [program, done] {
        if (!program.expired()) done();
      });
    });
  }

 private:
  milliseconds delay() { return milliseconds(dice_.below(10)); }

  Timeline& timeline_;
  Dice& dice_;
  std::shared_ptr<char> program_ = std::make_shared<char>();
};

class VirtualLog : public agent::Log {
 public:
  VirtualLog(Timeline& timeline, std::uint64_t& trace, bool print)
      : timeline_(timeline),
        trace_(trace),
        print_(print) {}

  [[nodiscard]] bool wants(agent::Level) const override { return true; }

  [[nodiscard]] bool json() const override { return false; }

  void write(agent::Level, std::string_view line) override {
    const auto at = timeline_.now().mono.time_since_epoch() / 1ms;
    const std::string whole = fmt::format("{:>10} {}\n", at, line);
    for (const char c : whole) trace_ = (trace_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U; // FNV-1a
    if (print_) fmt::print("{}", whole);
  }

 private:
  Timeline& timeline_;
  std::uint64_t& trace_;
  bool print_;
};

class World {
 public:
  World(std::uint64_t seed, bool print_log)
      : dice_(seed),
        network_(timeline_, dice_),
        clock_(timeline_),
        log_(timeline_, report_.trace, print_log),
        disk_(std::make_unique<MemoryDisk>(dice_.below(2) == 0 ? MemoryDisk::Profile::ordered
                                                               : MemoryDisk::Profile::any)) {
    static_cast<void>(spool::make_spool_layout(*disk_));
    build_hosts();
    plan_drops();
    plan_trouble();
    plan_orders();
    config_.hostname = "relay.example";
    config_.agent.workers = 1 + static_cast<std::uint32_t>(seed % 3);
    config_.smtp.connections = 40;
    config_.smtp.connections_per_site = 4;
    config_.smtp.recipients_per_transaction = 3;
    config_.smtp.messages_per_connection = 5;
    config_.resolver.timeout = 1s;
    config_.retry.expire = 5 * 24h;
  }

  Report run() {
    start();
    const auto end = timeline_.now().mono + everything_over;
    while (report_.problem.empty() && timeline_.now().mono < end && !everything_told()) step();
    if (report_.problem.empty()) check_end();
    return report_;
  }

 private:
  void build_hosts() {
    sites_ = 3 + dice_.below(6);
    for (std::size_t i = 0; i < sites_; ++i) {
      Character character;
      const auto draw = [&](int most) {
        return static_cast<int>(dice_.below(static_cast<std::uint64_t>(most) + 1));
      };
      character.refuse_greeting = draw(150);
      character.silent = draw(60);
      character.unreachable = draw(200);
      character.temporary = draw(250);
      character.permanent = draw(200);
      character.drop = draw(40);
      character.drop_after_dot = draw(40);
      character.shut_down = draw(40);
      character.pipelining = dice_.below(4) != 0;
      character.chunking = dice_.below(2) != 0;
      const std::string host = fmt::format("mx{}.example", i);
      const std::string address = fmt::format("198.18.0.{}", i + 1);
      network_.hosts[resolver::fake::ip(address)] = character;
      network_.records.address(host, address);
    }
    domains_ = sites_ * 3;
    for (std::size_t i = 0; i < domains_; ++i) {
      const std::string domain = fmt::format("d{}.example", i);
      std::vector<std::string> hosts{fmt::format("mx{}.example", i % sites_)};
      if (dice_.below(3) == 0) hosts.push_back(fmt::format("mx{}.example", (i + 1) % sites_));
      std::uint16_t preference = 0;
      for (const auto& host : hosts) network_.records.mx(domain, preference += 10, host);
      hosts_[domain] = std::move(hosts);
    }
    network_.hosts[resolver::fake::ip("198.18.1.1")] = Character{}; // senders', who are told of failures
    network_.records.address("mail.senders.example", "198.18.1.1");
    network_.records.mx("senders.example", 10, "mail.senders.example");
    network_.records.broken["d1.example"] = 2; // SERVFAIL, for ever
    network_.lost_datagrams = static_cast<int>(dice_.below(300));
  }

  void plan_drops() {
    const std::size_t messages = 5 + dice_.below(15);
    for (std::size_t i = 0; i < messages; ++i) {
      timeline_.after(random_time(drops_within), [this, i] { drop(fmt::format("m{}", i)); });
    }
  }

  void plan_trouble() {
    for (std::uint64_t i = dice_.below(8); i > 0; --i) {
      timeline_.after(random_time(drops_within), [this] { kill(); });
    }
    for (std::uint64_t i = dice_.below(4); i > 0; --i) {
      timeline_.after(random_time(trouble_within), [this] { kill(); });
    }
    for (std::uint64_t i = dice_.below(6); i > 0; --i) { // in the middle of a disk operation
      timeline_.after(random_time(drops_within),
                      [this] { disk_->crash_at_change(disk_->changes() + 1 + dice_.below(40)); });
    }
    for (std::uint64_t i = dice_.below(4); i > 0; --i) {
      timeline_.after(random_time(drops_within), [this] { cut_power(); });
    }
    if (dice_.below(3) == 0) plan_full_disk();
  }

  void plan_orders() {
    for (std::uint64_t i = dice_.below(16); i > 0; --i) {
      timeline_.after(random_time(i % 2 == 0 ? orders_within : drops_within), [this] {
        if (engine_) order(*engine_);
      });
    }
    timeline_.after(orders_within, [this] { release_all(); });
  }

  void order(agent::Engine& engine) {
    const auto host = [&] { return fmt::format("mx{}.example", dice_.below(sites_)); };
    const auto domain = [&] { return fmt::format("d{}.example", dice_.below(domains_)); };
    Hand::What what;
    switch (dice_.below(8)) {
    case 0: break; // all
    case 1:
    case 2: what.site = host(); break;
    case 3: what.site = domain(); break;
    default: what.id = fmt::format("m{}", dice_.below(20));
    }
    switch (dice_.below(6)) {
    case 0:
    case 1:
    case 2: return hand_.hold(engine, what);
    case 3: return hand_.release(engine, what);
    case 4: return hand_.flush(engine, what);
    default: break;
    }
    // What a host's name means depends on the routes that are known at the moment: that can't be judged from here. And
    // all mail would be the notices, too.
    if (what.id.empty()) what.site = domain();
    hand_.cancel(engine, what, told_of());
  }

  void release_all() {
    if (hand_.all_released()) return;
    if (engine_) hand_.release(*engine_, {});
    timeline_.after(10min, [this] { release_all(); });
  }

  // The messages that the agent certainly knows.
  std::set<std::string> told_of() const {
    std::set<std::string> ids;
    for (const auto& [id, recipients] : accepted_)
      if (disk_->contents("status/" + id + ".json")) ids.insert(id);
    return ids;
  }

  void plan_full_disk() {
    const auto from = random_time(drops_within);
    timeline_.after(from, [this] {
      full_ = true;
      full_from_ = timeline_.now().mono;
      full_to_ = Monotonic::max() - 1h;
    });
    timeline_.after(from + milliseconds(1 + dice_.below(600'000)), [this] {
      full_ = false;
      full_to_ = timeline_.now().mono;
    });
  }

  milliseconds random_time(milliseconds within) {
    return milliseconds(dice_.below(static_cast<std::uint64_t>(within.count())));
  }

  // As a careful writer does it; what is synced in new/ is accepted and must never be lost.
  void drop(const std::string& id) {
    if (full_ || disk_->crashed()) {
      timeline_.after(1min, [this, id] { drop(id); });
      return;
    }
    std::set<std::string> recipients;
    const bool asks = dice_.below(2) == 0;
    std::string text = fmt::format("MAIL FROM:<list@senders.example>{}\r\n", asks ? " XDSN" : "");
    for (std::uint64_t i = 1 + dice_.below(8); i > 0; --i) {
      recipients.insert(fmt::format("u{}@d{}.example", dice_.below(1000), dice_.below(domains_)));
    }
    for (const auto& recipient : recipients) text += "RCPT TO:<" + recipient + ">\r\n";
    text += "DATA\r\nMessage-ID: <" + id + ">\r\n\r\n..a dot\r\ntext\r\n.\r\n";
    disk_->put("new/" + id, text);
    accepted_.emplace(id, recipients);
    if (asks) asking_.insert(id);
    if (engine_ && dice_.below(4) != 0) engine_->dropped(id); // some events are lost: the rescan finds those
  }

  void start() {
    disk_->set_time(now_ns());
    disk_->set_fault([this](MemoryDisk::Operation operation, std::string_view) {
      using Operation = MemoryDisk::Operation;
      const bool needs_space = operation == Operation::append || operation == Operation::create ||
                               operation == Operation::append_to || operation == Operation::make_directory;
      return full_ && needs_space ? ENOSPC : 0;
    });
    pool_.emplace(timeline_, dice_);
    agent::EngineSettings settings;
    settings.worker.config = config_;
    settings.worker.workers = config_.agent.workers;
    settings.worker.servers = {resolver::fake::endpoint("192.0.2.53")};
    engine_ = std::make_unique<agent::Engine>(agent::Seams{clock_, *pool_, network_, machine_, https_, log_},
                                              *disk_, dice_, settings);
    const auto recovered = engine_->recover();
    if (recovered) return;
    engine_.reset();
    if (full_)
      timeline_.after(1min, [this] { restart(); }); // its watchdog tries again
    else
      report_.problem = "recovery failed: " + recovered.error().text;
  }

  void restart() {
    try {
      disk_->restart();
      start();
    } catch (const Crashed&) { // it was killed while it recovered
      die();
      timeline_.after(1s, [this] { restart(); });
    }
  }

  void die() {
    engine_.reset();
    pool_.reset();
    ++report_.kills;
    deaths_.push_back(timeline_.now().mono);
  }

  void kill() {
    if (!engine_) return;
    die();
    timeline_.after(milliseconds(1 + dice_.below(30'000)), [this] { restart(); });
  }

  void cut_power() {
    if (!engine_) return;
    die();
    ++report_.power_cuts;
    disk_ = disk_->power_cut(dice_);
    timeline_.after(milliseconds(1 + dice_.below(60'000)), [this] { restart(); });
  }

  void step() {
    ++report_.steps;
    try {
      if (!timeline_.empty() && (!turn_at_ || timeline_.next() <= *turn_at_))
        timeline_.step();
      else if (turn_at_)
        timeline_.advance(*turn_at_);
      disk_->set_time(now_ns());
      turn_at_.reset();
      if (engine_) turn_at_ = engine_->turn();
    } catch (const Crashed&) {
      turn_at_.reset();
      die();
      timeline_.after(1s, [this] { restart(); });
    }
    if (network_.connections() > config_.smtp.connections)
      report_.problem = "more sessions than smtp.connections";
    if (engine_ && engine_->failed()) report_.problem = "the engine gave up on its spool";
  }

  std::int64_t now_ns() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(timeline_.now().wall.time_since_epoch())
        .count();
  }

  std::optional<nlohmann::json> final_status(const std::string& id) const {
    const auto text = disk_->contents("status/" + id + ".json");
    if (!text) return std::nullopt;
    auto status = nlohmann::json::parse(*text, nullptr, false);
    if (status.is_discarded()) return std::nullopt; // unsynced when the power failed: told again soon
    return status.at("final").get<bool>() ? std::optional(std::move(status)) : std::nullopt;
  }

  bool everything_told() {
    if (timeline_.now().mono < next_look_) return false;
    next_look_ = timeline_.now().mono + 10min;
    if (timeline_.now().mono - began_ < drops_within) return false;
    if (!disk_->list("new")->empty() || !disk_->list("cur")->empty()) return false; // notices are under way
    return std::ranges::all_of(accepted_, [&](const auto& entry) {
      return final_status(entry.first).has_value() && !disk_->contents("cur/" + entry.first);
    });
  }

  // A recipient that was served more than once must have an excuse for each extra time.
  bool excused(const Book::Entry& entry) const {
    std::size_t excuses = static_cast<std::size_t>(entry.replies_lost);
    for (const auto taken : entry.taken) {
      excuses += std::ranges::any_of(deaths_, [&](Monotonic death) {
        if (death < taken) return false;
        // While the disk is full an outcome waits in memory: deliveries pause, but what was under way comes in.
        const bool while_full = taken + duplicate_window >= full_from_ && taken <= full_to_ &&
                                death <= full_to_ + duplicate_window;
        return while_full || death - taken < duplicate_window;
      });
    }
    return entry.taken.size() <= 1 + excuses;
  }

  bool is_banned(const Hand::Ban& ban, const std::string& id, const std::string& recipient) const {
    if (ban.cancelled && !ban.among.contains(id)) return false;
    if (!ban.what.id.empty()) return ban.what.id == id;
    if (ban.what.site.empty()) return true;
    const std::string domain = recipient.substr(recipient.find('@') + 1);
    const auto hosts = hosts_.find(domain); // none: a notice to a sender
    return domain == ban.what.site ||
           (hosts != hosts_.end() && std::ranges::count(hosts->second, ban.what.site) > 0);
  }

  void check_bans() {
    for (const auto& [key, entry] : network_.book.entries) {
      for (const Hand::Ban& ban : hand_.bans()) {
        if (!is_banned(ban, key.first, key.second)) continue;
        for (const Monotonic taken : entry.taken)
          if (taken >= ban.from && (!ban.to || taken <= *ban.to))
            report_.problem = fmt::format("{} {} was sent {}", key.first, key.second,
                                          ban.cancelled ? "after it was cancelled" : "while it was held");
      }
    }
  }

  void check_end() {
    check_bans();
    report_.orders = hand_.obeyed();
    for (const auto& [id, recipients] : accepted_) {
      ++report_.messages;
      const auto status = final_status(id);
      if (!status) {
        report_.problem = id + " has no final status";
        return;
      }
      if (disk_->contents("cur/" + id)) report_.problem = id + " is final and still in cur/";
      if (status->at("recipients").size() != recipients.size())
        report_.problem = id + " lacks recipients in its status";
      for (const auto& told : status->at("recipients")) check_recipient(id, told);
      check_told(id, *status);
      const std::string text = status->dump();
      for (const char c : text)
        report_.trace = (report_.trace ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
  }

  // Each failure but those by hand was told of in one notice, and nothing else was; no notice came twice without an excuse.
  void check_told(const std::string& id, const nlohmann::json& status) {
    for (const auto& one : status.at("recipients")) {
      const std::string recipient =
          one.at("final_recipient").get<std::string>().substr(std::string("rfc822; ").size());
      const bool due =
          one.at("action") == "failed" && one.at("bounce_class") != "cancelled" && asking_.contains(id);
      const auto found = network_.book.told.find({id, recipient});
      const std::size_t notices = found == network_.book.told.end() ? 0 : found->second.size();
      if (notices != (due ? 1U : 0U)) {
        report_.problem = fmt::format("{} {} was told of in {} notices", id, recipient, notices);
        return;
      }
      if (!due) continue;
      ++report_.told;
      const auto& entry = network_.book.entries.at({*found->second.begin(), "list@senders.example"});
      if (!excused(entry)) report_.problem = *found->second.begin() + " was sent again without an excuse";
    }
  }

  void check_recipient(const std::string& id, const nlohmann::json& told) {
    ++report_.recipients;
    const std::string recipient =
        told.at("final_recipient").get<std::string>().substr(std::string("rfc822; ").size());
    const std::string action = told.at("action");
    const auto found = network_.book.entries.find({id, recipient});
    const std::size_t times = found == network_.book.entries.end() ? 0 : found->second.taken.size();
    report_.relayed += action == "relayed";
    report_.failed += action == "failed";
    report_.duplicates += times > 1 ? times - 1 : 0;
    if (action != "relayed" && action != "failed")
      report_.problem = fmt::format("{} {} ends {}", id, recipient, action);
    if (action == "relayed" && times == 0)
      report_.problem = fmt::format("{} {} is told relayed, no host took it", id, recipient);
    if (times > 1 && !excused(found->second)) {
      report_.problem = fmt::format("{} {} was sent {} times without an excuse", id, recipient, times);
    }
  }

  Timeline timeline_;
  SeededDice dice_;
  Report report_;
  VirtualNetwork network_;
  BareMachine machine_;
  VirtualHttps https_{timeline_};
  VirtualClock clock_;
  VirtualLog log_;
  std::unique_ptr<MemoryDisk> disk_;
  std::optional<VirtualPool> pool_;
  agent::Config config_;
  std::unique_ptr<agent::Engine> engine_;
  std::optional<Monotonic> turn_at_;
  Monotonic began_ = timeline_.now().mono, next_look_{};
  std::map<std::string, std::set<std::string>> accepted_;
  std::set<std::string> asking_; // those of accepted_ whose senders are told of failures
  std::vector<Monotonic> deaths_;
  std::size_t sites_ = 0, domains_ = 0;
  std::map<std::string, std::vector<std::string>> hosts_; // by domain
  Hand hand_{timeline_};
  bool full_ = false;
  Monotonic full_from_ = Monotonic::max() - 1h, full_to_{};
};

} // namespace

Report run(std::uint64_t seed, bool print_log) { return World(seed, print_log).run(); }

} // namespace bulkmail::simulation
