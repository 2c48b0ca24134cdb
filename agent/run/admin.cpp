#include "agent/run/admin.h"

namespace bulkmail::agent {

class Admin::Client : public Channel::Handler {
 public:
  Client(const Answerer& answerer, std::unique_ptr<Channel> channel)
      : answerer_(answerer),
        channel_(std::move(channel)) {
    channel_->set_handler(*this);
  }

  void received(std::string_view bytes) override {
    if (!lines_.feed(bytes)) {
      gone_ = true;
      return;
    }
    while (auto line = lines_.next()) {
      const auto request = Request::parse(*line);
      const Response response = request ? answerer_(*request) : Response::failure(request.error());
      channel_->write(response.serialise());
    }
  }

  void closed(std::string_view, bool) override { gone_ = true; }

  [[nodiscard]] bool gone() const { return gone_; }

 private:
  const Answerer& answerer_;
  std::unique_ptr<Channel> channel_;
  LineBuffer lines_;
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
