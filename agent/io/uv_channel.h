// A Channel over any libuv stream.
#pragma once

#include "agent/seams.h"

#include <uv.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace bulkmail::agent {

class Loop;

class UvChannel : public Channel {
 public:
  static std::unique_ptr<UvChannel> tcp(uv_loop_t* loop);
  static std::unique_ptr<UvChannel> pipe(uv_loop_t* loop);
  ~UvChannel() override;

  // Of a tcp channel; `from` is an address of this machine, or null.
  void connect(const sockaddr* to, const sockaddr* from, Loop& loop);
  void connect(const std::string& socket); // of a pipe channel
  void expect(Handler& handler);           // before connect
  [[nodiscard]] uv_stream_t* stream();

  void set_handler(Handler& handler) override;
  void write(std::string bytes) override;
  [[nodiscard]] std::size_t unwritten() const override;
  void pause_reading(bool paused) override;

 private:
  struct Core; // what libuv's callbacks hold on to; lives until the handle is closed
  struct Write;

  explicit UvChannel(Core* core) : core_(core) {}

  static void start_reading(Core& core);
  static void connected(uv_connect_t* request, int status);
  [[nodiscard]] int bind_to(const sockaddr* from);
  void write_rest(std::string bytes, std::size_t done);
  std::size_t try_write(std::string_view bytes);
  Core* core_;
};

} // namespace bulkmail::agent
