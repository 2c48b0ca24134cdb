#include "agent/run/merge_check.h"

#include "transport/content/merge/template.h"
#include "transport/content/wire_form.h"

#include <fmt/format.h>

namespace bulkmail::agent {

using transport::MergeProblem;
using transport::MergeTemplate;

namespace {

spool::TemplateCheck::Refusal about(const spool::Envelope& envelope, std::size_t recipient,
                                    const MergeProblem& problem) {
  const auto address = envelope.recipient(recipient).address;
  if (problem.missing_field.empty())
    return {problem.code, fmt::format("the fields of {}: {}", address, problem.text), recipient};
  return {problem.code, fmt::format("the recipient {} has no field \"{}\"", address, problem.missing_field),
          recipient};
}

} // namespace

std::size_t MergeCheck::most_octets() const { return MergeTemplate::most_octets; }

std::optional<spool::TemplateCheck::Refusal>
MergeCheck::refuses(const spool::Envelope& envelope, std::string_view content, bool dot_stuffed) const {
  const std::string wire = transport::wire_form(content, dot_stuffed);
  const auto form = MergeTemplate::compile(wire, envelope.field_names());
  if (!envelope.merge) { // fields for a message that is no template: was XMERGE forgotten on MAIL?
    if (form && !form->has_placeholders()) return std::nullopt;
    return Refusal{
        "bad-template", "RCPT has XMERGE and the content placeholders, but MAIL has no XMERGE", {}};
  }
  if (!form) {
    if (form.error().missing_field.empty()) return Refusal{form.error().code, form.error().text, {}};
    return about(envelope, 0, form.error()); // nobody has it
  }
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    if (envelope.recipient(i).malformed) continue; // it fails alone
    if (const auto problem = form->refuses(envelope, i)) return about(envelope, i, *problem);
  }
  return std::nullopt;
}

} // namespace bulkmail::agent
