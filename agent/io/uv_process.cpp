#include "agent/io/uv_process.h"

#include "agent/io/descriptor.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace bulkmail::agent {
namespace {

// Pointers to each text, and a null behind them, as execve wants it.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

} // namespace

struct UvProcess::Core {
  uv_process_t process{};
  UvProcess* owner = nullptr; // null once that is destroyed
};

UvProcess::UvProcess(Loop& loop, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, Handler& handler)
    : handler_(handler) {
  const int error = spawn(loop, arguments, environment);
  if (error == 0) return;
  loop.post([this, error, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) handler_.broken(uv_strerror(error));
  });
}

UvProcess::~UvProcess() {
  if (core_ == nullptr) return;
  core_->owner = nullptr;
  ::kill(-core_->process.pid, SIGKILL); // it is not reaped yet: the group is still its own
}

int UvProcess::spawn(Loop& loop, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment) {
  // Pipes, not the socket pairs that libuv would make: a program may open /dev/stdin.
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return -errno;
  Descriptor program_reads(in[0]), we_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return -errno;
  Descriptor we_read(out[0]), program_writes(out[1]);

  std::array<uv_stdio_container_t, 3> streams{};
  for (auto& stream : streams) stream.flags = UV_INHERIT_FD;
  streams[0].data.fd = program_reads.get();
  streams[1].data.fd = streams[2].data.fd = program_writes.get();
  auto argument_pointers = pointers(arguments), environment_pointers = pointers(environment);
  uv_process_options_t options{};
  options.file = argument_pointers.front();
  options.args = argument_pointers.data();
  options.env = environment_pointers.data();
  options.cwd = "/";
  options.flags = UV_PROCESS_DETACHED; // the leader of a group
  options.stdio = streams.data();
  options.stdio_count = static_cast<int>(streams.size());
  options.exit_cb = [](uv_process_t* process, std::int64_t code, int signal) {
    auto* core = static_cast<Core*>(process->data);
    UvProcess* owner = core->owner;
    uv_close(reinterpret_cast<uv_handle_t*>(process),
             [](uv_handle_t* handle) { delete static_cast<Core*>(handle->data); });
    if (owner != nullptr) owner->exited(static_cast<int>(code), signal);
  };
  // Our own descriptors say so when they are opened; those of libraries and of whoever started us may not.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  auto* core = new Core; // deleted when libuv has closed the handle
  core->process.data = core;
  if (const int error = uv_spawn(loop.raw(), &core->process, &options); error != 0) {
    uv_close(reinterpret_cast<uv_handle_t*>(&core->process),
             [](uv_handle_t* handle) { delete static_cast<Core*>(handle->data); });
    return error;
  }
  core->owner = this;
  core_ = core;

  input_ = UvChannel::pipe(loop.raw());
  input_->expect(input_handler_);
  output_ = UvChannel::pipe(loop.raw());
  uv_pipe_open(reinterpret_cast<uv_pipe_t*>(input_->stream()), we_write.release());
  uv_pipe_open(reinterpret_cast<uv_pipe_t*>(output_->stream()), we_read.release());
  output_->set_handler(output_handler_);
  return 0;
}

void UvProcess::write(std::string bytes) {
  if (input_) input_->write(std::move(bytes));
}

std::size_t UvProcess::unwritten() const { return input_ ? input_->unwritten() : 0; }

void UvProcess::end() {
  ending_ = true;
  if (unwritten() == 0) input_.reset();
}

void UvProcess::input_drained() {
  if (ending_)
    input_.reset();
  else
    handler_.drained();
}

// It reads no more: that is its right, and its exit status says what came of it.
void UvProcess::input_gone() {
  input_.reset();
  if (!ending_) handler_.drained();
}

void UvProcess::exited(int code, int signal) {
  core_ = nullptr;
  read_rest();
  input_.reset();
  output_.reset();
  handler_.ended(code, signal); // may destroy this
}

// What it said last may still be on its way. Whoever it has started may hold the pipe open: its end is not waited for.
void UvProcess::read_rest() {
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(output_->stream()), &fd) != 0) return;
  std::array<char, 4096> block; // the rest of a line or two is all that anybody reads
  const auto count = ::read(fd, block.data(), block.size());
  if (count > 0) handler_.received({block.data(), static_cast<std::size_t>(count)});
}

} // namespace bulkmail::agent
