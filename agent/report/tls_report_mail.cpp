#include "agent/report/tls_report_mail.h"

#include "agent/report/gzip.h"
#include "spool/base64.h"
#include "spool/digest.h"
#include "spool/drop/submit.h"
#include "spool/envelope.h"
#include "spool/mail_date.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::agent {
namespace {

constexpr std::size_t line_length = 76;    // of base64 in mail (RFC 2045 §6.8)
constexpr std::size_t longest_named = 150; // of a domain that a drop can be named after; an id has 200 octets

// Hexadecimal, 128 bits.
std::string digest_of(std::string_view text) {
  return spool::to_string(spool::sha256(text)).substr(std::string_view("sha256:").size(), 32);
}

std::string words_for_people(const TlsReport& report, const TlsReporting& by) {
  std::uint64_t successes = 0, failures = 0;
  for (const auto& [policy, tally] : report.policies) {
    successes += tally.successes;
    failures += tally.failures;
  }
  return fmt::format(
      "This is a TLS report (RFC 8460) from {} about the mail hosts of\r\n{}\r\nfor {} (UTC).\r\n\r\n"
      "Sessions with TLS as it should be: {}\r\nSessions without: {}\r\n\r\n"
      "The attachment has the details, for programs.\r\n",
      by.hostname, report.domain, tls_report_date(report.day), successes, failures);
}

} // namespace

std::string tls_report_mail(const TlsReport& report, const TlsReporting& by,
                            const std::vector<std::string>& recipients) {
  spool::EnvelopeBuilder builder;
  builder.sender(by.from);
  spool::Notify nothing; // nobody wants to hear of a report that did not arrive
  nothing.given = nothing.never = true;
  std::string to;
  for (const std::string& recipient : recipients) {
    builder.recipient(recipient, nothing);
    to += fmt::format("{}<{}>", to.empty() ? "" : ",\r\n ", recipient);
  }
  builder.envelope.body = spool::Body::seven_bit;

  const std::string id = tls_report_id(report, by);
  const std::string file = tls_report_file(report, by) + ".gz";
  std::string attachment;
  spool::append_base64(attachment, gzip(tls_report_json(report, by)));
  const std::string boundary = "=" + digest_of(id + attachment);

  std::string mail = spool::bsmtp_head(builder.take());
  const auto out = std::back_inserter(mail);
  fmt::format_to(
      out,
      "From: <{}>\r\nTo: {}\r\nSubject: Report Domain: {}\r\n Submitter: {}\r\n Report-ID: <{}>\r\n"
      "Date: {}\r\nMessage-ID: <tlsrpt.{}>\r\nAuto-Submitted: auto-generated\r\n"
      "TLS-Report-Domain: {}\r\nTLS-Report-Submitter: {}\r\n",
      by.from, to, report.domain, by.hostname, id,
      spool::mail_date(tls_report_due(report.day, report.domain, by.hostname)), id, report.domain,
      by.hostname);
  // RFC 8460 §3: what is wrong with a domain's TLS must not keep it from hearing of that (RFC 8689 §3).
  mail += "TLS-Required: No\r\n";
  fmt::format_to(out,
                 "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
                 " boundary=\"{0}\"\r\n\r\n--{0}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{1}\r\n"
                 "--{0}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
                 "Content-Disposition: attachment;\r\n filename=\"{2}\"\r\n\r\n",
                 boundary, words_for_people(report, by), file);
  for (std::string_view rest = attachment; !rest.empty();
       rest.remove_prefix(std::min(line_length, rest.size())))
    mail.append(rest.substr(0, line_length)).append("\r\n");
  fmt::format_to(out, "--{}--\r\n.\r\n", boundary);
  return mail;
}

std::string tls_report_drop(const TlsReport& report) {
  const bool fits = report.domain.size() <= longest_named;
  return fmt::format("tlsrpt.{}.{}", fits ? report.domain : digest_of(report.domain),
                     tls_report_date(report.day));
}

} // namespace bulkmail::agent
