#include "agent/io/https_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <utility>

namespace bulkmail::agent {

namespace {

// libcurl's own beginning and end, once a process.
class CurlLibrary {
 public:
  CurlLibrary() { curl_global_init(CURL_GLOBAL_DEFAULT); }

  ~CurlLibrary() { curl_global_cleanup(); }

  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
};

std::shared_ptr<void> make_multi() {
  static const CurlLibrary library;
  return {curl_multi_init(), [](void* multi) { curl_multi_cleanup(multi); }};
}

// "mta-sts.d1.example:443:192.0.2.1,[2001:db8::1]"
std::string pinned(const HttpsRequest& request) {
  std::string line = fmt::format("{}:{}:", request.host, request.port);
  for (const auto& address : request.addresses) {
    if (&address != &request.addresses.front()) line += ',';
    const bool v6 = address.family == resolver::IpAddress::Family::v6;
    line += v6 ? '[' + address.to_string() + ']' : address.to_string();
  }
  return line;
}

} // namespace

struct HttpsClient::Transfer {
  HttpsRequest request;
  std::function<void(HttpsAnswer)> done;
  std::unique_ptr<CURL, void (*)(CURL*)> easy{curl_easy_init(), curl_easy_cleanup};
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> addresses{nullptr, curl_slist_free_all};
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers{nullptr, curl_slist_free_all};
  std::string url, body;
  char error[CURL_ERROR_SIZE]{};
  bool too_long = false;

  void prepare() {
    const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy.get(), option, value); };
    url = fmt::format("https://{}:{}{}", request.host, request.port, request.path);
    addresses.reset(curl_slist_append(nullptr, pinned(request).c_str()));
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_RESOLVE, addresses.get());
    set(CURLOPT_PROTOCOLS_STR, "https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!request.ca_file.empty()) {
      set(CURLOPT_CAINFO, request.ca_file.c_str());
      set(CURLOPT_CAPATH, nullptr);
    }
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeout.count() / 2));
    set(CURLOPT_USERAGENT, "bulkmail");
    set(CURLOPT_ERRORBUFFER, error);
    set(CURLOPT_WRITEDATA, static_cast<void*>(this));
    set(CURLOPT_WRITEFUNCTION, &take);
    if (request.content_type.empty()) return;
    headers.reset(curl_slist_append(nullptr, ("Content-Type: " + request.content_type).c_str()));
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.data());
  }

  static std::size_t take(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.body.size() + size * count > transfer.request.longest_answer) {
      transfer.too_long = true;
      return CURL_WRITEFUNC_ERROR;
    }
    transfer.body.append(data, size * count);
    return size * count;
  }

  [[nodiscard]] HttpsAnswer answer(int code) {
    if (too_long) return std::unexpected(fmt::format("it is longer than {} octets", request.longest_answer));
    if (code != CURLE_OK) {
      const char* const general = curl_easy_strerror(static_cast<CURLcode>(code));
      return std::unexpected(error[0] != '\0' ? error : general);
    }
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) return std::unexpected(fmt::format("the server answers {}", status));
    return std::move(body);
  }
};

HttpsClient::HttpsClient(Loop& loop) : loop_(loop), multi_(make_multi()) {}

HttpsClient::~HttpsClient() {
  {
    const std::lock_guard guard(lock_);
    over_ = true;
  }
  curl_multi_wakeup(multi_.get());
  if (thread_.joinable()) thread_.join();
}

void HttpsClient::send(HttpsRequest request, std::function<void(HttpsAnswer)> done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  {
    const std::lock_guard guard(lock_);
    came_.push_back(std::move(transfer));
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  curl_multi_wakeup(multi_.get());
}

void HttpsClient::work() {
  for (;;) {
    begin_what_came();
    int running = 0, left = 0;
    curl_multi_perform(multi_.get(), &running);
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left))
      if (message->msg == CURLMSG_DONE) end(message->easy_handle, message->data.result);
    {
      const std::lock_guard guard(lock_);
      if (over_) break;
      if (!came_.empty() && under_way_.size() < most_at_once) continue;
    }
    constexpr int until_something_happens = 1000; // ms; libcurl's own timers end it sooner
    curl_multi_poll(multi_.get(), nullptr, 0, until_something_happens, nullptr);
  }
  for (const auto& [easy, transfer] : under_way_) curl_multi_remove_handle(multi_.get(), easy);
  under_way_.clear();
}

void HttpsClient::begin_what_came() {
  const std::lock_guard guard(lock_);
  while (!over_ && !came_.empty() && under_way_.size() < most_at_once) {
    auto transfer = std::move(came_.front());
    came_.pop_front();
    transfer->prepare();
    CURL* const easy = transfer->easy.get();
    curl_multi_add_handle(multi_.get(), easy);
    under_way_.emplace(easy, std::move(transfer));
  }
}

void HttpsClient::end(void* easy, int code) {
  curl_multi_remove_handle(multi_.get(), easy);
  const auto transfer = std::move(under_way_.extract(easy).mapped());
  auto answer = std::make_shared<HttpsAnswer>(transfer->answer(code));
  {
    const std::lock_guard guard(lock_);
    if (over_) return;
  }
  loop_.send([done = std::move(transfer->done), answer] { done(std::move(*answer)); });
}

} // namespace bulkmail::agent
