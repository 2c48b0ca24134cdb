// Owning pointers to OpenSSL's objects, which its headers need not be known for.
#pragma once

#include <memory>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

namespace bulkmail::transport {

struct FreeTls {
  void operator()(ssl_st* connection) const;
  void operator()(ssl_ctx_st* context) const;
  void operator()(ssl_session_st* session) const;
};

using SslPointer = std::unique_ptr<ssl_st, FreeTls>;
using SslContextPointer = std::unique_ptr<ssl_ctx_st, FreeTls>;
using SslSessionPointer = std::unique_ptr<ssl_session_st, FreeTls>;

} // namespace bulkmail::transport
