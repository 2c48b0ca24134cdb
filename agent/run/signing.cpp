#include "agent/run/signing.h"

#include "resolver/route.h"
#include "spool/ascii.h"
#include "transport/content/header.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {

using transport::BodyHash;
using transport::Canonical;
using transport::DkimIdentity;

namespace {

std::string canonical(const std::string& domain) {
  return resolver::canonical_domain(domain).value_or(domain);
}

// Where the body begins; npos: the header goes on. `from`: what was there before holds no end.
std::size_t end_of_header(std::string_view text, std::size_t from) {
  if (text.starts_with("\r\n")) return 2;
  const std::size_t end = text.find("\r\n\r\n", from < 3 ? 0 : from - 3);
  return end == text.npos ? end : end + 4;
}

} // namespace

std::vector<std::string> weak_keys(std::span<const DkimRule> rules) {
  std::vector<std::string> remarks;
  for (const DkimRule& rule : rules)
    if (rule.key && rule.key->algorithm() == transport::DkimKey::Algorithm::rsa_sha256 &&
        rule.key->bits() < transport::DkimKey::wanted_bits)
      remarks.push_back(fmt::format("{} is an RSA key of {} bits; {} or more are asked for (RFC 8301)",
                                    rule.key_file, rule.key->bits(), transport::DkimKey::wanted_bits));
  return remarks;
}

Signers::Signers(std::span<const DkimRule> rules) {
  for (const DkimRule& rule : rules) {
    std::optional<std::chrono::seconds> expire;
    if (rule.expire) {
      expire = std::chrono::floor<std::chrono::seconds>(*rule.expire);
      // The other half is for its way, greylisting and queues included.
      fresh_for_ = std::min(fresh_for_.value_or(*rule.expire), *rule.expire / 2);
    }
    Entry& entry = entries_.emplace_back(
        Entry{{},
              DkimIdentity{canonical(rule.domain), canonical(rule.selector), rule.key.value(),
                           rule.header_form(), rule.body_form(), rule.headers, expire}});
    const auto add = [&](const std::string& text) {
      if (auto pattern = DomainPattern::parse(text)) entry.match.push_back(*std::move(pattern));
    };
    for (const std::string& text : rule.match) add(text);
    if (rule.match.empty()) {
      add(rule.domain);
      add("." + rule.domain);
    }
  }
}

std::vector<const DkimIdentity*> Signers::matching(std::string_view author) const {
  std::vector<const DkimIdentity*> found;
  if (author.empty()) return found;
  for (const Entry& entry : entries_)
    if (std::ranges::any_of(entry.match, [&](const DomainPattern& each) { return each.matches(author); }))
      found.push_back(&entry.identity);
  return found;
}

void MessageSigner::update(std::string_view block) {
  if (!in_body_) {
    const std::size_t before = header_.size();
    if (before > most_header) return;
    header_ += block;
    const std::size_t end = end_of_header(header_, before);
    if (end == std::string::npos) return;
    block.remove_prefix(end - before);
    header_.resize(end);
    in_body_ = true;
    choose();
  }
  for (auto& [form, hash] : hashes_) hash.update(block);
}

// By the first From, if there should be more than one: all are signed.
void MessageSigner::choose() {
  for (std::string_view left = header_; !left.empty() && !left.starts_with("\r\n");) {
    const std::string_view field = transport::take_field(left);
    const std::size_t colon = field.find(':');
    if (colon == field.npos || !spool::equal_without_case(transport::field_name(field), "From")) continue;
    identities_ = signers_->matching(transport::author_domain(field.substr(colon + 1)));
    break;
  }
  for (const DkimIdentity* identity : identities_)
    if (std::ranges::find(hashes_, identity->body, [](const auto& each) { return each.first; }) ==
        hashes_.end())
      hashes_.emplace_back(identity->body, BodyHash(identity->body));
}

std::expected<std::string, std::string> MessageSigner::finish() {
  if (header_.size() > most_header)
    return std::unexpected(
        fmt::format("DKIM: the header is over {} octets, it can't be signed", most_header));
  if (!in_body_) choose(); // a header alone
  std::vector<std::pair<Canonical, spool::Digest>> digests;
  for (auto& [form, hash] : hashes_) digests.emplace_back(form, hash.finish());
  std::string fields;
  for (const DkimIdentity* identity : identities_) {
    const auto digest =
        std::ranges::find(digests, identity->body, [](const auto& each) { return each.first; });
    auto field = transport::dkim_signature(*identity, header_, digest->second, now_);
    if (!field)
      return std::unexpected(
          fmt::format("DKIM, {} of {}: {}", identity->selector, identity->domain, field.error()));
    fields += *field;
  }
  return fields;
}

} // namespace bulkmail::agent
