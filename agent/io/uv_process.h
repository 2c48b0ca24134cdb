// A program as an Outlet: what is written is its standard input, what it says on standard output and error is received.
//
// It leads a process group of its own, and has no descriptor but those three. Destroyed before it has ended it is killed, with
// its group; libuv reaps it then in its own time.
#pragma once

#include "agent/io/loop.h"
#include "agent/io/uv_channel.h"
#include "agent/seams.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

class UvProcess final : public Outlet {
 public:
  UvProcess(Loop& loop, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, Handler& handler);
  ~UvProcess() override;

  void write(std::string bytes) override;
  [[nodiscard]] std::size_t unwritten() const override;
  void end() override;

 private:
  struct Core; // what libuv's callbacks hold on to; lives until the program is reaped

  class Input : public Channel::Handler {
   public:
    explicit Input(UvProcess& owner) : owner_(owner) {}

    void received(std::string_view /*bytes*/) override {}

    void drained() override { owner_.input_drained(); }

    void closed(std::string_view /*why*/, bool /*local*/) override { owner_.input_gone(); }

   private:
    UvProcess& owner_;
  };

  class Output : public Channel::Handler {
   public:
    explicit Output(UvProcess& owner) : owner_(owner) {}

    void received(std::string_view bytes) override { owner_.handler_.received(bytes); }

    void closed(std::string_view /*why*/, bool /*local*/) override {} // it may go on without

   private:
    UvProcess& owner_;
  };

  [[nodiscard]] int spawn(Loop& loop, const std::vector<std::string>& arguments,
                          const std::vector<std::string>& environment);
  void input_drained();
  void input_gone();
  void exited(int code, int signal);
  void read_rest();

  Handler& handler_;
  Core* core_ = nullptr; // null: it was not started
  Input input_handler_{*this};
  Output output_handler_{*this};
  std::unique_ptr<UvChannel> input_, output_;
  bool ending_ = false; // once all is written
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

} // namespace bulkmail::agent
