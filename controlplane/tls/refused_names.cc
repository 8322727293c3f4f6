// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/refused_names.h"

#include <algorithm>

namespace sallyport::tls {

bool RefusedNames::note(const SocketAddress& source, const HandshakeFailure& failure, int64_t now_s) {
  if (!failure.refuses_our_certificate) return false;
  const std::lock_guard lock(mutex_);
  auto found = entries_.find(failure.sni);
  if (found == entries_.end()) {
    const bool is_full = entries_.size() >= most_names;
    found = entries_.try_emplace(is_full ? std::string(name_beyond) : failure.sni).first;
    found->second.said.name = found->first;
  }
  Entry& entry = found->second;
  RefusedName& said = entry.said;
  ++said.times;
  said.alert = failure.alert;
  said.text = failure.text;
  said.source = source;
  said.at_s = now_s;
  const std::string address = source.ip();
  auto place = std::find_if(entry.seen.begin(), entry.seen.end(), [&](const Seen& seen) { return seen.address == address; });
  // An unknown address takes the place of the one that was seen longest ago.
  if (place == entry.seen.end()) place = std::min_element(entry.seen.begin(), entry.seen.end(), [](const Seen& a, const Seen& b) { return a.at_s < b.at_s; });
  *place = {address, now_s};
  return true;
}

std::vector<RefusedName> RefusedNames::list(int64_t now_s) const {
  std::vector<RefusedName> names;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      names.push_back(entry.said);
      names.back().sources = static_cast<size_t>(std::count_if(entry.seen.begin(), entry.seen.end(), [&](const Seen& seen) { return !seen.address.empty() && now_s - seen.at_s < lately.count(); }));
    }
  }
  std::stable_sort(names.begin(), names.end(), [](const RefusedName& a, const RefusedName& b) { return a.times > b.times; });
  return names;
}

}  // namespace sallyport::tls
