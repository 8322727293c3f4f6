// SPDX-License-Identifier: Apache-2.0
#pragma once
// Eal: starts DPDK's environment once a process: hugepages where they suffice, ordinary memory where not, one lcore a worker
// pinned to its core, the main thread on any. Main thread only. `notice` tells the operator what is in force and why.

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/fault.h"
#include "dataplane/node_settings.h"

struct rte_mempool;

namespace sallyport::dataplane {

struct EalOptions {
  std::string node_name;
  std::vector<uint32_t> lcores;  // core of worker 0, 1, ...; worker w runs as DPDK lcore w + 1
  uint32_t memory_mb = 128;
  Hugepages hugepages = Hugepages::automatic;
  std::vector<std::string> pci_devices;  // the only ones that are touched: others may be another dataplane's
};

// Also removes the run-time folders of dataplanes that were killed.
// FaultCode::exhausted: hugepages that seemed free could not be had; EAL cannot be started again in this process, so the caller that may
// do without runs the program anew with Hugepages::off.
Outcome<> start_eal(const EalOptions& options, std::string& notice);
// Last of all; takes the run-time folder away, which DPDK leaves.
void stop_eal();
// Packet buffers, sized to the memory given.
Outcome<rte_mempool*> create_packet_pool(uint32_t memory_mb, uint32_t workers);

}  // namespace sallyport::dataplane
