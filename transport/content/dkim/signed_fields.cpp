#include "transport/content/dkim/signed_fields.h"

#include "spool/ascii.h"
#include "transport/content/header.h"

namespace bulkmail::transport {
namespace {

using Once = SignedField::Once;

constexpr SignedField usual[] = {
    // Whom a reader believes it to be from, to and about: shown, so no second one may be added (§8.15).
    {"From", Once::always}, // §5.4: must be signed
    {"Reply-To", Once::always},
    {"Subject", Once::always},
    {"To", Once::always},
    {"Cc", Once::always},
    // How the body is read: one that is added would make something else of what was signed.
    {"MIME-Version", Once::always},
    {"Content-Type", Once::always},
    {"Content-Transfer-Encoding", Once::always},
    // Relays add those that are missing (RFC 6409 §8), which must not break the signature.
    {"Date", Once::if_present},
    {"Message-ID", Once::if_present},
    {"Sender", Once::if_present},
    {"In-Reply-To", Once::if_present},
    {"References", Once::if_present},
    // One-click unsubscription holds only if both are signed (RFC 8058 §4).
    {"List-Unsubscribe", Once::if_present},
    {"List-Unsubscribe-Post", Once::if_present},
    // §5.4.1 names the list's fields. A list further on that has its own may add them where there were none.
    {"List-Id", Once::if_present},
    {"List-Help", Once::if_present},
    {"List-Subscribe", Once::if_present},
    {"List-Post", Once::if_present},
    {"List-Owner", Once::if_present},
    {"List-Archive", Once::if_present},
    // Who sends a message on puts another set of these before (RFC 5322 §3.6.6).
    {"Resent-Date", Once::never},
    {"Resent-From", Once::never},
    {"Resent-To", Once::never},
    {"Resent-Cc", Once::never},
};

} // namespace

std::span<const SignedField> usual_signed_fields() { return usual; }

FieldSelection select_fields(std::string_view header, std::span<const SignedField> wanted) {
  std::vector<std::string_view> fields;
  while (!header.empty() && !header.starts_with("\r\n")) fields.push_back(take_field(header));
  FieldSelection selected;
  for (const auto& [name, more] : wanted) {
    const std::size_t before = selected.fields.size();
    for (std::size_t i = fields.size(); i-- > 0;) {
      if (!spool::equal_without_case(field_name(fields[i]), name)) continue;
      if (fields[i].find(':') == std::string_view::npos) continue; // a line that is no field
      selected.names.push_back(name);
      selected.fields.push_back(fields[i]);
    }
    const bool present = selected.fields.size() > before;
    if (more == Once::always || (more == Once::if_present && present)) selected.names.push_back(name);
  }
  return selected;
}

} // namespace bulkmail::transport
