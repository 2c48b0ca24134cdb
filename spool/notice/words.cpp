#include "spool/notice/words.h"

#include "spool/bounce/bounce_class.h"
#include "spool/mail_date.h"
#include "spool/notice/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::spool {
namespace {

constexpr std::size_t width = 72;
constexpr std::string_view indent = "    ";

// Text broken at spaces, each line indented.
void append_wrapped(std::string& out, std::string_view text) {
  std::size_t used = width; // so that the first word opens a line
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word.empty()) continue;
    if (used + 1 + word.size() > width) {
      if (used != width || !out.ends_with('\n')) out += '\n';
      out += indent;
      used = indent.size();
    } else {
      out += ' ';
      ++used;
    }
    out += word;
    used += word.size();
  }
  out += '\n';
}

std::string_view behind_type(std::string_view diagnostic_code) {
  const std::size_t semicolon = diagnostic_code.find("; ");
  return semicolon == diagnostic_code.npos ? diagnostic_code : diagnostic_code.substr(semicolon + 2);
}

std::string_view opening(NoticeKind kind) {
  switch (kind) {
  case NoticeKind::failure:
    return "Your message could not be delivered to the addresses below. It will not be tried again\nfor "
           "them.\n";
  case NoticeKind::delay:
    return "Your message has not been delivered to the addresses below yet. You need not send it\nagain: it "
           "will be "
           "tried further.\n";
  case NoticeKind::success:
    return "Your message was delivered to the addresses below, or handed on towards them, as you\nasked to "
           "be told.\n";
  }
  return "";
}

std::string_view success_of(Action action) {
  return action == Action::delivered ? "It was delivered."
                                     : "It was handed to a mail host that sends no reports of its own. No "
                                       "news from there is good news.";
}

void append_recipient(std::string& out, const Notice& notice, const NoticeRecipient& one) {
  const Outcome outcome = one.outcome.whole();
  constexpr std::size_t enough = 320;
  fmt::format_to(std::back_inserter(out), "\n  <{}>\n",
                 one_line(notice.facts->envelope.recipient(one.index).address, enough));
  append_wrapped(out, notice.kind == NoticeKind::success ? success_of(outcome.action)
                                                         : explanation(bounce_class(outcome)));
  if (outcome.will_retry_until)
    append_wrapped(out, fmt::format("It will be tried until {}.", mail_date(*outcome.will_retry_until)));
  if (outcome.diagnostic_code.empty()) return;
  const std::string said = one_line(behind_type(outcome.diagnostic_code), outcome.diagnostic_code.size());
  if (outcome.remote_mta.empty())
    append_wrapped(out, said);
  else if (outcome.diagnostic_code.starts_with("smtp; "))
    append_wrapped(out, fmt::format("{} [{}] said: {}", outcome.remote_mta, outcome.remote_address, said));
  else
    append_wrapped(out, fmt::format("{} [{}]: {}", outcome.remote_mta, outcome.remote_address, said));
}

} // namespace

std::string_view subject_of(NoticeKind kind) {
  switch (kind) {
  case NoticeKind::failure: return "Your mail could not be delivered";
  case NoticeKind::delay: return "Your mail is delayed, and still being tried";
  case NoticeKind::success: return "Your mail was delivered";
  }
  return "";
}

std::string_view explanation(BounceClass why) {
  switch (why) {
  case BounceClass::none: return "";
  case BounceClass::mailbox_unknown: return "There is no such mailbox. Look for a mistake in the address.";
  case BounceClass::mailbox_disabled:
    return "The mailbox takes no mail: it is closed, suspended or no longer used.";
  case BounceClass::mailbox_full:
    return "The mailbox is full. Tell its owner in another way, or try again later.";
  case BounceClass::bad_address: return "This is not a valid address. Look for a mistake in it.";
  case BounceClass::domain_unknown:
    return "What stands behind the @ does not exist or takes no mail. Look for a mistake in it.";
  case BounceClass::sender_refused: return "The receiving host does not accept your address as a sender.";
  case BounceClass::auth:
    return "The receiving host could not verify that the mail is really from where it says. The "
           "administrators of "
           "your mail system can mend that.";
  case BounceClass::spam_block:
    return "The receiving host takes no mail from here because it has this host or domain on a list of "
           "senders of "
           "spam. The administrators of your mail system can have that looked into.";
  case BounceClass::content:
    return "The receiving host does not like what is in the message: it may look like spam.";
  case BounceClass::policy: return "A rule of the receiving host forbids it.";
  case BounceClass::relaying: return "The host that is named for this address does not take mail for it.";
  case BounceClass::too_large:
    return "The message is too large. Send it in parts, or what it carries in another way.";
  case BounceClass::rate_limited: return "The receiving host takes no more mail from here for now.";
  case BounceClass::greylisted: return "The receiving host wanted the mail to be tried again later.";
  case BounceClass::system: return "The receiving host has trouble of its own.";
  case BounceClass::dns:
    return "The name servers for this address do not answer, or what they say leads nowhere.";
  case BounceClass::network: return "The receiving host can't be reached, or the connection was lost.";
  case BounceClass::tls: return "No connection to the receiving host was secure enough.";
  case BounceClass::protocol:
    return "The receiving host can't take a message of this form, or its answers make no sense.";
  case BounceClass::expired:
    return "It was tried for as long as mail is kept, without success. The last answer stands below.";
  case BounceClass::local: return "There is trouble on this host.";
  case BounceClass::cancelled: return "It was taken out of the queue by an administrator.";
  case BounceClass::unclassified: return "The receiving host refused it.";
  }
  return "";
}

std::string human_part(const Notice& notice, bool full, std::string_view hostname) {
  std::string out = fmt::format("This is the mail system at {}.\n\n{}", hostname, opening(notice.kind));
  for (const NoticeRecipient& one : notice.recipients) append_recipient(out, notice, one);
  out += full ? "\nYour message is attached.\n" : "\nThe header of your message is attached.\n";
  return out;
}

} // namespace bulkmail::spool
