// SPDX-License-Identifier: Apache-2.0
#pragma once
// TestNode: a node whose ports are rings in the test's hands, driven by poll() on a clock of the test's own. No NIC, no rights.
// Cable: two rings; a port's far end is the test (inject, take) or another node's port.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/node.h"
#include "dataplane/worker.h"
#include "tests/unit/dataplane/frame.h"

struct rte_ring;
struct rte_mempool;

namespace sallyport::test {

// Started once for the whole program, without hugepages unless prefer_hugepages() came before: tests run side by side and must not
// depend on how many are free; benchmarks run alone.
rte_mempool* packet_pool();
void prefer_hugepages();

struct Cable {
  // With queues of their own the workers of a port share nothing, as on a NIC that steers; else they share the one pair of rings.
  explicit Cable(uint32_t queues = 1);
  ~Cable();
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;
  rte_ring* to_port = nullptr;    // of queue 0
  rte_ring* from_port = nullptr;
  std::vector<rte_ring*> to_queues, from_queues;
};

struct TestAddress {
  std::string ip;
  uint16_t port_index;
  uint16_t vlan = 0;
};

class TestNode {
 public:
  // `cables[i].first` belongs to port i; `second` says that the port is at the far end of it.
  struct Attachment {
    Cable* cable;
    bool far_end;
  };
  TestNode(const std::vector<Attachment>& cables, const std::vector<TestAddress>& addresses, uint32_t workers = 1, uint32_t flows = 256);
  ~TestNode();

  dataplane::Worker& worker(uint32_t id = 0) { return *workers_[id]; }
  dataplane::Node& node() { return node_; }
  // One round of every worker and of the resolver at the clock's time.
  void poll(uint64_t now_ns);
  abi::CommandStatus run(const abi::Command& command, uint32_t worker = 0);
  abi::CommandStatus add(const abi::FlowSpec& spec);
  abi::FlowMeter& meter(uint32_t flow) { return node_.region->meter(flow); }
  abi::FlowState& state(uint32_t flow) { return node_.region->flow(flow).state; }
  uint64_t drops(abi::DropReason reason, uint32_t worker = 0);
  // The reason whose counter has grown since the last call; nothing when none or several have.
  std::optional<abi::DropReason> new_drop();
  std::optional<abi::Event> take_event(abi::EventType type);
  // As a new dataplane does it: the same memory, nothing else kept.
  void restart_from_region();

  uint64_t now_ns = 1'000'000'000'000;

 private:
  dataplane::Node node_;
  std::vector<std::unique_ptr<dataplane::Worker>> workers_;
  std::vector<uint64_t> seen_drops_;
};

void inject(Cable& cable, const Bytes& frame, bool far_end = false);
std::optional<Bytes> take(Cable& cable);
size_t waiting(const Cable& cable);
// Loses what is on its way to the near port; how much it was.
size_t lose_towards_port(Cable& cable);

abi::KeyMaterial test_key(uint8_t seed, abi::Suite suite = abi::Suite::aes_cm_128_hmac_sha1_80);

}  // namespace sallyport::test
