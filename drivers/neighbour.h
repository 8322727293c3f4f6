// SPDX-License-Identifier: Apache-2.0
#pragma once
// Neighbours as the kernel knows them: ask for one, make the kernel look for one, read its events.
// Housekeeping thread only. Nothing here waits for ARP or NDP: the answer comes later as an event.

#include <array>
#include <cstdint>
#include <optional>

#include "drivers/netlink_message.h"
#include "drivers/route.h"

namespace sallyport::drivers {

enum class NeighbourState : uint8_t { absent, usable, stale, failed };

struct Neighbour {
  uint32_t interface_index = 0;
  IpAddress ip;
  std::array<uint8_t, 6> mac{};
  NeighbourState state = NeighbourState::absent;
};

Neighbour find_neighbour(NetlinkSocket& socket, const IpAddress& ip, uint32_t interface_index);
// Tells the kernel that the neighbour is in use: it resolves or confirms it (ARP, NDP) and says so by an event.
void probe_neighbour(NetlinkSocket& socket, const IpAddress& ip, uint32_t interface_index);
// Nothing when the message is not about a neighbour of ours.
std::optional<Neighbour> read_neighbour(const NetlinkMessage& message);

}  // namespace sallyport::drivers
