// A mail host's side of TLS, without I/O: what a client must get along with.
#pragma once

#include "authority.h"

#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace bulkmail::test {

// What all connections of a host share.
class TlsHost {
 public:
  enum class Versions { any, only_1_2, only_1_0 };

  explicit TlsHost(const Identity& identity, Versions versions = Versions::any,
                   const CertificatePointer& chain = nullptr);

  [[nodiscard]] ssl_ctx_st* context() const { return context_.get(); }

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

class TlsPeer {
 public:
  explicit TlsPeer(const TlsHost& host);

  void receive(std::string_view ciphertext);
  void write(std::string_view plaintext);
  void end(); // close_notify

  [[nodiscard]] std::string take_plaintext();
  [[nodiscard]] std::string take_output();

  [[nodiscard]] bool open() const { return open_; }

  [[nodiscard]] bool ended() const { return ended_; } // by the client's close_notify

  [[nodiscard]] bool failed() const { return failed_; }

  [[nodiscard]] bool resumed() const;
  [[nodiscard]] std::string server_name() const; // that the client asked for
  [[nodiscard]] std::string version() const;

 private:
  std::shared_ptr<ssl_st> connection_;
  std::string plaintext_;
  bool open_ = false, ended_ = false, failed_ = false;
};

} // namespace bulkmail::test
