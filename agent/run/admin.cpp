#include "agent/run/admin.h"

#include <utility>

namespace bulkmail::agent {

void Reply::send(std::string piece) {
  if (taker_ != nullptr) taker_->take(std::move(piece));
}

void Reply::finish(std::string last_piece) {
  send(std::move(last_piece));
  if (Taker* taker = std::exchange(taker_, nullptr)) taker->answered();
}

class Admin::Client : public Channel::Handler, public Reply::Taker {
 public:
  Client(const Answerer& answerer, std::unique_ptr<Channel> channel)
      : answerer_(answerer),
        channel_(std::move(channel)) {
    channel_->set_handler(*this);
  }

  ~Client() override { forsake(); }

  void received(std::string_view bytes) override {
    if (!lines_.feed(bytes)) return leave();
    answer_next();
  }

  void closed(std::string_view, bool) override { leave(); }

  [[nodiscard]] bool gone() const { return gone_; }

 private:
  // One at a time, in order.
  void answer_next() {
    while (!reply_ && !gone_) {
      const auto line = lines_.next();
      if (!line) return;
      const auto request = Request::parse(*line);
      if (!request) {
        channel_->write(Response::failure(request.error()).serialise());
        continue;
      }
      const auto reply = reply_ = std::make_shared<Reply>(this);
      answering_ = true;
      answerer_(*request, reply);
      answering_ = false;
    }
  }

  void take(std::string piece) override { channel_->write(std::move(piece)); }

  void answered() override {
    reply_.reset();
    if (!answering_) answer_next();
  }

  [[nodiscard]] std::size_t untaken() const override { return channel_->unwritten(); }

  void forsake() {
    if (reply_) reply_->forsake();
    reply_.reset();
  }

  void leave() {
    forsake();
    gone_ = true;
  }

  const Answerer& answerer_;
  std::unique_ptr<Channel> channel_;
  LineBuffer lines_;
  std::shared_ptr<Reply> reply_; // the one under way
  bool answering_ = false;
  bool gone_ = false;
};

Admin::Admin(Answerer answerer) : answerer_(std::move(answerer)) {}

Admin::~Admin() = default;

void Admin::accept(std::unique_ptr<Channel> channel) {
  if (clients_.size() >= max_clients) return;
  clients_.push_back(std::make_unique<Client>(answerer_, std::move(channel)));
}

void Admin::turn() {
  std::erase_if(clients_, [](const auto& client) { return client->gone(); });
}

} // namespace bulkmail::agent
