// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/test_node.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "dataplane/eal.h"

namespace sallyport::test {

namespace {

std::atomic<int> next_name{0};
dataplane::Hugepages pages = dataplane::Hugepages::off;

[[noreturn]] void die(const Fault& fault) {
  std::fprintf(stderr, "%s\n", fault.text().c_str());
  std::abort();
}

rte_ring* make_ring() {
  const std::string name = "test_ring_" + std::to_string(next_name++);
  rte_ring* ring = rte_ring_create(name.c_str(), 1024, SOCKET_ID_ANY, 0);
  if (ring == nullptr) die(Fault{FaultCode::exhausted, "test ring", "no memory", ""});
  return ring;
}

}  // namespace

void prefer_hugepages() { pages = dataplane::Hugepages::automatic; }

rte_mempool* packet_pool() {
  static rte_mempool* pool = [] {
    std::string notice;
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    uint32_t core = 0;
    while (!CPU_ISSET(core, &allowed)) ++core;
    dataplane::EalOptions options{"unit", {core}, 128, pages, {}};
    if (auto started = dataplane::start_eal(options, notice); !started) die(started.fault());
    auto made = dataplane::create_packet_pool(64, 1);
    if (!made) die(made.fault());
    return *made;
  }();
  return pool;
}

Cable::Cable(uint32_t queues) {
  packet_pool();
  for (uint32_t queue = 0; queue < queues; ++queue) {
    to_queues.push_back(make_ring());
    from_queues.push_back(make_ring());
  }
  to_port = to_queues[0];
  from_port = from_queues[0];
}

Cable::~Cable() {
  for (const auto& rings : {to_queues, from_queues}) {
    for (rte_ring* ring : rings) {
      void* mbuf = nullptr;
      while (rte_ring_dequeue(ring, &mbuf) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
      rte_ring_free(ring);
    }
  }
}

TestNode::TestNode(const std::vector<Attachment>& cables, const std::vector<TestAddress>& addresses, uint32_t workers, uint32_t flows) {
  node_.geometry.worker_count = workers;
  node_.geometry.flow_capacity = flows;
  node_.pool = packet_pool();
  node_.wake_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  node_.notify_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (const auto& [cable, far_end] : cables) {
    std::vector<rte_ring*> receive_rings = far_end ? cable->from_queues : cable->to_queues;
    std::vector<rte_ring*> transmit_rings = far_end ? cable->to_queues : cable->from_queues;
    drivers::PortSpec spec;
    spec.name = "ring" + std::to_string(node_.ports.size());
    spec.device = spec.name;
    spec.profile = drivers::Profile::ring;
    spec.queues = static_cast<uint16_t>(workers);
    spec.peer_mac = "02:00:00:00:00:77";
    const std::string name = "test_port_" + std::to_string(next_name++);
    // Where all workers share the one pair of rings the first one drains it, as a NIC without steering would deliver.
    receive_rings.resize(workers, receive_rings[0]);
    transmit_rings.resize(workers, transmit_rings[0]);
    const int id = rte_eth_from_rings(name.c_str(), receive_rings.data(), workers, transmit_rings.data(), workers, 0);
    if (id < 0) die(Fault{FaultCode::internal, "ring port", "cannot be made", ""});
    auto port = drivers::Port::wrap(spec, static_cast<uint16_t>(id), node_.pool);
    if (!port) die(port.fault());
    node_.ports.push_back(std::move(*port));
  }
  for (const auto& [ip, port_index, vlan] : addresses) {
    dataplane::LocalSlot slot;
    slot.address = address(ip, 0);
    slot.port_index = port_index;
    slot.in_use = true;
    slot.vlan = vlan;
    node_.add_slot(slot);
  }
  auto resolver = drivers::Resolver::create(node_.egress_slots(), workers, node_.hops);
  if (!resolver) die(resolver.fault());
  node_.resolver = std::move(*resolver);
  const bool is_small = pages == dataplane::Hugepages::off;
  auto region = dataplane::Region::create(node_.geometry, is_small ? dataplane::RegionPages::small : dataplane::RegionPages::large_if_free);
  if (!region) die(region.fault());
  node_.region = std::move(*region);
  for (uint32_t id = 0; id < workers; ++id) node_.hand_over.push_back(make_ring());
  for (uint32_t id = 0; id < workers; ++id) {
    auto worker = dataplane::Worker::create(node_, id);
    if (!worker) die(worker.fault());
    workers_.push_back(std::move(*worker));
    if (auto attached = workers_.back()->attach(); !attached) die(attached.fault());
  }
  seen_drops_.assign(abi::drop_reason_capacity, 0);
}

TestNode::~TestNode() {
  for (auto& port : node_.ports) {
    const uint16_t id = port->id();
    port.reset();
    rte_eth_dev_close(id);
  }
  for (rte_ring* ring : node_.hand_over) rte_ring_free(ring);
  close(node_.wake_event);
  close(node_.notify_event);
}

void TestNode::poll(uint64_t at_ns) {
  now_ns = at_ns;
  for (auto& worker : workers_) worker->poll_once(at_ns);
  node_.resolver->run(at_ns);
}

abi::CommandStatus TestNode::run(const abi::Command& command, uint32_t worker) {
  abi::WorkerArea& area = node_.region->worker(worker);
  abi::Completion completion;
  if (!area.commands.push(command)) return abi::CommandStatus::no_memory;
  poll(now_ns);
  if (!area.completions.pop(completion)) std::abort();
  return completion.status;
}

abi::CommandStatus TestNode::add(const abi::FlowSpec& spec) {
  abi::Command command;
  command.type = abi::CommandType::add_flow;
  command.flow = spec;
  return run(command, spec.flow_index % node_.geometry.worker_count);
}

uint64_t TestNode::drops(abi::DropReason reason, uint32_t worker) {
  return node_.region->worker(worker).counters.drops[static_cast<size_t>(reason)];
}

std::optional<abi::DropReason> TestNode::new_drop() {
  std::optional<abi::DropReason> found;
  int changed = 0;
  for (size_t reason = 0; reason < static_cast<size_t>(abi::DropReason::count); ++reason) {
    uint64_t total = 0;
    for (uint32_t worker = 0; worker < workers_.size(); ++worker) total += drops(static_cast<abi::DropReason>(reason), worker);
    if (total != seen_drops_[reason]) {
      ++changed;
      found = static_cast<abi::DropReason>(reason);
    }
    seen_drops_[reason] = total;
  }
  return changed == 1 ? found : std::nullopt;
}

std::optional<abi::Event> TestNode::take_event(abi::EventType type) {
  for (uint32_t worker = 0; worker < workers_.size(); ++worker) {
    abi::Event event;
    while (node_.region->worker(worker).events.pop(event)) {
      if (event.type == type) return event;
    }
  }
  return std::nullopt;
}

void TestNode::restart_from_region() {
  auto adopted = dataplane::Region::adopt(node_.region->descriptor(), node_.geometry);
  if (!adopted) die(adopted.fault());
  node_.region = std::move(*adopted);
  for (auto& link : node_.links) link.publish(dataplane::LinkPeers{});
  for (auto& worker : workers_) {
    if (auto attached = worker->attach(); !attached) die(attached.fault());
  }
}

void inject(Cable& cable, const Bytes& frame, bool far_end) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(packet_pool());
  if (mbuf == nullptr || rte_pktmbuf_tailroom(mbuf) < frame.size()) std::abort();
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  if (rte_ring_enqueue(far_end ? cable.from_port : cable.to_port, mbuf) != 0) rte_pktmbuf_free(mbuf);
}

std::optional<Bytes> take(Cable& cable) {
  void* entry = nullptr;
  if (rte_ring_dequeue(cable.from_port, &entry) != 0) return std::nullopt;
  auto* mbuf = static_cast<rte_mbuf*>(entry);
  const uint8_t* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  Bytes frame(data, data + mbuf->data_len);
  rte_pktmbuf_free(mbuf);
  return frame;
}

size_t waiting(const Cable& cable) { return rte_ring_count(cable.from_port); }

size_t lose_towards_port(Cable& cable) {
  size_t lost = 0;
  void* mbuf = nullptr;
  for (; rte_ring_dequeue(cable.to_port, &mbuf) == 0; ++lost) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
  return lost;
}

abi::KeyMaterial test_key(uint8_t seed, abi::Suite suite) {
  abi::KeyMaterial material;
  material.suite = suite;
  for (size_t i = 0; i < sizeof material.key; ++i) material.key[i] = static_cast<uint8_t>(seed + 5 * i);
  for (size_t i = 0; i < sizeof material.salt; ++i) material.salt[i] = static_cast<uint8_t>(seed * 3 + i);
  return material;
}

}  // namespace sallyport::test
