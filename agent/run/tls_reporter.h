// Gathers how TLS went with the mail hosts of the domains that ask (TLSRPT, RFC 8460), and tells each of them of every day
// in the hours after it: by mail through this program's own spool, over HTTPS, or as files in a folder.
//
// A domain's record is asked for when its first session of a day is counted, and again when its report is due: what nobody
// wants is not kept. A report is sent once. What was sent is known over a restart; a crash between the sending and the
// record of it makes it go out once more, under the same id.
//
//   reporter.recover();
//   each minute: reporter.count(what the workers counted); reporter.check();
//   each turn: reporter.turn();
//   at the end: reporter.close(what they counted last);
#pragma once

#include "agent/config/config.h"
#include "agent/report/tls_report.h"
#include "agent/run/dns_client.h"
#include "agent/run/timers.h"
#include "agent/run/tls_records.h"
#include "agent/seams.h"
#include "resolver/policy/tls_reports.h"
#include "spool/disk.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulkmail::agent {

class TlsReporter {
 public:
  // After a day's end; then its reports are of no use to anybody, and whoever still takes none gets none.
  static constexpr std::chrono::hours latest{72};
  static constexpr std::chrono::hours between_tries{1};
  static constexpr std::chrono::hours patience{24};  // with those that can't be reached (§5.4)
  static constexpr std::size_t most_known = 100'000; // domains of a day; others are not counted
  static constexpr std::size_t looks = 2000; // a check, at domains whose report may be due: some milliseconds
  static constexpr std::size_t at_once = 100; // reports begun a check, which the pool renders

  using Dropped = std::function<void(std::string name)>; // there is a drop in new/

  TlsReporter(Seams seams, spool::Disk& disk, Dice& dice, Timers& timers, const Config& config,
              resolver::ResolverConfig dns, Dropped dropped);
  TlsReporter(const TlsReporter&) = delete;
  TlsReporter& operator=(const TlsReporter&) = delete;

  [[nodiscard]] spool::Result<void> recover() { return records_.recover(); } // blocking

  void set(const Config& config) { config_ = config; }

  void count(const TlsDays& days);
  void check();                    // what is due, and the files
  [[nodiscard]] bool turn();       // true: there is more to do at once
  void close(const TlsDays& last); // no report is begun any more

  // Nothing is on its way to the disk, or of a report that was begun.
  [[nodiscard]] bool idle() const { return records_.idle() && jobs_ == 0; }

  [[nodiscard]] bool quiet() const; // and nobody is asked or told anything

 private:
  enum class Wish : std::uint8_t { asked, wanted, unwanted };
  using Key = std::pair<Day, std::string>; // of a report: day and domain

  struct Report { // that is due
    bool busy = false;
    std::size_t open = 0; // parts under way
    bool failed = false;  // one of them
    Wall first_try{}, next_try{};
  };

  struct Job;

  [[nodiscard]] Day today() const;
  void ask(const std::string& domain);
  void told(const std::string& name, const resolver::TxtAnswer& answer);
  [[nodiscard]] std::vector<Key> next_due(Wall now);
  void begin(const Key& key);
  void send(const Key& key, const std::vector<resolver::TlsReportAddress>& to);
  void written(const Key& key, const Job& job);
  void post(const Key& key, const std::string& url, const std::string& body);
  void host_found(const resolver::Target& target, const resolver::RouteAnswer& answer);
  void ended(const Key& key, const std::string& where, const std::string& problem); // of one part
  void finish(const Key& key);
  [[nodiscard]] TlsReporting reporting() const;

  Seams seams_;
  spool::Disk& disk_;
  Config config_;
  DnsClient dns_;
  Dropped dropped_;
  TlsRecords records_;
  Day asked_on_{};
  std::unordered_map<std::string, Wish> wishes_; // of the day's domains
  std::map<Key, Report> reports_;
  Key look_from_; // where the last check stopped

  struct Post {
    Key key;
    std::string url, body;
  };

  std::multimap<std::string, Post> waiting_; // for the addresses of that host
  std::size_t jobs_ = 0;
  bool closed_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>(); // answers that come later are let go
};

} // namespace bulkmail::agent
