#include "dialog_client.h"

#include "transport/content/wire_form.h"
#include "transport/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

namespace bulkmail::transport {

namespace {

using Step = DialogStep::Kind;

constexpr std::string_view default_content = "Hi\n";

ClientConfig config_of(const DialogScript& script) {
  ClientConfig config;
  config.hostname = "relay.example";
  if (script.head("protocol") == "lmtp") config.protocol = ClientConfig::Protocol::lmtp;
  config.allow_pipelining = script.head("pipelining", "allowed") == "allowed";
  config.allow_chunking = script.head("chunking", "allowed") == "allowed";
  config.allow_running_ahead = script.head("ahead") == "yes"; // whatever the round trip
  config.run_ahead_from = {};
  config.messages_per_connection = std::stoull(script.head("messages", "1000"));
  config.eight_bit = script.head("eight-bit", "send") == "send" ? EightBit::send : EightBit::fail;
  const std::string tls = script.head("tls", "never");
  config.tls = tls == "if offered" ? UseTls::if_offered
               : tls == "always"   ? UseTls::always
               : tls == "at once"  ? UseTls::at_once
                                   : UseTls::never;
  return config;
}

std::string_view name_of(Trouble::Kind kind) {
  switch (kind) {
  case Trouble::Kind::none: return "none";
  case Trouble::Kind::refused: return "refused";
  case Trouble::Kind::timeout: return "timeout";
  case Trouble::Kind::lost: return "lost";
  case Trouble::Kind::malformed: return "malformed";
  case Trouble::Kind::no_entry: return "no-entry";
  case Trouble::Kind::shutdown: return "shutdown";
  case Trouble::Kind::insecure: return "insecure";
  }
  return "";
}

spool::Notify notify_of(std::string_view value) {
  const auto has = [&](std::string_view word) { return value.find(word) != std::string_view::npos; };
  return {.given = true,
          .never = has("never"),
          .success = has("success"),
          .failure = has("failure"),
          .delay = has("delay")};
}

Transaction transaction_of(const std::string& arguments) {
  Transaction transaction;
  for (auto& [word, value] : words(arguments)) {
    if (word == "from")
      transaction.sender = value;
    else if (word == "to")
      transaction.recipients.push_back({.address = value, .notify = {}, .orcpt = {}});
    else if (word == "notify")
      transaction.recipients.back().notify = notify_of(value);
    else if (word == "orcpt")
      transaction.recipients.back().orcpt = value;
    else if (word == "size")
      transaction.size = std::stoull(value);
    else if (word == "8bit")
      transaction.eight_bit = true;
    else if (word == "utf8")
      transaction.needs_smtp_utf8 = true;
    else if (word == "ret")
      transaction.ret = value == "full" ? spool::Ret::full : spool::Ret::headers;
    else if (word == "envid")
      transaction.envid = value;
    else
      throw std::runtime_error("send: what is " + word + "?");
  }
  return transaction;
}

} // namespace

DialogPlay::DialogPlay(const DialogScript& script, Pace pace, End end, std::size_t cut)
    : script_(script),
      pace_(pace),
      end_(end),
      left_(cut),
      client_(config_of(script), now_) {
  play();
  finish();
}

void DialogPlay::play() {
  pump();
  for (std::size_t i = 0; i < script_.steps.size(); ++i) {
    const DialogStep& step = script_.steps[i];
    switch (step.kind) {
    case Step::server: {
      std::string octets = step.text;
      while (i + 1 < script_.steps.size() && script_.steps[i + 1].kind == Step::server)
        octets += script_.steps[++i].text;
      if (!server_says(octets)) return;
      break;
    }
    case Step::client: client_must_say(step); break;
    case Step::action: perform(step); break;
    case Step::expect: expected.push_back(unescape(step.text)); break;
    }
  }
}

bool DialogPlay::server_says(const std::string& octets) {
  const bool cut_here = end_ != End::none && octets.size() > left_;
  const std::string_view heard = std::string_view(octets).substr(0, cut_here ? left_ : octets.size());
  left_ -= std::min(left_, heard.size());
  const std::size_t step = pace_ == Pace::whole ? std::max<std::size_t>(heard.size(), 1) : 1;
  for (std::size_t at = 0; at < heard.size(); at += step) {
    client_.receive(heard.substr(at, step), now_);
    pump();
  }
  if (!cut_here) return true;
  if (end_ == End::lost) client_.lost("cut", now_);
  if (end_ == End::timeout && client_.deadline()) client_.timeout(*client_.deadline());
  pump();
  return false;
}

void DialogPlay::client_must_say(const DialogStep& step) {
  if (output_.starts_with(step.text)) {
    output_.erase(0, step.text.size());
    return;
  }
  said.push_back(fmt::format("{}:{}: not \"{}\" but \"{}\"", script_.name, step.line, step.text,
                             std::exchange(output_, {})));
}

void DialogPlay::perform(const DialogStep& step) {
  if (step.text == "pause") return; // what follows comes in another read
  const std::string verb = step.text.substr(0, step.text.find(' '));
  const std::string argument = step.text.substr(std::min(step.text.size(), verb.size() + 1));
  if (verb == "send")
    start(argument);
  else if (verb == "quit")
    client_.quit(now_);
  else if (verb == "tls")
    argument.empty() ? client_.tls_established(now_) : client_.tls_failed(argument, now_);
  else if (verb == "lost")
    client_.lost(argument, now_);
  else if (verb == "wait")
    client_.timeout(now_ += std::chrono::seconds(std::stoi(argument)));
  else if (verb == "block")
    client_.content_progress(now_);
  else if (verb == "chunk")
    client_.send_content(unescape(argument), false, now_);
  else if (verb == "dot" || verb == "last")
    client_.send_content(unescape(argument), true, now_);
  else if (verb == "abandon")
    client_.abandon_content(argument, now_);
  else
    throw std::runtime_error(fmt::format("{}:{}: what is {}?", script_.name, step.line, verb));
  pump();
}

void DialogPlay::start(const std::string& arguments) {
  if (settled_ == started_.size()) dot_out_ = false;
  started_.push_back(transaction_of(arguments));
  client_.start(started_.back(), now_);
}

void DialogPlay::pump() {
  while (const auto event = client_.next_event()) handle(*event);
  dot_out_ = dot_out_ || client_.content_sent();
  output_ += client_.take_output();
}

void DialogPlay::handle(const Event& event) {
  if (closed_ > 0) broken.emplace_back("an event after `closed`");
  switch (event.kind) {
  case Event::Kind::start_tls: told.emplace_back("start tls"); break;
  case Event::Kind::ready: told.emplace_back("ready"); break;
  case Event::Kind::send_content:
    output_ += client_.take_output();
    if (script_.head("content") == "by hand") break;
    client_.send_content(wire_form(default_content, false), true, now_);
    dot_out_ = true;
    break;
  case Event::Kind::settled: settled(event); break;
  case Event::Kind::closed:
    ++closed_;
    if (event.pipelining_broken) told.emplace_back("pipelining broken");
    if (event.chunking_broken) told.emplace_back("chunking broken");
    if (event.running_ahead_broken) told.emplace_back("running ahead broken");
    told.push_back(
        event.trouble.kind == Trouble::Kind::none
            ? "closed"
            : fmt::format("closed: {} at {}", name_of(event.trouble.kind), to_string(event.trouble.stage)));
    break;
  }
}

void DialogPlay::settled(const Event& event) {
  if (++settled_ > started_.size()) {
    broken.emplace_back("a transaction settled twice");
    return;
  }
  if (event.transaction != settled_) broken.emplace_back("settled out of order");
  const Transaction& transaction = started_[settled_ - 1];
  if (event.results.size() != transaction.recipients.size())
    broken.emplace_back("not one result a recipient");
  bool accepting = false;
  for (std::size_t i = 0; i < event.results.size(); ++i) {
    const RecipientResult& result = event.results[i];
    const std::string& address = transaction.recipients[i].address;
    if (result.kind == RecipientResult::Kind::again) {
      told.push_back(fmt::format("{} again", address));
      continue;
    }
    if (result.kind == RecipientResult::Kind::indeterminate && !dot_out_)
      broken.emplace_back("indeterminate without a dot");
    const spool::Outcome outcome = verdict(result, {}, true, {});
    accepting = accepting || outcome.action == spool::Action::relayed;
    told.push_back(fmt::format("{} {} {} at {}{}", address, spool::to_string(outcome.action), outcome.status,
                               to_string(result.stage), outcome.indeterminate ? ", indeterminate" : ""));
  }
  if (event.untried) told.emplace_back("untried");
  if (accepting) ++accepting_transactions;
}

void DialogPlay::finish() {
  if (!output_.empty() && end_ == End::none)
    said.push_back(fmt::format("{}: more: \"{}\"", script_.name, output_));
  if (closed_ > 0 && (client_.deadline() || client_.idle())) broken.emplace_back("alive after `closed`");
  if (end_ == End::none) return;
  if (settled_ != started_.size()) broken.emplace_back("a transaction without an answer");
  if (closed_ > 1 || (end_ == End::lost && closed_ == 0)) broken.emplace_back("not closed once");
}

std::vector<std::size_t> accepting_replies(const DialogScript& script) {
  std::vector<std::size_t> ends;
  std::deque<bool> unanswered{
      false}; // by command, the greeting first: whether it ends content, and not a lone dot
  std::size_t octets = 0, chunk_left = 0;
  bool in_data = false;
  for (std::size_t i = 0; i < script.steps.size(); ++i) {
    const auto& [kind, text, line] = script.steps[i];
    if (kind == Step::client) {
      if (chunk_left > 0) {
        chunk_left -= std::min(chunk_left, text.size());
      } else if (!in_data || text == ".\r\n") {
        const bool last_chunk = text.starts_with("BDAT ") && text.ends_with(" LAST\r\n");
        unanswered.push_back(last_chunk || (in_data && script.steps[i - 1].kind != Step::server));
        if (text.starts_with("BDAT ")) chunk_left = std::stoull(text.substr(5));
        in_data = false;
      }
    } else if (kind == Step::server) {
      octets += text.size();
      if ((text.size() > 3 && text[3] == '-') || unanswered.empty()) continue;
      in_data = text.starts_with("354");
      if (unanswered.front() && text.starts_with('2')) ends.push_back(octets);
      unanswered.pop_front();
    }
  }
  return ends;
}

std::size_t server_octets(const DialogScript& script) {
  std::size_t octets = 0;
  for (const DialogStep& step : script.steps) octets += step.kind == Step::server ? step.text.size() : 0;
  return octets;
}

} // namespace bulkmail::transport
