#include "resolver/route.h"

#include <algorithm>
#include <utility>

namespace bulkmail::resolver {

bool Route::has_host(std::string_view name) const {
  return std::ranges::find(hosts, name, &MailHost::name) != hosts.end() ||
         std::ranges::find(unusable, name) != unusable.end();
}

std::vector<const MailHost*> Route::draw(Dice& dice) const {
  std::vector<const MailHost*> order;
  order.reserve(hosts.size());
  for (const MailHost& host : hosts) order.push_back(&host);
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && order[end]->preference == order[begin]->preference) ++end;
    for (std::size_t left = end - begin; left > 1; --left) { // Fisher and Yates
      std::swap(order[begin + left - 1], order[begin + dice.below(left)]);
    }
    begin = end;
  }
  return order;
}

} // namespace bulkmail::resolver
