// SPDX-License-Identifier: Apache-2.0
// Profile `ring`: a port that loops to itself through rte_rings, for tests and benchmarks without a NIC. Tests that join two
// nodes make their rings themselves and hand the port to Port::wrap.

#include <rte_ring.h>

#include <atomic>

#include <rte_eth_ring.h>

#include "drivers/port.h"

namespace sallyport::drivers {

Outcome<uint16_t> open_ring_port(const PortSpec& spec, std::string& device_name) {
  static std::atomic<int> next{0};
  const std::string name = "sp_" + spec.device + std::to_string(next++);
  rte_ring* ring = rte_ring_create(name.c_str(), 4096, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) return Fault{FaultCode::exhausted, "port " + spec.name, "no memory for a ring", "raise memory_mb"};
  const int port = rte_eth_from_rings(name.c_str(), &ring, 1, &ring, 1, 0);
  if (port < 0) return Fault{FaultCode::refused, "port " + spec.name, "DPDK makes no ring port", ""};
  device_name = "net_ring_" + name;
  return static_cast<uint16_t>(port);
}

}  // namespace sallyport::drivers
