#include "agent/run/file_outlet.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace bulkmail::agent {
namespace {

constexpr unsigned folder_mode = 0700, file_mode = 0600;

// Of an absolute path.
std::string_view folder_of(std::string_view path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

} // namespace

// One job at a time works on the file; the loop's side only ever adds to what is to be done, and looks at nothing of the file's.
struct FileOutlet::State {
  State(spool::Disk& d, Pool& p, transport::kinds::Opening o, Handler& h)
      : disk(d),
        pool(p),
        opening(std::move(o)),
        handler(&h) {}

  // The loop's.
  spool::Disk& disk;
  Pool& pool;
  const transport::kinds::Opening opening;
  Handler* handler; // null: it was dropped
  std::deque<std::string> waiting;
  std::size_t unwritten = 0;
  bool ending = false, working = false, over = false;

  // The job's.
  std::unique_ptr<spool::File> file;
  bool in_place = false;

  spool::Result<void> open();
  spool::Result<void> work(const std::deque<std::string>& blocks, bool last);
  void drop();
};

spool::Result<void> FileOutlet::State::open() {
  for (const std::string& folder : opening.folders) {
    if (disk.info(folder)) continue;
    if (auto made = disk.make_directory(folder, folder_mode); !made) return made;
    if (auto synced = disk.sync_directory(folder_of(folder)); !synced) return synced;
  }
  auto made = disk.create(opening.temporary, file_mode);
  if (!made) return std::unexpected(made.error());
  file = std::move(*made);
  return {};
}

spool::Result<void> FileOutlet::State::work(const std::deque<std::string>& blocks, bool last) {
  if (!file)
    if (auto opened = open(); !opened) return opened;
  for (const auto& block : blocks)
    if (auto written = file->append(block); !written) return written;
  if (!last) return {};
  if (auto synced = file->sync_data(); !synced) return synced;
  // Names are unique: what is there already is somebody else's.
  if (auto renamed = disk.rename_new(opening.temporary, opening.place); !renamed) return renamed;
  in_place = true;
  return disk.sync_directory(folder_of(opening.place));
}

void FileOutlet::State::drop() {
  if (!file) return;
  file.reset();
  // Should it stay, whoever cleans old files out of tmp/ takes it.
  if (!in_place) (void)disk.remove(opening.temporary);
}

FileOutlet::FileOutlet(spool::Disk& disk, Pool& pool, const transport::kinds::Opening& opening,
                       Handler& handler)
    : state_(std::make_shared<State>(disk, pool, opening, handler)) {}

FileOutlet::~FileOutlet() {
  state_->handler = nullptr;
  if (!state_->working) run(state_);
}

std::size_t FileOutlet::unwritten() const { return state_->unwritten; }

void FileOutlet::write(std::string bytes) {
  state_->unwritten += bytes.size();
  state_->waiting.push_back(std::move(bytes));
  if (!state_->working) run(state_);
}

void FileOutlet::end() {
  state_->ending = true;
  if (!state_->working) run(state_);
}

// Does what there is to be done, and when that is done what has come meanwhile.
void FileOutlet::run(const std::shared_ptr<State>& state) {
  if (state->over) return;
  state->working = true;
  if (state->handler == nullptr) {
    state->over = true;
    state->pool.run([state] { state->drop(); }, [] {});
    return;
  }
  auto blocks = std::make_shared<std::deque<std::string>>(std::exchange(state->waiting, {}));
  auto result = std::make_shared<spool::Result<void>>();
  const bool last = state->ending;
  state->pool.run(
      [state, blocks, result, last] {
        *result = state->work(*blocks, last);
        if (!*result || last) state->drop();
      },
      [state, blocks, result, last] {
        state->working = false;
        for (const auto& block : *blocks) state->unwritten -= block.size();
        if (!*result || last) state->over = true;
        if (state->handler == nullptr) return run(state);
        if (!*result) return state->handler->broken(result->error().text);
        if (last) return state->handler->ended(0, 0);
        if (!state->waiting.empty() || state->ending) run(state);
        if (state->unwritten == 0 && !state->ending) state->handler->drained();
      });
}

} // namespace bulkmail::agent
