// The HTTPS seam on a timeline: hosts that give a text, and others that stall until the time-out.
#pragma once

#include "agent/seams.h"
#include "tests/simulation/timeline.h"

#include <map>
#include <string>

namespace bulkmail::simulation {

class VirtualHttps final : public agent::Https {
 public:
  explicit VirtualHttps(Timeline& timeline) : timeline_(timeline) {}

  std::map<std::string, std::string> texts; // by host

  void send(agent::HttpsRequest request, std::function<void(agent::HttpsAnswer)> done) override {
    const auto found = texts.find(request.host);
    if (found == texts.end()) {
      timeline_.after(request.timeout, [done] { done(std::unexpected("timed out")); });
    } else {
      timeline_.after(milliseconds(80), [done, text = found->second] { done(text); });
    }
  }

 private:
  Timeline& timeline_;
};

} // namespace bulkmail::simulation
