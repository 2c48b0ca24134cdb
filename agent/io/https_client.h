// HTTPS with libcurl, in a thread of its own that begins with the first request: nothing here keeps the loop or its pool
// waiting, however long a server stalls.
//
// The host's addresses come with the request, as the system's resolver may be another than ours. No redirect is followed, no
// proxy asked, no cookie kept; the certificate has to hold for the host by the trust store.
#pragma once

#include "agent/io/loop.h"
#include "agent/seams.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

namespace bulkmail::agent {

class HttpsClient final : public Https {
 public:
  explicit HttpsClient(Loop& loop); // where answers are told
  ~HttpsClient() override;          // what is under way ends unanswered
  HttpsClient(const HttpsClient&) = delete;
  HttpsClient& operator=(const HttpsClient&) = delete;

  void send(HttpsRequest request, std::function<void(HttpsAnswer)> done) override;

 private:
  struct Transfer;
  void work();
  void begin_what_came();
  void end(void* easy, int code);

  static constexpr std::size_t most_at_once = 16; // a list of many domains with policies: the others wait

  Loop& loop_;
  std::shared_ptr<void> multi_; // libcurl's
  std::thread thread_;
  std::mutex lock_;
  std::deque<std::unique_ptr<Transfer>> came_;                     // guarded by lock_
  bool over_ = false;                                              // likewise
  std::unordered_map<void*, std::unique_ptr<Transfer>> under_way_; // by handle; the thread's own
};

} // namespace bulkmail::agent
