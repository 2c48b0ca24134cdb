// The judge of templates for the claimer: transport's, asked for every recipient.
#pragma once

#include "spool/drop/template_check.h"

namespace bulkmail::agent {

class MergeCheck final : public spool::TemplateCheck {
 public:
  [[nodiscard]] std::size_t most_octets() const override;
  [[nodiscard]] std::optional<Refusal> refuses(const spool::Envelope& envelope, std::string_view content,
                                               bool dot_stuffed) const override;
};

} // namespace bulkmail::agent
