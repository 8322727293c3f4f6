// SPDX-License-Identifier: Apache-2.0
// RFC 2782: the order in which a client tries the targets of an SRV answer.
#include <algorithm>

#include "controlplane/dns/resolver.h"

namespace sallyport::dns {

void order_srv(std::vector<SrvRecord>& records, const DrawFunction& draw) {
  // Weight 0 first within a priority, so that it has its small chance before the running sum passes it.
  std::stable_sort(records.begin(), records.end(), [](const SrvRecord& a, const SrvRecord& b) {
    return a.priority != b.priority ? a.priority < b.priority : (a.weight == 0) > (b.weight == 0);
  });
  for (auto first = records.begin(); first != records.end(); ++first) {
    const auto last = std::find_if(first, records.end(), [&](const SrvRecord& record) { return record.priority != first->priority; });
    uint32_t sum = 0;
    for (auto record = first; record != last; ++record) sum += record->weight;
    const uint32_t drawn = sum == 0 ? 0 : std::min(draw(sum), sum);
    uint32_t running = 0;
    auto chosen = first;
    for (; chosen != last - 1; ++chosen) {
      running += chosen->weight;
      if (running >= drawn) break;
    }
    std::rotate(first, chosen, chosen + 1);
  }
}

}  // namespace sallyport::dns
