// Dot-stuffing of content in wire form for DATA (RFC 5321 §4.5.2): block by block, cut anywhere. What has no line that
// begins with a dot passes as it is.
#pragma once

#include <string>
#include <string_view>

namespace bulkmail::transport {

class DotStuffer {
 public:
  void append(std::string_view block, std::string& out);

 private:
  bool line_start_ = true;
};

} // namespace bulkmail::transport
