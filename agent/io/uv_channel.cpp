#include "agent/io/uv_channel.h"

#include "agent/io/loop.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace bulkmail::agent {

struct UvChannel::Core {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };

  uv_connect_t connecting{};
  Handler* handler = nullptr; // null once the channel is destroyed
  std::size_t queued = 0;     // bytes given to uv_write and not yet written
  bool reading = false;
  bool ended = false;          // closed() was called
  std::shared_ptr<char> alive; // made when something posted to the loop refers to this

  Core() : handle{} { connecting.data = this; }

  void end(int error) {
    if (ended || handler == nullptr) return;
    ended = true;
    const bool local = error == UV_EMFILE || error == UV_ENFILE || error == UV_ENOBUFS ||
                       error == UV_ENOMEM || error == UV_EADDRNOTAVAIL;
    handler->closed(error == UV_EOF ? "connection closed by the peer" : uv_strerror(error), local);
  }
};

struct UvChannel::Write {
  uv_write_t request{};
  Core* core = nullptr;
  std::string bytes;
  std::size_t size = 0;
};

namespace {

// One buffer for all reads: libuv fills it and hands it on before it asks for the next.
std::array<char, 64 * 1024>& read_buffer() {
  thread_local std::array<char, 64 * 1024> buffer;
  return buffer;
}

} // namespace

std::unique_ptr<UvChannel> UvChannel::tcp(uv_loop_t* loop) {
  auto* core = new Core; // deleted when libuv has closed the handle
  uv_tcp_init(loop, &core->tcp);
  core->handle.data = core;
  uv_tcp_nodelay(&core->tcp, 1);
  return std::unique_ptr<UvChannel>(new UvChannel(core));
}

std::unique_ptr<UvChannel> UvChannel::pipe(uv_loop_t* loop) {
  auto* core = new Core; // deleted when libuv has closed the handle
  uv_pipe_init(loop, &core->pipe, 0);
  core->handle.data = core;
  return std::unique_ptr<UvChannel>(new UvChannel(core));
}

UvChannel::~UvChannel() {
  core_->handler = nullptr;
  uv_close(&core_->handle, [](uv_handle_t* handle) { delete static_cast<Core*>(handle->data); });
}

uv_stream_t* UvChannel::stream() { return &core_->stream; }

void UvChannel::expect(Handler& handler) { core_->handler = &handler; }

void UvChannel::set_handler(Handler& handler) {
  core_->handler = &handler;
  if (!core_->reading) start_reading(*core_);
}

// Without a port: each connection would else take one of 28,000 for itself, wherever it goes.
int UvChannel::bind_to(const sockaddr* from) {
  const int fd = ::socket(from->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes); // older kernels don't know it
  const socklen_t size = from->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  int error = ::bind(fd, from, size) == 0 ? 0 : -errno;
  if (error == 0) error = uv_tcp_open(&core_->tcp, fd);
  if (error != 0) ::close(fd);
  return error;
}

void UvChannel::connect(const sockaddr* to, const sockaddr* from, Loop& loop) {
  int started = from != nullptr ? bind_to(from) : 0;
  if (started == 0) {
    started = uv_tcp_connect(&core_->connecting, &core_->tcp, to, connected);
  }
  if (started == 0) return;
  core_->alive = std::make_shared<char>();
  loop.post([core = core_, alive = std::weak_ptr(core_->alive), started] {
    if (!alive.expired()) core->end(started);
  });
}

void UvChannel::connect(const std::string& socket) {
  uv_pipe_connect(&core_->connecting, &core_->pipe, socket.c_str(), connected);
}

void UvChannel::connected(uv_connect_t* request, int status) {
  auto& core = *static_cast<Core*>(request->data);
  if (core.handler == nullptr) return;
  if (status < 0) return core.end(status);
  if (!core.reading) start_reading(core);
  core.handler->connected();
}

void UvChannel::start_reading(Core& core) {
  core.reading = true;
  uv_read_start(
      &core.stream,
      [](uv_handle_t*, std::size_t, uv_buf_t* buffer) {
        *buffer = uv_buf_init(read_buffer().data(), static_cast<unsigned>(read_buffer().size()));
      },
      [](uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
        auto& self = *static_cast<Core*>(stream->data);
        if (self.handler == nullptr) return;
        if (count > 0) self.handler->received({buffer->base, static_cast<std::size_t>(count)});
        if (count < 0) self.end(static_cast<int>(count));
      });
}

void UvChannel::pause_reading(bool paused) {
  if (paused == !core_->reading) return;
  if (paused) {
    uv_read_stop(&core_->stream);
    core_->reading = false;
  } else {
    start_reading(*core_);
  }
}

std::size_t UvChannel::unwritten() const { return core_->queued; }

std::size_t UvChannel::try_write(std::string_view bytes) {
  if (core_->queued != 0) return 0;
  uv_buf_t buffer = uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int written = uv_try_write(&core_->stream, &buffer, 1);
  return written > 0 ? static_cast<std::size_t>(written) : 0;
}

void UvChannel::write(std::string bytes) {
  const std::size_t done = try_write(bytes);
  if (done < bytes.size()) write_rest(std::move(bytes), done);
}

void UvChannel::write_rest(std::string bytes, std::size_t done) {
  auto* write = new Write; // libuv carries it through C; deleted when written
  write->request.data = write;
  write->core = core_;
  write->bytes = std::move(bytes);
  write->size = write->bytes.size() - done;
  core_->queued += write->size;
  uv_buf_t buffer = uv_buf_init(write->bytes.data() + done, static_cast<unsigned>(write->size));
  const int started =
      uv_write(&write->request, &core_->stream, &buffer, 1, [](uv_write_t* request, int status) {
        const std::unique_ptr<Write> finished(static_cast<Write*>(request->data));
        Core& core = *finished->core;
        core.queued -= finished->size;
        if (core.handler == nullptr) return;
        if (status < 0)
          core.end(status);
        else if (core.queued == 0)
          core.handler->drained();
      });
  if (started < 0) {
    core_->queued -= write->size; // the read side reports the broken connection
    delete write;
  }
}

} // namespace bulkmail::agent
