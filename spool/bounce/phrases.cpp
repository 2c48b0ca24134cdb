#include "spool/bounce/phrases.h"

#include "spool/ascii.h"

#include <algorithm>

namespace bulkmail::spool {
namespace {

using enum BounceClass;

// From the particular to the general: what names its cause stands before what could mean several.
constexpr Phrase phrases[] = {
    // Postgrey, milter-greylist, rspamd, Exim's and cPanel's recipes, GMX, Orange.
    {greylisted, "greylist"},
    {greylisted, "graylist"},
    {greylisted, "grey list"},
    {greylisted, "grey-list"},
    {greylisted, "gray-list"},
    {greylisted, "greywhitelist"},
    {greylisted, "first time sender*try again"},

    // RFC 8461, 7672, 8689 and hosts that insist on TLS.
    {tls, "must issue a starttls"},
    {tls, "starttls is required"},
    {tls, "starttls required"},
    {tls, "tls required"},
    {tls, "encryption required"},
    {tls, "encryption is required"},
    {tls, "requires encryption"},
    {tls, "session encryption is required"},
    {tls, "tls not available"},
    {tls, "requiretls"},

    // Gmail's and Yahoo's rules for bulk senders, Microsoft, GMX, and names of the mechanisms.
    {auth, "sender is unauthenticated"},
    {auth, "is not authenticated"},
    {auth, "unauthenticated email"},
    {auth, "does not pass authentication"},
    {auth, "did not pass authentication"},
    {auth, "doesn't meet the required authentication"},
    {auth, "does not meet the required authentication"},
    {auth, "authentication checks"},
    {auth, "authentication information"},
    {auth, "dmarc"},
    {auth, "dkim"},
    {auth, "spf"},
    {auth, "sender policy framework"},
    {auth, "arc validation"},
    {auth, "ptr record"},
    {auth, "reverse dns"},
    {auth, "reverse hostname"},
    {auth, "reverse lookup"},
    {auth, "rdns"},
    {auth, "cannot find your hostname"},
    {auth, "cannot find your reverse hostname"},
    {auth, "no reverse"},
    {auth, "helo command rejected"},
    {auth, "helo/ehlo"},
    {auth, "bad dns ptr"},

    // How often and how much: Gmail, Yahoo (TSS), Microsoft, Apple, Comcast, Orange, Postfix's anvil, Exim's ratelimit.
    {rate_limited, "unusual rate"},
    {rate_limited, "receiving mail at a rate"},
    {rate_limited, "receiving mail too quickly"},
    {rate_limited, "rate limit"},
    {rate_limited, "rate-limit"},
    {rate_limited, "ratelimit"},
    {rate_limited, "throttl"},
    {rate_limited, "relay limit"},
    {rate_limited, "sending limit"},
    {rate_limited, "daily limit"},
    {rate_limited, "hourly limit"},
    {rate_limited, "sending rate"},
    {rate_limited, "message rate"},
    {rate_limited, "connection rate"},
    {rate_limited, "exceed*rate"},
    {rate_limited, "exceed*number of messages"},
    {rate_limited, "exceed*number of connections"},
    {rate_limited, "exceeded*limit of*recipients"},
    {rate_limited, "unexpected volume"},
    {rate_limited, "temporarily deferred due to"},
    {rate_limited, "[ts01]"},
    {rate_limited, "[ts02]"},
    {rate_limited, "[ts03]"},
    {rate_limited, "[tss"},
    {rate_limited, "too many connection"},
    {rate_limited, "too many concurrent"},
    {rate_limited, "too many simultaneous"},
    {rate_limited, "too many open"},
    {rate_limited, "too many sessions"},
    {rate_limited, "too many messages from"},
    {rate_limited, "too many emails"},
    {rate_limited, "too many mails"},
    {rate_limited, "too many recipients"},
    {rate_limited, "too many errors"},
    {rate_limited, "too many requests"},
    {rate_limited, "too much mail"},
    {rate_limited, "too fast"},
    {rate_limited, "slow down"},
    {rate_limited, "mail flood"},
    {rate_limited, "concurrent connections"},
    {rate_limited, "connection limit"},
    {rate_limited, "connections from your"},
    {rate_limited, "maximum number of connections"},
    {rate_limited, "reduce your sending"},
    {rate_limited, "ofr004"},
    {rate_limited, "ofr005"},
    {rate_limited, "as(48"}, // Exchange Online's tenant and IP throttling: AS(4810) and kin

    // Where the mail comes from: lists of bad addresses and what receivers think of ours.
    {spam_block, "spamhaus"},
    {spam_block, "spamcop"},
    {spam_block, "barracudacentral"},
    {spam_block, "barracuda reputation"},
    {spam_block, "sorbs"},
    {spam_block, "uceprotect"},
    {spam_block, "abusix"},
    {spam_block, "mailspike"},
    {spam_block, "proofpoint.com/dnsbl"},
    {spam_block, "ipcheck.proofpoint"},
    {spam_block, "cloudmark"},
    {spam_block, "senderscore"},
    {spam_block, "invaluement"},
    {spam_block, "surbl"},
    {spam_block, "dnsbl"},
    {spam_block, "rbl"},
    {spam_block, "blacklist"},
    {spam_block, "black list"},
    {spam_block, "blocklist"},
    {spam_block, "block list"},
    {spam_block, "block-list"},
    {spam_block, "denylist"},
    {spam_block, "blocked using"},
    {spam_block, "on our block"},
    {spam_block, "(s3140)"},
    {spam_block, "(s3150)"},
    {spam_block, "banned sending ip"},
    {spam_block, "banned sender"},
    {spam_block, "unsolicited mail originating from your ip"},
    {spam_block, "reputation"},
    {spam_block, "poor sender"},
    {spam_block, "ip*has been blocked"},
    {spam_block, "ip*has been temporarily blocked"},
    {spam_block, "ip*is blocked"},
    {spam_block, "ip*blocked by"},
    {spam_block, "blocked*your ip"},
    {spam_block, "your host*blocked"},
    {spam_block, "suspicious activity"},
    {spam_block, "bad host"},
    {spam_block, "dynamic ip"},
    {spam_block, "dialup"},
    {spam_block, "is listed in"},
    {spam_block, "is listed at"},
    {spam_block, "is listed by"},
    {spam_block, "user complaints"},
    {spam_block, "hvu:b1"},
    {spam_block, "hvu:b2"},
    {spam_block, "dyn:t1"},
    {spam_block, "rly:b"},
    {spam_block, "csi.cloudmark"},
    {spam_block, "ofr006"},
    {spam_block, "ofr506"},

    // What is in it: Gmail, Yahoo, Apple (CS01), Proofpoint, Mimecast, rspamd, SpamAssassin, ClamAV.
    {content, "spam content"},
    {content, "looks like spam"},
    {content, "considered spam"},
    {content, "considered as spam"},
    {content, "identified as spam"},
    {content, "detected as spam"},
    {content, "classified as spam"},
    {content, "rejected as spam"},
    {content, "marked as spam"},
    {content, "is spam"},
    {content, "likely unsolicited"},
    {content, "unsolicited"},
    {content, "suspicious due to the nature of the content"},
    {content, "potential security issue"},
    {content, "spam message"},
    {content, "spam detected"},
    {content, "spam rejected"},
    {content, "spam score"},
    {content, "high probability of spam"},
    {content, "spam"},
    {content, "not accepted for policy reasons*html"},
    {content, "message content"},
    {content, "content reject"},
    {content, "content filter"},
    {content, "message rejected due to content"},
    {content, "[cs01]"},
    {content, "virus"},
    {content, "malware"},
    {content, "phish"},
    {content, "infected"},
    {content, "malicious"},
    {content, "attachment"},
    {content, "forbidden file"},
    {content, "blocked url"},
    {content, "bare <lf>"},
    {content, "bare lf"},
    {content, "bare cr"},
    {content, "bare newline"},
    {content, "multiple from"},
    {content, "multiple addresses in from"},
    {content, "missing*header"},
    {content, "header*missing"},
    {content, "not rfc 5322 compliant"},
    {content, "not rfc 2822 compliant"},
    {content, "rfc 5322"},

    // Gmail, Exchange, Yahoo, Dovecot, Postfix's virtual quotas.
    {mailbox_full, "mailbox full"},
    {mailbox_full, "mailbox is full"},
    {mailbox_full, "mailbox has exceeded"},
    {mailbox_full, "mailbox exceed"},
    {mailbox_full, "inbox is full"},
    {mailbox_full, "inbox full"},
    {mailbox_full, "mail box full"},
    {mailbox_full, "account is full"},
    {mailbox_full, "recipient storage full"},
    {mailbox_full, "out of storage space"},
    {mailbox_full, "quota"},
    {mailbox_full, "overquota"},
    {mailbox_full, "storage*exceeded"},
    {mailbox_full, "exceeded*storage"},
    {mailbox_full, "not enough storage space"},
    {mailbox_full, "user has too many messages"},
    {mailbox_full, "boite pleine"},
    {mailbox_full, "casella piena"},

    {too_large, "message size"},
    {too_large, "message too large"},
    {too_large, "message too big"},
    {too_large, "message is too large"},
    {too_large, "message is too big"},
    {too_large, "size limit"},
    {too_large, "maximum size"},
    {too_large, "maximum message size"},
    {too_large, "message file too big"},
    {too_large, "exceed*size"},
    {too_large, "exceeds*maximum"},

    // Gmail, Yahoo, Microsoft, web.de.
    {mailbox_disabled, "account*disabled"},
    {mailbox_disabled, "account*inactive"},
    {mailbox_disabled, "account*is not active"},
    {mailbox_disabled, "account*suspended"},
    {mailbox_disabled, "account*deactivated"},
    {mailbox_disabled, "account*locked"},
    {mailbox_disabled, "account*expired"},
    {mailbox_disabled, "account*closed"},
    {mailbox_disabled, "account*has been terminated"},
    {mailbox_disabled, "mailbox*disabled"},
    {mailbox_disabled, "mailbox*inactive"},
    {mailbox_disabled, "mailbox*suspended"},
    {mailbox_disabled, "mailbox*deactivated"},
    {mailbox_disabled, "mailbox*locked"},
    {mailbox_disabled, "mailbox is frozen"},
    {mailbox_disabled, "mailbox not active"},
    {mailbox_disabled, "user*is inactive"},
    {mailbox_disabled, "user*disabled"},
    {mailbox_disabled, "user*suspended"},
    {mailbox_disabled, "user is not active"},
    {mailbox_disabled, "inactive user"},
    {mailbox_disabled, "inactive recipient"},
    {mailbox_disabled, "recipient*disabled"},
    {mailbox_disabled, "recipient*suspended"},
    {mailbox_disabled, "address*disabled"},
    {mailbox_disabled, "address*no longer accepts"},
    {mailbox_disabled, "no longer accepts mail"},
    {mailbox_disabled, "is not accepting mail"},
    {mailbox_disabled, "is not accepting messages"},
    {mailbox_disabled, "not accepting email"},

    // Of the sender before the recipients: "unknown", "does not exist", "rejected" stand in both.
    {sender_refused, "sender address rejected"},
    {sender_refused, "sender rejected"},
    {sender_refused, "sender denied"},
    {sender_refused, "sender is not allowed"},
    {sender_refused, "sender verify failed"},
    {sender_refused, "sender verification"},
    {sender_refused, "sender address verification"},
    {sender_refused, "unverified sender"},
    {sender_refused, "invalid sender"},
    {sender_refused, "bad sender"},
    {sender_refused, "sender domain"},
    {sender_refused, "domain of sender"},
    {sender_refused, "mail from*invalid"},
    {sender_refused, "mail from*rejected"},
    {sender_refused, "from address*rejected"},
    {sender_refused, "cannot resolve your sender"},
    {sender_refused, "envelope sender"},

    {relaying, "relay*denied"},
    {relaying, "denied*relay"},
    {relaying, "relaying"},
    {relaying, "relay access"},
    {relaying, "relay not permitted"},
    {relaying, "not permitted to relay"},
    {relaying, "unable to relay"},
    {relaying, "we do not relay"},
    {relaying, "no relay"},
    {relaying, "that domain isn't in my list of allowed rcpthosts"},
    {relaying, "authentication required"},
    {relaying, "authentication is required"},
    {relaying, "must authenticate"},
    {relaying, "not authenticated"},
    {relaying, "authentication failed"},
    {relaying, "authentication credentials invalid"},
    {relaying, "attr36"}, // Exchange Online's "TenantAttribution; Relay Access Denied"

    {domain_unknown, "domain not found"},
    {domain_unknown, "domain*does not exist"},
    {domain_unknown, "domain*does not accept mail"},
    {domain_unknown, "domain*not hosted here"},
    {domain_unknown, "unknown domain"},
    {domain_unknown, "no such domain"},
    {domain_unknown, "host unknown"},
    {domain_unknown, "host or domain name not found"},
    {domain_unknown, "bad destination system"},
    {domain_unknown, "unrouteable address"},
    {domain_unknown, "unroutable address"},
    {domain_unknown, "null mx"},
    {domain_unknown, "nullmx"},

    // Gmail, Exchange and Exchange Online, Yahoo, Apple, GMX, Postfix, Exim, qmail, Lotus, IronPort, Orange.
    {mailbox_unknown, "user unknown"},
    {mailbox_unknown, "unknown user"},
    {mailbox_unknown, "user*does not exist"},
    {mailbox_unknown, "user*doesn't exist"},
    {mailbox_unknown, "user*not found"},
    {mailbox_unknown, "user*is unknown"},
    {mailbox_unknown, "user*doesn't have a*account"},
    {mailbox_unknown, "not our customer"},
    {mailbox_unknown, "no such user"},
    {mailbox_unknown, "no such address"},
    {mailbox_unknown, "no such recipient"},
    {mailbox_unknown, "no such mailbox"},
    {mailbox_unknown, "no such account"},
    {mailbox_unknown, "no such person"},
    {mailbox_unknown, "no such local user"},
    {mailbox_unknown, "no mailbox here by that name"},
    {mailbox_unknown, "no mailbox"},
    {mailbox_unknown, "no mail box"},
    {mailbox_unknown, "no account"},
    {mailbox_unknown, "unknown recipient"},
    {mailbox_unknown, "unknown local"},
    {mailbox_unknown, "unknown mailbox"},
    {mailbox_unknown, "unknown account"},
    {mailbox_unknown, "unknown address"},
    {mailbox_unknown, "unknown email"},
    {mailbox_unknown, "unknown or illegal alias"},
    {mailbox_unknown, "recipient unknown"},
    {mailbox_unknown, "recipient not found"},
    {mailbox_unknown, "recipient*does not exist"},
    {mailbox_unknown, "recipnotfound"},
    {mailbox_unknown, "recipientnotfound"},
    {mailbox_unknown, "mailbox not found"},
    {mailbox_unknown, "mailbox unknown"},
    {mailbox_unknown, "mailbox*does not exist"},
    {mailbox_unknown, "mailbox*doesn't exist"},
    {mailbox_unknown, "account*does not exist"},
    {mailbox_unknown, "account*doesn't exist"},
    {mailbox_unknown, "account not found"},
    {mailbox_unknown, "address*does not exist"},
    {mailbox_unknown, "address*doesn't exist"},
    {mailbox_unknown, "address*not found"},
    {mailbox_unknown, "address unknown"},
    {mailbox_unknown, "address*is unknown"},
    {mailbox_unknown, "invalid recipient"},
    {mailbox_unknown, "invalid mailbox"},
    {mailbox_unknown, "invalid address"},
    {mailbox_unknown, "invalid user"},
    {mailbox_unknown, "not a valid mailbox"},
    {mailbox_unknown, "not a valid recipient"},
    {mailbox_unknown, "not a valid user"},
    {mailbox_unknown, "not a known user"},
    {mailbox_unknown, "not listed in"}, // Lotus: "not listed in Domino Directory"
    {mailbox_unknown, "bad destination mailbox address"},
    {mailbox_unknown, "adresse*inconnue"},
    {mailbox_unknown, "nom inconnu"},
    {mailbox_unknown, "unbekannt"},
    {mailbox_unknown, "recipient address rejected: undeliverable"},
    // Exchange Online's directory check; Postfix's access tables say the same words, and mean a rule.
    {mailbox_unknown, "recipient address rejected: access denied*aka.ms"},
    {mailbox_unknown, "recipient address rejected: access denied. as("},
    {mailbox_unknown, "mailbox unavailable"},
    {mailbox_unknown, "[ofr_416]"},

    {policy, "access denied"},
    {policy, "administrative prohibition"},
    {policy, "administratively denied"},
    {policy, "violates*policy"},
    {policy, "policy violation"},
    {policy, "policy reasons"},
    {policy, "policy rejection"},
    {policy, "local policy"},
    {policy, "security policy"},
    {policy, "security policies"},
    {policy, "due to policy"},
    {policy, "policy of the domain"},
    {policy, "not authorized to send"},
    {policy, "not permitted to send"},
    {policy, "not allowed to send"},
    {policy, "message refused"},
    {policy, "restrictedrecipient"},
    {policy, "only accepts*from"},
    {policy, "requires that all senders"},
    {policy, "anti-spoofing"},
    {policy, "blocked"},

    {protocol, "syntax error"},
    {protocol, "command not recognized"},
    {protocol, "command unrecognized"},
    {protocol, "unrecognized command"},
    {protocol, "unknown command"},
    {protocol, "command not implemented"},
    {protocol, "bad sequence of commands"},
    {protocol, "protocol error"},
    {protocol, "protocol violation"},
    {protocol, "smtputf8"},
    {protocol, "8bitmime"},

    // The receiver's own troubles.
    {system, "insufficient system"},
    {system, "insufficient disk"},
    {system, "insufficient storage"},
    {system, "insufficient resources"},
    {system, "resources temporarily unavailable"},
    {system, "resource temporarily unavailable"},
    {system, "out of memory"},
    {system, "disk full"},
    {system, "system load"},
    {system, "server busy"},
    {system, "server is busy"},
    {system, "server too busy"},
    {system, "too busy"},
    {system, "overloaded"},
    {system, "queue file write error"},
    {system, "server configuration problem"},
    {system, "server configuration error"},
    {system, "internal error"},
    {system, "internal server error"},
    {system, "local error"},
    {system, "system problem"},
    {system, "system error"},
    {system, "temporary lookup failure"},
    {system, "temporary failure"},
    {system, "temporary local problem"},
    {system, "temporary problem"},
    {system, "temporary server"},
    {system, "temporary error"},
    {system, "server error"},
    {system, "service unavailable"},
    {system, "service not available"},
    {system, "service currently unavailable"},
    {system, "service temporarily unavailable"},
    {system, "service is unavailable"},
    {system, "not accepting network messages"},
    {system, "mail loop"},
    {system, "routing loop"},
    {system, "too many hops"},
    {system, "hop count exceeded"},
    {system, "shutting down"},
    {system, "closing connection"},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "5.1.1", also as "(5.1.1)", "#5.1.1" or "5.1.1:": the same code again, in the middle of what is said.
bool is_enhanced_code(std::string_view word) {
  const auto first = std::ranges::find_if(word, is_digit);
  if (first == word.end()) return false;
  int dots = 0;
  for (const char c : word) {
    if (c == '.') ++dots;
    if (!is_digit(c) && c != '.' && c != '#' && c != '(' && c != ')' && c != ':') return false;
  }
  return dots == 2 && *first >= '2' && *first <= '5';
}

bool is_word_part(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }

// Where `piece` begins a word at or behind `from`: "rbl" is in "zen.rbl.example", not in "marble".
std::size_t find_words(std::string_view text, std::string_view piece, std::size_t from) {
  std::size_t at = text.find(piece, from);
  while (at != text.npos && at > 0 && is_word_part(text[at - 1]) && is_word_part(piece.front()))
    at = text.find(piece, at + 1);
  return at;
}

bool fits(std::string_view text, std::string_view words) {
  for (std::size_t from = 0;;) {
    const std::size_t star = words.find('*');
    const std::string_view piece = words.substr(0, star);
    const std::size_t at = find_words(text, piece, from);
    if (at == text.npos) return false;
    if (star == words.npos) return true;
    from = at + piece.size();
    words.remove_prefix(star + 1);
  }
}

} // namespace

std::span<const Phrase> known_phrases() { return phrases; }

std::string plain_words(std::string_view reply) {
  std::string plain;
  plain.reserve(reply.size());
  while (!reply.empty()) {
    const std::string_view word = reply.substr(0, reply.find(' '));
    reply.remove_prefix(std::min(word.size() + 1, reply.size()));
    if (word.empty() || word == "/" || word.contains('@') || is_enhanced_code(word)) continue;
    if (!plain.empty()) plain += ' ';
    for (const char c : word) plain += lower(c);
  }
  return plain;
}

std::optional<BounceClass> class_by_words(std::string_view plain) {
  const auto found = std::ranges::find_if(phrases, [&](const Phrase& one) { return fits(plain, one.words); });
  if (found == std::end(phrases)) return std::nullopt;
  return found->meaning;
}

} // namespace bulkmail::spool
