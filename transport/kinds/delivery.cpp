#include "transport/kinds/delivery.h"

#include "transport/printable.h"

#include <fmt/format.h>

namespace bulkmail::transport::kinds {

std::string trace_fields(const Letter& letter) {
  return fmt::format("Return-Path: <{}>\nDelivered-To: {}\n", printable(letter.sender),
                     printable(letter.recipient));
}

} // namespace bulkmail::transport::kinds
