// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/call_control.h"

#include <strings.h>

#include <algorithm>

namespace sallyport::proxy {

void CallControl::add(CallControlNode node) {
  const auto at = std::upper_bound(nodes_.begin(), nodes_.end(), node, [](const auto& a, const auto& b) { return a.priority < b.priority; });
  nodes_.insert(at, std::move(node));
}

CallControlNode* CallControl::pick(size_t affinity) {
  for (size_t first = 0; first < nodes_.size();) {
    size_t last = first;
    while (last < nodes_.size() && nodes_[last].priority == nodes_[first].priority) ++last;
    for (size_t step = 0; step < last - first; ++step) {
      CallControlNode& node = nodes_[first + (affinity + step) % (last - first)];
      if (!node.is_down && node.hop != nullptr && node.hop->is_open()) return &node;
    }
    first = last;
  }
  return nullptr;
}

CallControlNode* CallControl::find(const sip::Uri& uri) {
  if (!uri.is_sip()) return nullptr;
  for (CallControlNode& node : nodes_) {
    const bool same_host = node.host.size() == uri.host.size() && strncasecmp(node.host.data(), uri.host.data(), uri.host.size()) == 0;
    const bool same_address = node.hop != nullptr && node.hop->remote.ip() == uri.bare_host();
    const uint16_t port = uri.port != 0 ? uri.port : 5060;
    if ((same_host || same_address) && (uri.port == 0 || port == node.port)) return &node;
  }
  return nullptr;
}

CallControlNode* CallControl::find_hop(uint64_t hop_id) {
  for (CallControlNode& node : nodes_)
    if (node.hop != nullptr && node.hop->id == hop_id) return &node;
  return nullptr;
}

bool CallControl::any_up() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return !node.is_down && node.hop != nullptr && node.hop->is_open(); });
}

}  // namespace sallyport::proxy
