// SPDX-License-Identifier: Apache-2.0
#include "dataplane/link_table.h"

namespace sallyport::dataplane {

void SharedLink::publish(const LinkPeers& from) {
  const uint32_t now = sequence.load(std::memory_order_relaxed);
  sequence.store(now + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  peers = from;
  sequence.store(now + 2, std::memory_order_release);
}

bool SharedLink::take(uint32_t& seen, LinkPeers& to) const {
  const uint32_t before = sequence.load(std::memory_order_acquire);
  if (before == seen || (before & 1)) return false;
  const LinkPeers copy = peers;
  std::atomic_thread_fence(std::memory_order_acquire);
  if (sequence.load(std::memory_order_relaxed) != before) return false;
  to = copy;
  seen = before;
  return true;
}

bool LinkTable::is_from_peer(const Link& link, uint32_t kind, const abi::Address& source) const {
  if (link.role == abi::LinkRole::c_side) return link.peers.address[kind][0] == source;
  for (uint32_t worker = 0; worker < link.peers.workers && worker < abi::max_link_workers; ++worker) {
    if (link.peers.address[kind][worker] == source) return true;
  }
  return false;
}

Link* LinkTable::find_by_source(uint16_t slot, uint16_t local_port, uint32_t kind, const abi::Address& source) {
  const auto matches = [&](const Link& link) {
    return link.is_live() && link.local_slot == slot && link.local_port[kind] == local_port && is_from_peer(link, kind, source);
  };
  // Packets of one link come in runs.
  if (matches(links_[last_found_[kind]])) return &links_[last_found_[kind]];
  for (uint64_t left = live_; left != 0; left &= left - 1) {
    const auto index = static_cast<uint16_t>(__builtin_ctzll(left));
    if (!matches(links_[index])) continue;
    last_found_[kind] = index;
    return &links_[index];
  }
  return nullptr;
}

Link* LinkTable::find_by_session(uint16_t slot, uint16_t local_port, uint32_t kind, uint64_t session) {
  for (uint64_t left = live_; left != 0; left &= left - 1) {
    Link& link = links_[__builtin_ctzll(left)];
    if (link.session == session && link.local_slot == slot && link.local_port[kind] == local_port) return &link;
  }
  return nullptr;
}

bool LinkTable::port_in_use(uint16_t slot, uint16_t local_port, uint16_t except) const {
  for (const Link& link : links_) {
    if (!link.is_live() || link.index == except || link.local_slot != slot) continue;
    if (link.local_port[0] == local_port || link.local_port[1] == local_port) return true;
  }
  return false;
}

}  // namespace sallyport::dataplane
