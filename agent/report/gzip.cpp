#include "agent/report/gzip.h"

#include <zlib.h>

#include <new>

namespace bulkmail::agent {

std::string gzip(std::string_view bytes) {
  constexpr int with_gzip_header = 15 + 16, memory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, with_gzip_header, memory, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    throw std::bad_alloc(); // of all it may complain of, memory alone is not in our hands
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH); // the bound holds: one call is enough
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

} // namespace bulkmail::agent
