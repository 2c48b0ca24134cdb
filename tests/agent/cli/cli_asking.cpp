// The commands that ask the agent, against a stand-in that listens on control.sock; and without any.
#include "agent/control/frames.h"
#include "tests/agent/cli/program.h"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <thread>

using namespace bulkmail::agent;
using namespace bulkmail::test;

namespace {

// Listens in a spool and answers each connection's first line with what it was told to.
class StandIn {
 public:
  StandIn(const std::string& spool, std::string answer) : answer_(std::move(answer)) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // A long path is bound to as it is connected to: from inside.
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(spool);
    std::string("control.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    std::filesystem::current_path(before);
    REQUIRE(::listen(fd_, 4) == 0);
    thread_ = std::thread([this] { serve(); });
  }

  ~StandIn() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

  [[nodiscard]] std::string asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void serve() {
    for (int client = 0; (client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; ::close(client)) {
      std::string line;
      char block[4096];
      for (ssize_t got = 1; got > 0 && !line.ends_with('\n');) {
        got = ::read(client, block, sizeof block);
        line.append(block, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      }
      {
        const std::lock_guard lock(mutex_);
        asked_ = line;
      }
      for (std::string_view rest = answer_; !rest.empty();) {
        const auto sent = ::send(client, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
    }
  }

  std::string answer_;
  int fd_ = -1;
  mutable std::mutex mutex_;
  std::string asked_;
  std::thread thread_;
};

struct Spool : Folder {
  Spool() { std::filesystem::create_directories(path("spool/status")); }

  [[nodiscard]] Ran ask(std::vector<std::string> words) const {
    words.insert(words.end(), {"--spool", path("spool")});
    return run(words);
  }
};

} // namespace

TEST_CASE("without an agent ping, flush and queue are 69 and say so") {
  const Spool spool;
  for (const auto* command : {"ping", "flush", "queue"}) {
    const auto ran = spool.ask({command});
    CHECK(ran.exit == 69);
    CHECK_THAT(ran.errors, Catch::StartsWith("bulkmail: no agent: "));
    CHECK(ran.output.empty());
  }
  CHECK(run({"ping", "--spool", "/nonexistent"}).exit == 69);
}

TEST_CASE("a socket that a dead agent left behind is no agent") {
  const Spool spool;
  {
    const StandIn gone(spool.path("spool"), "");
  }
  CHECK(spool.ask({"ping"}).exit == 69);
}

TEST_CASE("an agent that answers is there, one that hangs up or talks nonsense is not") {
  const Spool spool;
  const auto ping = [&](std::string answer) {
    std::filesystem::remove(spool.path("spool/control.sock"));
    const StandIn agent(spool.path("spool"), std::move(answer));
    return spool.ask({"ping"}).exit;
  };
  CHECK(ping("{\"ok\":true}\n") == 0);
  CHECK(ping("{\"ok\":false,\"error\":\"stuck\"}\n") == 69);
  CHECK(ping("") == 69);
  CHECK(ping("{\"ok\":tr") == 69);
  CHECK(ping("nonsense\n") == 69);
}

TEST_CASE("flush says what is to be flushed") {
  const Spool spool;
  const StandIn agent(spool.path("spool"), Response::success().serialise());
  CHECK(spool.ask({"flush"}).exit == 0);
  CHECK(agent.asked() == "{\"command\":\"flush\"}\n");
  CHECK(spool.ask({"flush", "d1.example"}).exit == 0);
  CHECK(agent.asked() == "{\"command\":\"flush\",\"domain\":\"d1.example\"}\n");
  CHECK(spool.ask({"flush", "--id", "news-1"}).exit == 0);
  CHECK(agent.asked() == "{\"command\":\"flush\",\"id\":\"news-1\"}\n");
}

TEST_CASE("hold, release and cancel say which mail is meant, and print what was done") {
  const Spool spool;
  const StandIn agent(spool.path("spool"),
                      Response::success({{"messages", 2}, {"recipients", 30}, {"holds", 1}}).serialise());
  const auto held = spool.ask({"hold", "--sender", "<>"});
  CHECK(held.exit == 0);
  CHECK(held.output == "held: 2 messages, 30 recipients\n");
  CHECK(agent.asked() == "{\"command\":\"hold\",\"sender\":\"<>\"}\n");
  CHECK(spool.ask({"release", "--all"}).output == "released: 1 hold\n");
  CHECK(agent.asked() == "{\"all\":true,\"command\":\"release\"}\n");
  CHECK(spool.ask({"cancel", "--site", "mx.example", "--json"}).output ==
        "{\"holds\":1,\"messages\":2,\"recipients\":30}\n");
  CHECK(agent.asked() == "{\"command\":\"cancel\",\"site\":\"mx.example\"}\n");
  const auto flushed = spool.ask({"flush", "--sender", "example.org"});
  CHECK(flushed.exit == 0);
  CHECK(flushed.output.empty());
}

TEST_CASE("an order that names no mail, or names it twice, is 64 and asks nobody") {
  const Spool spool;
  const StandIn agent(spool.path("spool"), Response::success().serialise());
  for (const auto& words : std::vector<std::vector<std::string>>{{"hold"},
                                                                 {"release"},
                                                                 {"cancel"},
                                                                 {"cancel", "news-1"},
                                                                 {"hold", "--id", "a", "--all"},
                                                                 {"flush", "--id", "a", "d1.example"},
                                                                 {"flush", "--id", "a", "--site", "b"}}) {
    CHECK(spool.ask(words).exit == 64);
  }
  CHECK(agent.asked().empty());
}

TEST_CASE("an order for what isn't there is 1, and without an agent 69") {
  const Spool spool;
  CHECK(spool.ask({"hold", "--all"}).exit == 69);
  CHECK(spool.ask({"cancel", "--id", "news-1"}).exit == 69);
  const StandIn agent(spool.path("spool"), Response::failure("no message news-1 is waiting").serialise());
  const auto ran = spool.ask({"cancel", "--id", "news-1"});
  CHECK(ran.exit == 1);
  CHECK(ran.errors == "bulkmail: no message news-1 is waiting\n");
}

TEST_CASE("a queue of many megabytes is printed whole") {
  const Spool spool;
  auto messages = nlohmann::json::array();
  for (int i = 0; i < 50'000; ++i)
    messages.push_back({{"id", "news-" + std::to_string(i)}, {"sender", "a@x.example"}});
  const nlohmann::json body{
      {"agent", nlohmann::json::object()}, {"messages", messages}, {"sites", nlohmann::json::array()}};
  const StandIn agent(spool.path("spool"), Response::success(body).serialise());
  const auto as_json = spool.ask({"queue", "--json"});
  CHECK(as_json.exit == 0);
  CHECK(nlohmann::json::parse(as_json.output) == body);
  const auto as_table = spool.ask({"queue"});
  CHECK(as_table.exit == 0);
  CHECK_THAT(as_table.output, Catch::Contains("\nnews-49999 "));
}

TEST_CASE("a spool's path may be longer than a socket's address") {
  const Folder folder;
  const auto deep = folder.path(std::string(100, 'd') + "/" + std::string(100, 'e'));
  std::filesystem::create_directories(deep);
  const StandIn agent(deep, Response::success().serialise());
  CHECK(run({"ping", "--spool", deep}).exit == 0);
}

TEST_CASE("show takes the agent's word, else the status file's, else says that neither knows") {
  const Spool spool;
  const auto unknown = spool.ask({"show", "news-1"});
  CHECK(unknown.exit == 1);
  CHECK_THAT(unknown.errors, Catch::Contains("no message news-1"));
  spool.write("spool/status/news-1.json", R"({"id":"news-1","sender":"file@x.example","recipients":[]})");
  const auto of_file = spool.ask({"show", "news-1"});
  CHECK(of_file.exit == 0);
  CHECK_THAT(of_file.output, Catch::Contains("file@x.example"));
  {
    const StandIn agent(spool.path("spool"),
                        Response::success({{"id", "news-1"}, {"sender", "agent@x.example"}}).serialise());
    CHECK_THAT(spool.ask({"show", "news-1"}).output, Catch::Contains("agent@x.example"));
  }
  std::filesystem::remove(spool.path("spool/control.sock"));
  const StandIn agent(spool.path("spool"), Response::failure("no message news-1 is waiting").serialise());
  CHECK_THAT(spool.ask({"show", "news-1"}).output, Catch::Contains("file@x.example"));
  CHECK(spool.ask({"show", "../status/news-1"}).exit == 1);
}
