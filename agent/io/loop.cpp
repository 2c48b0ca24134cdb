#include "agent/io/loop.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bulkmail::agent {
namespace {

constexpr double bucket_base_ns = 1000.0;
constexpr double bucket_growth = 1.25;

struct PoolJob {
  uv_work_t request{};
  Loop* loop = nullptr;
  std::function<void()> work, done;
};

void must(int code, const char* what) {
  if (code < 0) throw std::runtime_error(std::string(what) + ": " + uv_strerror(code));
}

} // namespace

void LatencyHistogram::add(std::uint64_t nanoseconds) {
  const double scaled = std::max(1.0, static_cast<double>(nanoseconds) / bucket_base_ns);
  const auto bucket = static_cast<std::size_t>(std::log(scaled) / std::log(bucket_growth));
  ++counts_[std::min(bucket, buckets - 1)];
  ++total_;
  max_ = std::max(max_, nanoseconds);
}

void LatencyHistogram::add(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
  max_ = std::max(max_, other.max_);
}

double LatencyHistogram::percentile_ms(double fraction) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted && seen > 0) {
      return std::min(max_ms(), bucket_base_ns * std::pow(bucket_growth, static_cast<double>(i + 1)) / 1e6);
    }
  }
  return 0;
}

struct Loop::Signal {
  uv_signal_t handle{};
  std::function<void()> handler;
};

// Of libuv's own watcher a caller hears each of its renames out of the folder too, but not that the queue of events overflowed.
struct Loop::Watch {
  explicit Watch(int descriptor) : fd(descriptor) {}

  ~Watch() { ::close(fd); }

  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // A buffer a turn: the kernel may have 16,384 events, and what is left wakes the next one.
  void read() {
    alignas(inotify_event) std::array<char, 16 * 1024> buffer;
    if (const ssize_t got = ::read(fd, buffer.data(), buffer.size()); got > 0) {
      for (const char* at = buffer.data(); at < buffer.data() + got;) {
        const auto& event = *reinterpret_cast<const inotify_event*>(at);
        appeared((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0 && event.len > 0 ? event.name : "");
        at += sizeof event + event.len;
      }
    }
  }

  int fd;
  uv_poll_t handle{};
  std::function<void(std::string)> appeared;
};

Loop::Loop() {
  must(uv_loop_init(&loop_), "event loop");
  must(uv_loop_configure(&loop_, UV_METRICS_IDLE_TIME), "event loop");
  must(uv_timer_init(&loop_, &timer_), "timer");
  must(uv_prepare_init(&loop_, &prepare_), "prepare");
  must(uv_async_init(&loop_, &wake_, [](uv_async_t*) {}),
       "wake-up"); // what it is for is done before each wait
  timer_.data = prepare_.data = this;
}

Loop::~Loop() { close_all(); }

void Loop::close_all() {
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (uv_is_closing(handle) != 0) return;
        uv_close(handle, [](uv_handle_t* closed) {
          if (closed->type == UV_SIGNAL)
            delete static_cast<Signal*>(closed->data);
          else if (closed->type == UV_POLL)
            delete static_cast<Watch*>(closed->data);
        });
      },
      nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

Now Loop::now() {
  // steady_clock counts CLOCK_MONOTONIC as libuv does; a turn sees one time.
  const auto mono = Monotonic(std::chrono::milliseconds(uv_now(&loop_)));
  return {mono, std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
}

void Loop::run(std::function<void()> work, std::function<void()> done) {
  auto* job = new PoolJob; // libuv carries it through C; deleted in the second callback
  job->request.data = job;
  job->loop = this;
  job->work = std::move(work);
  job->done = std::move(done);
  ++jobs_;
  const int queued = uv_queue_work(
      &loop_, &job->request, [](uv_work_t* request) { static_cast<PoolJob*>(request->data)->work(); },
      [](uv_work_t* request, int) {
        const std::unique_ptr<PoolJob> finished(static_cast<PoolJob*>(request->data));
        --finished->loop->jobs_;
        finished->done();
      });
  must(queued, "worker pool");
}

void Loop::post(std::function<void()> task) { posted_.push_back(std::move(task)); }

void Loop::send(std::function<void()> task) {
  {
    const std::lock_guard lock(sent_lock_);
    sent_.push_back(std::move(task));
    if (sent_.size() > 1) return; // it is woken already
  }
  uv_async_send(&wake_);
}

void Loop::take_sent() {
  std::vector<std::function<void()>> sent;
  {
    const std::lock_guard lock(sent_lock_);
    sent.swap(sent_);
  }
  for (const auto& task : sent) task();
}

std::optional<Monotonic> Loop::take_turn() {
  std::optional<Monotonic> next;
  do {
    take_sent();
    for (const auto& task : std::exchange(posted_, {})) task();
    next = turn_();
  } while (!posted_.empty());
  return next;
}

void Loop::drive(const std::function<std::optional<Monotonic>()>& turn, const std::function<bool()>& over) {
  turn_ = turn;
  over_ = over;
  measured_at_ = 0;
  // prepare runs just before the loop waits: whatever happened since it last waited is behind it.
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) {
    auto& self = *static_cast<Loop*>(handle->data);
    const auto next = self.take_turn();
    if (self.over_()) {
      uv_stop(&self.loop_);
    } else if (next) {
      const auto now = Monotonic(std::chrono::milliseconds(uv_now(&self.loop_)));
      const auto wait = std::chrono::ceil<milliseconds>(*next - now).count();
      uv_timer_start(
          &self.timer_, [](uv_timer_t*) {}, static_cast<std::uint64_t>(std::max<std::int64_t>(wait, 0)), 0);
    } else {
      uv_timer_stop(&self.timer_);
    }
    self.measure();
  });
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_prepare_stop(&prepare_);
  uv_timer_stop(&timer_);
}

// A turn is all but the waiting. Callbacks run inside libuv's wait, before any hook of ours, so libuv has to tell them apart.
void Loop::measure() {
  const auto now = uv_hrtime(), idle = uv_metrics_idle_time(&loop_);
  if (measured_at_ != 0) latency_.add(now - measured_at_ - (idle - idle_));
  measured_at_ = now;
  idle_ = idle;
}

void Loop::finish_jobs() {
  while (jobs_ > 0) uv_run(&loop_, UV_RUN_ONCE);
}

void Loop::on_signal(int number, std::function<void()> handler) {
  auto signal = std::make_unique<Signal>();
  signal->handler = std::move(handler);
  signal->handle.data = signal.get();
  must(uv_signal_init(&loop_, &signal->handle), "signal");
  must(uv_signal_start(
           &signal->handle, [](uv_signal_t* handle, int) { static_cast<Signal*>(handle->data)->handler(); },
           number),
       "signal");
  static_cast<void>(signal.release()); // deleted when the handle is closed
}

void Loop::watch(const std::string& directory, std::function<void(std::string)> appeared) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "watch");
  auto watch = std::make_unique<Watch>(fd);
  if (::inotify_add_watch(fd, directory.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
    throw std::system_error(errno, std::generic_category(), "watch " + directory);
  watch->appeared = std::move(appeared);
  watch->handle.data = watch.get();
  must(uv_poll_init(&loop_, &watch->handle, fd), "watch");
  const int started = uv_poll_start(&watch->handle, UV_READABLE, [](uv_poll_t* handle, int, int) {
    static_cast<Watch*>(handle->data)->read();
  });
  static_cast<void>(watch.release()); // deleted when the handle is closed
  must(started, "watch");
}

} // namespace bulkmail::agent
