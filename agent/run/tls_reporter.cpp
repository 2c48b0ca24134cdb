#include "agent/run/tls_reporter.h"

#include "agent/report/gzip.h"
#include "agent/report/https_url.h"
#include "agent/report/tls_report_mail.h"
#include "agent/run/log_line.h"
#include "spool/drop/submit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace bulkmail::agent {

using resolver::TlsReportAddress;

namespace {

// Where a report went, as its day's record has it; an address over HTTPS is its own.
constexpr const char* by_mail = "mail";
constexpr const char* in_folder = "folder";
constexpr std::size_t most_addresses = 8; // of a host, that are tried
constexpr const char* record_prefix = "_smtp._tls.";

spool::Result<void> drop_mail(spool::Disk& disk, const std::string& id, std::string_view mail) {
  auto drop = spool::Composition::begin(disk, id);
  if (!drop && drop.error().code == EEXIST && disk.remove("tmp/" + id)) // left by a crash
    drop = spool::Composition::begin(disk, id);
  if (!drop) return std::unexpected(drop.error());
  if (auto written = drop->append(mail); !written) return written;
  if (auto synced = drop->sync(); !synced) return synced;
  auto published = drop->publish();
  if (!published && published.error().code != EEXIST) return published; // else it is there already, the same
  return disk.sync_directory("new");
}

// Whole when it has its name.
spool::Result<void> leave_file(spool::Disk& disk, const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  auto file = disk.create(fresh, 0644);
  if (!file && file.error().code == EEXIST && disk.remove(fresh)) file = disk.create(fresh, 0644);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->append(text); !written) return written;
  if (auto synced = (*file)->sync_data(); !synced) return synced;
  return disk.rename(fresh, path);
}

} // namespace

// What is written of a report, off the loop.
struct TlsReporter::Job {
  TlsReport report;
  TlsReporting by;
  std::vector<std::string> recipients, urls;
  std::string folder; // none: empty
  std::string packed; // for `urls`
  std::optional<spool::Result<void>> mailed, left;

  void run(spool::Disk& disk) {
    const std::string text = tls_report_json(report, by);
    if (!folder.empty()) left = leave_file(disk, folder + "/" + tls_report_file(report, by), text);
    if (!urls.empty()) packed = gzip(text);
    if (!recipients.empty())
      mailed = drop_mail(disk, tls_report_drop(report), tls_report_mail(report, by, recipients));
  }
};

TlsReporter::TlsReporter(Seams seams, spool::Disk& disk, Dice& dice, Timers& timers, const Config& config,
                         resolver::ResolverConfig dns, Dropped dropped)
    : seams_(seams),
      disk_(disk),
      config_(config),
      dns_(std::move(dns), dice, seams.clock, seams.network, timers),
      dropped_(std::move(dropped)),
      records_(disk, seams.pool, seams.log) {}

Day TlsReporter::today() const { return std::chrono::floor<std::chrono::days>(seams_.clock.now().wall); }

TlsReporting TlsReporter::reporting() const {
  const auto& tlsrpt = config_.tlsrpt;
  const std::string from = tlsrpt.from.empty() ? "tls-reports@" + config_.hostname : tlsrpt.from;
  return {config_.hostname, from, tlsrpt.contact.empty() ? from : tlsrpt.contact,
          tlsrpt.organization.empty() ? config_.hostname : tlsrpt.organization};
}

bool TlsReporter::quiet() const {
  return idle() && std::ranges::none_of(reports_, [](const auto& entry) { return entry.second.busy; });
}

// ---- Counting

void TlsReporter::count(const TlsDays& days) {
  if (const Day now = today(); now != asked_on_) {
    asked_on_ = now;
    wishes_.clear();
  }
  for (const auto& [day, counts] : days) {
    for (const auto& [domain, policies] : counts.domains()) {
      const auto wish = wishes_.find(domain);
      const bool unknown = wish == wishes_.end();
      if (unknown ? wishes_.size() >= most_known : wish->second == Wish::unwanted) continue;
      for (const auto& [policy, sessions] : policies) records_.count(day, domain, policy, sessions);
      if (!unknown || closed_) continue;
      wishes_.emplace(domain, Wish::asked);
      ask(domain);
    }
  }
}

void TlsReporter::ask(const std::string& domain) { dns_.want_txt(resolver::tls_report_record_name(domain)); }

bool TlsReporter::turn() {
  const bool more = dns_.turn();
  while (const auto answer = dns_.next_txt()) told(answer->first, answer->second);
  while (const auto found = dns_.next_route()) host_found(found->first, found->second);
  return dns_.turn() || more;
}

void TlsReporter::told(const std::string& name, const resolver::TxtAnswer& answer) {
  const std::string domain = name.substr(std::string_view(record_prefix).size());
  const auto to = answer ? resolver::tls_report_addresses(answer->texts) : std::vector<TlsReportAddress>{};
  std::vector<Key> asking;
  for (const auto& [key, report] : reports_)
    if (key.second == domain && report.busy && report.open == 0) asking.push_back(key);
  if (!answer) { // asked again with the next session, or when the report is tried again
    wishes_.erase(domain);
    for (const Key& key : asking) {
      reports_.at(key).open = 1;
      ended(key, "", answer.error().text);
    }
    return;
  }
  wishes_.insert_or_assign(domain, to.empty() ? Wish::unwanted : Wish::wanted);
  for (const Key& key : asking) send(key, to);
  if (!to.empty()) return;
  std::vector<Day> all;
  for (const auto& [day, record] : records_.days())
    if (record.counts.find(domain) != nullptr) all.push_back(day);
  for (const Day day : all) records_.done(day, domain);
}

// ---- Sending

void TlsReporter::check() {
  const Wall now = seams_.clock.now().wall;
  std::vector<Day> old;
  for (const auto& [day, record] : records_.days())
    if (day + std::chrono::days(1) + latest <= now) old.push_back(day);
  for (const Day day : old) records_.drop(day);
  if (config_.tlsrpt.on() && !closed_)
    for (const Key& key : next_due(now)) begin(key);
  records_.save();
}

std::vector<TlsReporter::Key> TlsReporter::next_due(Wall now) {
  std::vector<Key> due;
  std::size_t seen = 0;
  const Key from = std::exchange(look_from_, {});
  for (const auto& [day, record] : records_.days()) {
    if (day < from.first) continue;
    if (day + std::chrono::days(1) > now) break;
    const auto& domains = record.counts.domains();
    for (auto one = day == from.first ? domains.lower_bound(from.second) : domains.begin();
         one != domains.end(); ++one) {
      Key key{day, one->first};
      if (++seen > looks || due.size() == at_once) {
        look_from_ = std::move(key);
        return due;
      }
      if (tls_report_due(day, one->first, config_.hostname) > now) continue;
      const auto known = reports_.find(key);
      if (known != reports_.end() && (known->second.busy || known->second.next_try > now)) continue;
      due.push_back(std::move(key));
    }
  }
  return due;
}

void TlsReporter::begin(const Key& key) {
  Report& report = reports_[key];
  if (report.first_try == Wall{}) report.first_try = seams_.clock.now().wall;
  report.busy = true;
  report.failed = false;
  report.open = 0;
  ask(key.second);
}

void TlsReporter::send(const Key& key, const std::vector<TlsReportAddress>& to) {
  const auto record = records_.days().find(key.first);
  const TlsPolicies* const policies =
      record == records_.days().end() ? nullptr : record->second.counts.find(key.second);
  if (policies == nullptr || to.empty()) return finish(key);
  if (closed_) return; // the next run's
  const auto& sent = record->second.sent;
  const auto of_domain = sent.find(key.second);
  const auto is_sent = [&](const std::string& where) {
    return of_domain != sent.end() && of_domain->second.contains(where);
  };
  auto job = std::make_shared<Job>();
  job->report = {key.first, key.second, *policies};
  job->by = reporting();
  if (!is_sent(in_folder)) job->folder = config_.tlsrpt.folder;
  if (config_.tlsrpt.report) {
    for (const TlsReportAddress& address : to) {
      if (address.https && !is_sent(address.address)) job->urls.push_back(address.address);
      if (!address.https && !is_sent(by_mail)) job->recipients.push_back(address.address);
    }
  }
  reports_.at(key).open = 1; // the job itself
  ++jobs_;
  seams_.pool.run([job, &disk = disk_] { job->run(disk); },
                  [this, job, key] {
                    --jobs_;
                    written(key, *job);
                  });
}

void TlsReporter::written(const Key& key, const Job& job) {
  Report& report = reports_.at(key);
  report.open += (job.left ? 1 : 0) + (job.mailed ? 1 : 0) + job.urls.size();
  const auto text_of = [](const spool::Result<void>& result) {
    return result ? std::string() : result.error().text;
  };
  if (job.left) ended(key, in_folder, text_of(*job.left));
  if (job.mailed) {
    if (*job.mailed) dropped_(tls_report_drop(job.report));
    ended(key, by_mail, text_of(*job.mailed));
  }
  for (const std::string& url : job.urls) post(key, url, job.packed);
  ended(key, "", "");
}

void TlsReporter::post(const Key& key, const std::string& url, const std::string& body) {
  const auto parsed = parse_https_url(url);
  if (!parsed) return ended(key, url, ""); // it never will be one
  waiting_.emplace(parsed->host, Post{key, url, body});
  if (waiting_.count(parsed->host) == 1)
    dns_.want({.domain = parsed->host, .port = parsed->port, .host = true});
}

void TlsReporter::host_found(const resolver::Target& target, const resolver::RouteAnswer& answer) {
  std::vector<resolver::IpAddress> addresses;
  const bool allow_private = config_.smtp.private_targets == Config::Smtp::PrivateTargets::allow;
  if (answer) {
    for (const auto& host : answer->hosts)
      for (const auto& address : host.addresses)
        if ((allow_private || !address.is_private()) && addresses.size() < most_addresses)
          addresses.push_back(address);
  }
  const auto [begin, end] = waiting_.equal_range(target.domain);
  std::vector<Post> posts;
  for (auto one = begin; one != end; ++one) posts.push_back(std::move(one->second));
  waiting_.erase(begin, end);
  for (Post& one : posts) {
    if (addresses.empty()) {
      ended(one.key, one.url, answer ? target.domain + " has no public address" : answer.error().text);
      continue;
    }
    const auto url = parse_https_url(one.url);
    HttpsRequest request;
    request.host = url->host;
    request.port = url->port;
    request.path = url->path;
    request.addresses = addresses;
    request.content_type = "application/tlsrpt+gzip";
    request.body = std::move(one.body);
    request.ca_file = config_.smtp.ca_file;
    seams_.https.send(std::move(request), [this, key = one.key, where = one.url,
                                           alive = std::weak_ptr(alive_)](const HttpsAnswer& got) {
      if (!alive.expired()) ended(key, where, got ? std::string() : got.error());
    });
  }
}

// `problem` empty: it went well.
void TlsReporter::ended(const Key& key, const std::string& where, const std::string& problem) {
  const auto known = reports_.find(key);
  if (known == reports_.end()) return;
  Report& report = known->second;
  if (!problem.empty()) {
    report.failed = true;
    if (seams_.log.wants(Level::warning)) {
      LogLine(seams_.log, "TLS report not sent")
          .add("domain", key.second)
          .add("day", tls_report_date(key.first))
          .add("to", where)
          .add("text", problem)
          .write(Level::warning);
    }
  } else if (!where.empty()) {
    records_.sent(key.first, key.second, where);
    if (seams_.log.wants(Level::info)) {
      LogLine(seams_.log, "TLS report")
          .add("domain", key.second)
          .add("day", tls_report_date(key.first))
          .add("to", where)
          .write(Level::info);
    }
  }
  if (--report.open > 0) return;
  const Wall now = seams_.clock.now().wall;
  if (!report.failed || now - report.first_try >= patience) return finish(key);
  report.busy = false;
  report.next_try = now + between_tries;
  records_.save();
}

void TlsReporter::finish(const Key& key) {
  reports_.erase(key);
  records_.done(key.first, key.second);
  records_.save();
}

void TlsReporter::close(const TlsDays& last) {
  closed_ = true;
  count(last);
  records_.save();
}

} // namespace bulkmail::agent
