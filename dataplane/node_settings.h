// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeSettings: what the dataplane takes from the node's TOML file. It reads only its own sections; the control plane checks the
// whole file (sallyport check-config). A wrong value refuses to start and names key, line and remedy. Main thread, at start.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/fault.h"
#include "dataplane/node.h"
#include "drivers/port.h"

namespace sallyport::dataplane {

enum class Hugepages : uint8_t { automatic, on, off };

struct AddressSetting {
  std::string name;
  std::string ip;
  std::string port;
  uint16_t vlan = 0;
};

struct NodeSettings {
  std::string name;
  std::string socket;
  std::vector<uint32_t> lcores;
  uint32_t sleep_idle_us = 50;
  uint32_t memory_mb = 128;
  Hugepages hugepages = Hugepages::automatic;
  Geometry geometry;
  std::array<uint16_t, media_kinds> link_port{36000, 36001};
  std::vector<drivers::PortSpec> ports;
  std::vector<AddressSetting> addresses;
};

Outcome<NodeSettings> read_node_settings(const std::string& path);
// The same from text; `origin` names it in faults.
Outcome<NodeSettings> parse_node_settings(const std::string& text, const std::string& origin);

}  // namespace sallyport::dataplane
