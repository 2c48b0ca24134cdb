#include "spool/drop/format.h"

#include "spool/ascii.h"
#include "spool/drop/content_scan.h"
#include "spool/drop/envelope_lines.h"
#include "spool/drop/merge_object.h"
#include "spool/drop/parameters.h"

#include <fmt/format.h>

namespace bulkmail::spool {
namespace {

using Line = EnvelopeLines::Line;
using Step = std::expected<void, DropProblem>;

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

// "HELO" or "HELO name", but not "helo@example".
bool is_word(std::string_view line, std::string_view word) {
  return starts_without_case(line, word) && (line.size() == word.size() || line[word.size()] == ' ');
}

// May a line of which the file has only this much yet become one that starts so?
bool may_become(std::string_view part, std::string_view start) { return starts_without_case(start, part); }

bool may_become_address(std::string_view part) {
  const bool control = std::ranges::any_of(part, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  return !control && (part.find(' ') == part.npos || part.find('"') != part.npos);
}

std::string_view without_brackets(std::string_view address) {
  if (address.size() < 2 || !address.starts_with('<') || !address.ends_with('>')) return address;
  return address.substr(1, address.size() - 2);
}

constexpr std::string_view helo = "helo";
constexpr std::string_view ehlo = "ehlo";
constexpr std::string_view mail = "mail from:";
constexpr std::string_view rcpt = "rcpt to:";
constexpr std::string_view data = "data";
constexpr std::string_view quit = "quit";
constexpr std::string_view x_sender = "x-sender:";
constexpr std::string_view x_receiver = "x-receiver:";

class DropParser {
 public:
  explicit DropParser(Window& window) : window_(window), lines_(window) {}

  std::expected<ParsedDrop, DropProblem> parse() {
    const auto first = lines_.next();
    if (!first) return std::unexpected(first.error());
    if (const Step read = read_as_line_1_says(*first); !read) return std::unexpected(read.error());
    drop_.envelope = builder_.take();
    drop_.digest = window_.digest();
    return std::move(drop_);
  }

 private:
  Step read_as_line_1_says(const Line& first) {
    const std::string_view text = first.text;
    if (is_word(text, helo) || is_word(text, ehlo) || starts_without_case(text, mail)) return bsmtp(first);
    if (starts_without_case(text, x_sender)) return x_headers(first);
    if (first.ended) return nullmailer(first);
    if (text.empty()) return truncated("the file is empty");
    if (may_become(text, helo) || may_become(text, ehlo) || may_become(text, mail) ||
        may_become(text, x_sender) || may_become_address(trimmed(text)))
      return truncated("the file ends within line 1");
    return unknown_format();
  }

  // RFC 5321's commands in its order, as a client sends them when it need not wait for a reply.
  Step bsmtp(Line line) {
    if (is_word(line.text, helo) || is_word(line.text, ehlo)) {
      if (!line.ended) return truncated("the file ends within the HELO line");
      if (const Step read = next(line, "MAIL"); !read) return read;
    }
    if (!starts_without_case(line.text, mail)) return unexpected_line(line, mail, "MAIL FROM:<sender>");
    if (!line.ended) return truncated("the file ends within the MAIL line");
    if (const Step taken = mail_line(line.text.substr(mail.size())); !taken) return taken;
    while (true) {
      if (const Step read = next(line, "DATA"); !read) return read;
      if (line.ended && equal_without_case(trimmed(line.text), data)) break;
      if (!line.ended && (may_become(line.text, data) || starts_without_case(line.text, rcpt)))
        return truncated("the file ends within the envelope, before DATA");
      if (!starts_without_case(line.text, rcpt))
        return unexpected_line(line, rcpt, "RCPT TO:<recipient> or DATA");
      if (const Step taken = rcpt_line(line.text.substr(rcpt.size())); !taken) return taken;
    }
    if (builder_.size() == 0) return refused("no-recipients", "DATA before any RCPT TO:<recipient>");
    return stuffed_content();
  }

  Step mail_line(std::string_view arguments) {
    const auto [sender, parameters] = split_path(arguments);
    if (const Step taken = take_sender(sender); !taken) return taken;
    if (const auto taken = take_mail_parameters(parameters, builder_.envelope); !taken)
      return refused(taken.error().code, taken.error().text);
    return {};
  }

  Step rcpt_line(std::string_view arguments) {
    const auto [recipient, parameters] = split_path(arguments);
    RcptParameters given;
    if (const auto taken = take_rcpt_parameters(parameters, given); !taken)
      return refused(taken.error().code, taken.error().text);
    fields_.clear();
    if (given.merge) {
      if (const auto read = fields_.read(*given.merge); !read)
        return refused("bad-parameter",
                       "XMERGE must be base64 of a JSON object of strings and numbers: " + read.error());
      if (!builder_.name_fields(fields_.fields()))
        return refused("bad-parameter",
                       fmt::format("XMERGE has more than {} different names", FieldNames::most));
    }
    return take_recipient(recipient, given);
  }

  // Line 1 the sender, then the recipients, an empty line, the message.
  Step nullmailer(Line line) {
    const std::string_view sender = without_brackets(trimmed(line.text));
    if (!sender.empty() && !parse_mailbox(sender)) return unknown_format();
    builder_.sender(sender);
    while (true) {
      if (const Step read = next(line, "an empty line"); !read) return read;
      if (!line.ended) return truncated("the file ends within the envelope, before its empty line");
      const std::string_view recipient = trimmed(line.text);
      if (recipient.empty()) break;
      if (const Step taken = take_recipient(without_brackets(recipient), {}); !taken) return taken;
    }
    if (builder_.size() == 0)
      return refused("no-recipients",
                     "an empty line before any recipient: line 1 is the sender (this one is of the "
                     "nullmailer format), then comes one recipient a line");
    lines_.stop_behind();
    return plain_content();
  }

  // Header lines as Exchange's Replay directory has them; the first that is no X-Receiver begins the message.
  Step x_headers(Line line) {
    if (!line.ended) return truncated("the file ends within the X-Sender line");
    if (const Step taken = take_sender(without_brackets(trimmed(line.text.substr(x_sender.size())))); !taken)
      return taken;
    while (may_become(lines_.peek(x_receiver.size()), x_receiver)) {
      if (const Step read = next(line, "the message"); !read) return read;
      if (!line.ended) return truncated("the file ends within the X-Receiver lines");
      const std::string_view recipient = without_brackets(trimmed(line.text.substr(x_receiver.size())));
      if (const Step taken = take_recipient(recipient, {}); !taken) return taken;
    }
    if (builder_.size() == 0)
      return refused("no-recipients", "X-Sender must be followed by X-Receiver lines");
    return plain_content();
  }

  Step take_sender(std::string_view sender) {
    if (!sender.empty() && !parse_mailbox(sender))
      return refused("bad-sender", fmt::format("the sender \"{}\" is no mail address", excerpt(sender)));
    builder_.sender(sender);
    return {};
  }

  Step take_recipient(std::string_view recipient, const RcptParameters& given) {
    if (builder_.size() == max_recipients)
      return refused("too-many-recipients", fmt::format("more than {} recipients", max_recipients));
    if (builder_.size() == 0) drop_.lines.first = lines_.number();
    if (!builder_.recipient(recipient, given.notify, given.orcpt, fields_.fields()))
      drop_.lines.repeats.push_back(static_cast<std::uint32_t>(builder_.size()));
    return {};
  }

  // Up to the line of a single dot. Its own end of line and the one before it must be line 1's kind: any other
  // arrangement of CR, LF and dot is content.
  Step stuffed_content() {
    lines_.stop_before_end();
    const std::string end(lines_.end());
    const std::string end_of_data = end + "." + end;
    ContentScan scan(true);
    drop_.content = {window_.offset() + end.size(), 0, true};
    std::size_t before = end.size(); // octets of DATA's line end, not content, still in the window
    while (true) {
      const std::string_view unread = window_.unread();
      const std::size_t found = unread.find(end_of_data);
      if (found != unread.npos) {
        take_content(unread.substr(before, found + end.size() - before), scan);
        window_.consume(found + end_of_data.size());
        break;
      }
      if (unread.size() >= end_of_data.size() + before) {
        const std::size_t sure = unread.size() - end_of_data.size() + 1;
        take_content(unread.substr(before, sure - before), scan);
        window_.consume(sure);
        before = 0;
      }
      if (window_.fill()) continue;
      if (window_.failure()) return std::unexpected(unreadable(*window_.failure()));
      scan.add(window_.unread().substr(before)); // for its lines
      return std::unexpected(DropProblem{DropProblem::Kind::incomplete, "truncated",
                                         "the file ends within the message: its final dot is missing",
                                         lines_.number() + scan.lines()});
    }
    finish_content(scan);
    return nothing_but_quit(lines_.number() + scan.lines() + 2);
  }

  void take_content(std::string_view piece, ContentScan& scan) {
    scan.add(piece);
    drop_.content.length += piece.size();
    if (drop_.content.length <= ParsedDrop::small) drop_.small_content += piece;
  }

  void finish_content(ContentScan& scan) {
    scan.finish();
    drop_.size = scan.size();
    drop_.eight_bit = scan.eight_bit();
    drop_.message_id = scan.message_id();
    if (drop_.content.length > ParsedDrop::small) drop_.small_content = {};
  }

  Step nothing_but_quit(std::size_t line) {
    const std::string wanted = std::string(quit) + std::string(lines_.end());
    while (window_.unread().size() <= wanted.size() && window_.fill()) {
    }
    if (window_.failure()) return std::unexpected(unreadable(*window_.failure()));
    const std::string_view rest = window_.unread();
    const bool fits = starts_without_case(wanted, rest);
    if (rest.empty() || (fits && rest.size() >= quit.size())) return {};
    if (fits)
      return std::unexpected(DropProblem{DropProblem::Kind::incomplete, "truncated",
                                         "the file ends within its QUIT line", line});
    const bool behind = starts_without_case(rest, wanted);
    return std::unexpected(DropProblem{DropProblem::Kind::refused, "trailing-bytes",
                                       behind ? "bytes behind QUIT: one message a file"
                                              : "bytes behind the final dot: only QUIT may follow",
                                       line + (behind ? 1 : 0)});
  }

  // The message as it is, to the end of the file.
  Step plain_content() {
    ContentScan scan(false);
    drop_.content = {window_.offset(), 0, false};
    do {
      take_content(window_.unread(), scan);
      window_.consume(window_.unread().size());
    } while (window_.fill());
    if (window_.failure()) return std::unexpected(unreadable(*window_.failure()));
    finish_content(scan);
    return {};
  }

  Step next(Line& line, std::string_view wanted) {
    const auto read = lines_.next();
    if (!read) return std::unexpected(read.error());
    line = *read;
    if (line.text.empty() && !line.ended)
      return truncated(fmt::format("the file ends within the envelope, before {}", wanted));
    return {};
  }

  // A BSMTP line that is not what must stand here.
  Step unexpected_line(const Line& line, std::string_view start, std::string_view right) {
    const std::string_view text = line.text;
    if (!line.ended && may_become(text, start)) return truncated("the file ends within the envelope");
    for (const std::string_view known : {mail, rcpt})
      if (starts_without_case(text, known)) return bad_sequence(text, right);
    for (const std::string_view known : {helo, ehlo, data, quit})
      if (is_word(text, known)) return bad_sequence(text, right);
    return refused("unknown-verb",
                   fmt::format("\"{}\" is no line of an envelope; here must stand {}", excerpt(text), right));
  }

  Step bad_sequence(std::string_view text, std::string_view right) {
    return refused("bad-sequence",
                   fmt::format("\"{}\" has no place here; here must stand {}", excerpt(text), right));
  }

  Step unknown_format() {
    return refused("unknown-format",
                   "line 1 begins none of the formats: \"HELO\", \"EHLO\" or \"MAIL FROM:\" (BSMTP), "
                   "\"X-Sender:\", or a sender's address alone (nullmailer)");
  }

  Step refused(std::string code, std::string text) {
    return std::unexpected(lines_.refused(std::move(code), std::move(text)));
  }

  Step truncated(std::string text) { return std::unexpected(lines_.truncated(std::move(text))); }

  Window& window_;
  EnvelopeLines lines_;
  EnvelopeBuilder builder_;
  MergeObject fields_; // of the last RCPT
  ParsedDrop drop_;
};

} // namespace

std::size_t RecipientLines::of(std::size_t recipient) const {
  const auto later = std::ranges::upper_bound(repeats, recipient);
  return first + recipient + static_cast<std::size_t>(later - repeats.begin());
}

std::expected<ParsedDrop, DropProblem> parse_drop(File& file, std::uint64_t file_size, std::size_t block) {
  Window window(file, file_size, block);
  return DropParser(window).parse();
}

std::expected<ParsedDrop, DropProblem> parse_drop(std::string_view bytes) {
  Window window(bytes);
  return DropParser(window).parse();
}

} // namespace bulkmail::spool
