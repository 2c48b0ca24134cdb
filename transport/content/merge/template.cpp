#include "transport/content/merge/template.h"

#include "spool/ascii.h"
#include "transport/content/header.h"
#include "transport/content/merge/mime.h"
#include "transport/content/wire_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

namespace bulkmail::transport {

using spool::equal_without_case;

// Walks the MIME structure and cuts the content into sections.
class TemplateCompiler {
 public:
  using Done = std::expected<void, MergeProblem>;

  TemplateCompiler(MergeTemplate& form, const spool::FieldNames& names) : form_(form), names_(names) {}

  Done compile(std::string_view wire) { return entity(wire, "text/plain", 0); }

 private:
  using Text = MergeTemplate::Text;

  // What of a header says how its body is to be read.
  struct Header {
    std::optional<std::string> type, encoding; // unfolded
    bool mime_version = false;
  };

  // A header and its body: the message, or a part of it.
  Done entity(std::string_view text, std::string_view default_type, std::size_t depth) {
    const std::string_view head = header_of(text);
    const std::string_view body = text.substr(head.size());
    const Header header = read(head);
    const ContentType type = ContentType::parse(header.type.value_or(std::string(default_type)));
    form_.sections_.emplace_back();
    if (type.type == "multipart" && !type.is("multipart", "signed") && !type.is("multipart", "encrypted")) {
      if (const Done done = add_head(head, header, nullptr, depth); !done) return done;
      return multipart(body, type, depth);
    }
    if (type.type == "text") {
      auto compiled = TextBody::compile(body, setting_of(header, type), names_, form_.use_);
      if (!compiled) return std::unexpected(std::move(compiled.error()));
      if (*compiled) {
        form_.particular_ = form_.particular_ || (*compiled)->particular();
        if (const Done done = add_head(head, header, &**compiled, depth); !done) return done;
        form_.sections_.back().body = std::move(*compiled);
        return {};
      }
    } else if (depth > 0) { // a part that is left alone, with its header
      literal(text);
      return {};
    }
    if (const Done done = add_head(head, header, nullptr, depth); !done) return done;
    literal(body);
    return {};
  }

  Done multipart(std::string_view body, const ContentType& type, std::size_t depth) {
    if (type.boundary.empty()) return bad("a multipart without a boundary");
    if (depth == MergeTemplate::deepest)
      return bad(fmt::format("more than {} multiparts within each other", depth));
    const std::string delimiter = "--" + type.boundary;
    delimiters_.push_back(delimiter);
    const std::string_view default_type = type.subtype == "digest" ? "message/rfc822" : "text/plain";
    Stretch found = next_delimiter(body, delimiter);
    literal(body.substr(0, found.end)); // the preamble
    while (found.end > found.begin && !found.last) {
      body.remove_prefix(found.end);
      found = next_delimiter(body, delimiter);
      if (const Done done = entity(body.substr(0, found.begin), default_type, depth + 1); !done) return done;
      form_.sections_.emplace_back();
      literal(body.substr(found.begin, found.end - found.begin));
    }
    literal(body.substr(found.end)); // the epilogue
    delimiters_.pop_back();
    return {};
  }

  // A delimiter line with the line end before it, which belongs to it (RFC 2046 §5.1.1).
  struct Stretch {
    std::size_t begin = 0, end = 0;
    bool last = false;
  };

  static Stretch next_delimiter(std::string_view text, std::string_view delimiter) {
    for (std::size_t at = 0; (at = text.find(delimiter, at)) != text.npos; at += delimiter.size()) {
      if (at != 0 && text[at - 1] != '\n') continue;
      const std::size_t end = std::min(text.find("\r\n", at), text.size());
      std::string_view behind = text.substr(at + delimiter.size(), end - at - delimiter.size());
      const bool last = behind.starts_with("--");
      if (last) behind.remove_prefix(2);
      if (behind.find_first_not_of(" \t") != behind.npos) continue; // another boundary that begins alike
      return {at >= 2 ? at - 2 : at, std::min(end + 2, text.size()), last};
    }
    return {text.size(), text.size(), true};
  }

  static std::string value_of(std::string_view field) {
    const std::size_t colon = field.find(':');
    return colon == field.npos ? std::string() : unfolded(field.substr(colon + 1));
  }

  static Header read(std::string_view head) {
    Header header;
    while (!head.empty()) {
      const std::string_view field = take_field(head);
      if (equal_without_case(field_name(field), "Content-Type")) header.type = value_of(field);
      if (equal_without_case(field_name(field), "Content-Transfer-Encoding")) header.encoding = value_of(field);
      if (equal_without_case(field_name(field), "MIME-Version")) header.mime_version = true;
    }
    return header;
  }

  [[nodiscard]] TextSetting setting_of(const Header& header, const ContentType& type) const {
    TextSetting setting;
    const std::string encoding = header.encoding.value_or("7bit");
    if (equal_without_case(encoding, "quoted-printable"))
      setting.encoding = BodyEncoding::quoted_printable;
    else if (equal_without_case(encoding, "base64"))
      setting.encoding = BodyEncoding::base64;
    else if (equal_without_case(encoding, "8bit") || equal_without_case(encoding, "binary"))
      setting.seven_bit = false;
    setting.ascii = type.charset.empty() || equal_without_case(type.charset, "us-ascii") ||
                    equal_without_case(type.charset, "ascii");
    const bool utf8 = equal_without_case(type.charset, "utf-8") || equal_without_case(type.charset, "utf8");
    if (!setting.ascii && !utf8) setting.charset = type.charset;
    setting.html = type.subtype == "html" || type.subtype == "x-amp-html" || type.subtype == "xml";
    setting.delimiters = delimiters_;
    return setting;
  }

  // The fields of a header; those that say how the body is to be read in both their forms, if it may change.
  Done add_head(std::string_view head, const Header& header, const TextBody* body, std::size_t depth) {
    const bool plain = body != nullptr && body->setting().encoding == BodyEncoding::plain;
    const bool ascii = body != nullptr && body->setting().ascii;
    while (!head.empty()) {
      const std::string_view field = take_field(head);
      if (field == "\r\n") {
        add_missing_fields(header, plain, ascii, depth);
        literal(field);
        continue;
      }
      auto merged = HeaderField::compile(field, names_, form_.use_);
      if (!merged) return std::unexpected(std::move(merged.error()));
      if (*merged) {
        form_.particular_ = form_.particular_ || (*merged)->particular();
        form_.memory_ += 2 * field.size();
        form_.sections_.back().head.emplace_back(std::move(**merged));
      } else if (ascii && equal_without_case(field_name(field), "Content-Type")) {
        alternative(field, content_type_in_utf8(value_of(field)), true, false);
      } else if (plain && equal_without_case(field_name(field), "Content-Transfer-Encoding")) {
        alternative(field, "Content-Transfer-Encoding: quoted-printable\r\n", false, true);
      } else {
        literal(field);
      }
    }
    return {};
  }

  void add_missing_fields(const Header& header, bool plain, bool ascii, std::size_t depth) {
    if (!header.mime_version && depth == 0 && (plain || ascii))
      alternative({}, "MIME-Version: 1.0\r\n", ascii, plain);
    if (!header.type && ascii) alternative({}, content_type_in_utf8({}), true, false);
    if (!header.encoding && plain)
      alternative({}, "Content-Transfer-Encoding: quoted-printable\r\n", false, true);
  }

  void alternative(std::string_view as_it_came, std::string otherwise, bool if_utf8,
                   bool if_quoted_printable) {
    form_.sections_.back().head.emplace_back(
        Text{std::string(as_it_came), std::move(otherwise), if_utf8, if_quoted_printable});
  }

  void literal(std::string_view text) {
    auto& head = form_.sections_.back().head;
    auto* last = head.empty() ? nullptr : std::get_if<Text>(&head.back());
    if (last != nullptr && !last->if_utf8 && !last->if_quoted_printable)
      last->as_it_came += text;
    else
      head.emplace_back(Text{std::string(text), {}, false, false});
  }

  static std::unexpected<MergeProblem> bad(std::string text) {
    return std::unexpected(MergeProblem{"bad-template", std::move(text), {}});
  }

  MergeTemplate& form_;
  const spool::FieldNames& names_;
  std::vector<std::string> delimiters_;
};

std::expected<MergeTemplate, MergeProblem> MergeTemplate::compile(std::string_view wire,
                                                                  const spool::FieldNames& names) {
  if (wire.size() > most_octets)
    return std::unexpected(
        MergeProblem{"template-too-large", fmt::format("a template is at most {} octets", most_octets), {}});
  MergeTemplate form;
  form.names_ = names.size();
  if (auto done = TemplateCompiler(form, names).compile(wire); !done)
    return std::unexpected(std::move(done.error()));
  form.memory_ += wire.size() + form.sections_.size() * sizeof(Section) + sizeof form;
  return form;
}

std::vector<std::string_view> MergeTemplate::values_of(const spool::Envelope& envelope,
                                                       std::size_t recipient) const {
  std::vector<std::string_view> values(names_);
  for (spool::MergeFields packed = envelope.merge_fields(recipient); !packed.empty();) {
    const auto field = packed.take();
    values[field.name] = field.value;
  }
  return values;
}

std::optional<MergeProblem> MergeTemplate::refuses(const spool::Envelope& envelope,
                                                   std::size_t recipient) const {
  std::bitset<spool::FieldNames::most> there;
  std::size_t octets = 0;
  for (spool::MergeFields packed = envelope.merge_fields(recipient); !packed.empty();) {
    const auto field = packed.take();
    there.set(field.name);
    octets += use_.times[field.name] * field.value.size();
  }
  for (std::size_t name = 0; name < names_; ++name)
    if (use_.times[name] > 0 && !there.test(name))
      return MergeProblem{"missing-field", {}, std::string(envelope.field_names()[name])};
  if (octets > most_octets)
    return MergeProblem{"template-too-large", fmt::format("the values are over {} octets", most_octets), {}};
  if (!particular_) return std::nullopt;

  const auto values = values_of(envelope, recipient);
  for (const Section& section : sections_) {
    for (const auto& item : section.head)
      if (const auto* field = std::get_if<HeaderField>(&item))
        if (std::string why = field->refuses(values, envelope.smtp_utf8); !why.empty())
          return MergeProblem{"bad-value", std::move(why), {}};
    if (section.body && section.body->particular() && section.body->refuses(values))
      return MergeProblem{"bad-value",
                          fmt::format("a value has characters that the charset \"{}\" of a text part has not",
                                      section.body->setting().charset),
                          {}};
  }
  return std::nullopt;
}

void MergeTemplate::append_head(std::string& out, const Section& section, BodyNeeds needs,
                                MergeValues values) {
  for (const auto& item : section.head) {
    if (const auto* field = std::get_if<HeaderField>(&item)) {
      field->append(out, values);
      continue;
    }
    const auto& text = std::get<Text>(item);
    const bool otherwise =
        (text.if_utf8 && needs.utf8) || (text.if_quoted_printable && needs.quoted_printable);
    out += otherwise ? text.otherwise : text.as_it_came;
  }
}

MergedContent MergeTemplate::render(const spool::Envelope& envelope, std::size_t recipient) const {
  const auto values = values_of(envelope, recipient);
  std::string content, body;
  content.reserve(memory_);
  for (const Section& section : sections_) {
    body.clear();
    BodyNeeds needs;
    if (section.body) needs = section.body->append(body, values); // first: what its header says depends on it
    append_head(content, section, needs, values);
    content += body;
  }
  MergedContent merged;
  WireEncoder encoder(false);
  encoder.encode(content, merged.wire);
  encoder.finish(merged.wire);
  merged.size = encoder.size();
  merged.eight_bit = encoder.eight_bit();
  return merged;
}

} // namespace bulkmail::transport
