// CPU time to sign one newsletter of 4 KiB with a key, all of it: header, body hash, signature, the field (dkim_cost.sh).
#include "transport/content/dkim/body_hash.h"
#include "transport/content/dkim/signature.h"
#include "transport/content/header.h"

#include <fmt/format.h>

#include <ctime>
#include <fstream>
#include <iterator>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string newsletter() {
  std::string text =
      "From: News <news@sender.example>\r\nTo: Ann Lee <ann@d1.example>\r\nSubject: This week\r\n"
      "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1234567890@sender.example>\r\n"
      "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
      "List-Unsubscribe: <https://sender.example/leave?t=abcdef>\r\n"
      "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n";
  for (int i = 0; text.size() < 4096; ++i)
    text += fmt::format("<p>Paragraph {} of a letter with words of the usual length.</p>\r\n", i);
  return text;
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) return 64;
  std::ifstream file(arguments[1]);
  auto key = DkimKey::parse(std::string(std::istreambuf_iterator<char>(file), {}));
  if (!key) return 66;
  const DkimIdentity identity{"sender.example", "s", *key, Canonical::relaxed, Canonical::relaxed, {}, {}};
  const std::string text = newsletter();
  const double begin = cpu_seconds();
  double spent = 0;
  int messages = 0;
  for (; spent < 3; spent = cpu_seconds() - begin) {
    for (int i = 0; i < 100; ++i, ++messages) {
      const std::string_view header = header_of(text);
      if (author_domain(header.substr(5, header.find('\r') - 5)) != "sender.example") return 70;
      BodyHash hash(identity.body);
      hash.update(std::string_view(text).substr(header.size()));
      if (!dkim_signature(identity, header, hash.finish(), Wall{})) return 70;
    }
  }
  fmt::print("{:.2f}\n", spent / messages * 1e6);
}
