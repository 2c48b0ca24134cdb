#include "transport/tls/wire.h"

#include <openssl/bio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace bulkmail::transport {

namespace {

TlsWire& wire_of(BIO* bio) { return *static_cast<TlsWire*>(BIO_get_data(bio)); }

int read_in(BIO* bio, char* to, std::size_t size, std::size_t* done) {
  std::string_view& in = wire_of(bio).in;
  BIO_clear_retry_flags(bio);
  *done = std::min(size, in.size());
  if (*done == 0) { // more may come: no end of file
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(to, in.data(), *done);
  in.remove_prefix(*done);
  return 1;
}

int write_out(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
  wire_of(bio).out.append(from, size);
  *done = size;
  return 1;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

struct FreeMethod {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};

const BIO_METHOD* method() {
  static const std::unique_ptr<BIO_METHOD, FreeMethod> made = [] {
    std::unique_ptr<BIO_METHOD, FreeMethod> one(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes in memory"));
    BIO_meth_set_read_ex(one.get(), read_in);
    BIO_meth_set_write_ex(one.get(), write_out);
    BIO_meth_set_ctrl(one.get(), control);
    return one;
  }();
  return made.get();
}

} // namespace

BIO* make_bio(TlsWire& wire) {
  BIO* bio = BIO_new(method());
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  return bio;
}

} // namespace bulkmail::transport
