#include "transport/client/transaction.h"

namespace bulkmail::transport {

std::string_view to_string(Stage stage) {
  switch (stage) {
  case Stage::connect: return "connect";
  case Stage::greeting: return "greeting";
  case Stage::ehlo: return "EHLO";
  case Stage::starttls: return "STARTTLS";
  case Stage::tls: return "TLS";
  case Stage::auth: return "AUTH";
  case Stage::mail: return "MAIL FROM";
  case Stage::rcpt: return "RCPT TO";
  case Stage::data: return "DATA";
  case Stage::content: return "content";
  case Stage::end_of_data: return "end of data";
  case Stage::rset: return "RSET";
  case Stage::quit: return "QUIT";
  }
  return "connect";
}

} // namespace bulkmail::transport
