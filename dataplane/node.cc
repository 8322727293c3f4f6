// SPDX-License-Identifier: Apache-2.0
#include "dataplane/node.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace sallyport::dataplane {

void Node::add_slot(const LocalSlot& slot) {
  has_vlans |= slot.vlan != 0;
  if (slot.address.family == 4 && slot.vlan == 0) std::memcpy(&slots_v4[slot_count], slot.address.ip, sizeof slots_v4[0]);
  slots[slot_count++] = slot;
}

void Node::describe(const char* crypto, uint64_t tsc_hz) {
  abi::RegionHeader& header = region->header();
  header.tsc_hz = tsc_hz;
  header.dataplane_pid = static_cast<uint32_t>(getpid());
  std::snprintf(header.crypto, sizeof header.crypto, "%s", crypto);
  if (!ports.empty()) {
    std::snprintf(header.profile, sizeof header.profile, "%s", drivers::profile_name(ports.front()->spec().profile));
    std::snprintf(header.steering, sizeof header.steering, "%s", ports.front()->steering());
  }
  for (uint16_t index = 0; index < abi::max_address_slots; ++index) {
    abi::AddressSlot slot;
    if (index < slot_count && slots[index].in_use) {
      const drivers::Port& port = *ports[slots[index].port_index];
      std::memcpy(slot.name, slots[index].name, sizeof slot.name);
      slot.address = slots[index].address;
      slot.port_id = port.id();
      slot.mtu = port.mtu();
      std::copy(port.mac().begin(), port.mac().end(), slot.mac);
      slot.in_use = 1;
    }
    header.slots[index] = slot;
  }
}

std::vector<drivers::EgressSlot> Node::egress_slots() const {
  std::vector<drivers::EgressSlot> egress(slot_count);
  for (uint16_t index = 0; index < slot_count; ++index) {
    egress[index].in_use = slots[index].in_use;
    egress[index].ip.family = slots[index].address.family;
    std::memcpy(egress[index].ip.bytes, slots[index].address.ip, 16);
    egress[index].port = ports[slots[index].port_index].get();
    egress[index].vlan = slots[index].vlan;
  }
  return egress;
}

}  // namespace sallyport::dataplane
