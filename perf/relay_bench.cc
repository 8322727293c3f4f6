// SPDX-License-Identifier: Apache-2.0
// relay/ring/flowsN: TSC cycles a packet of the whole path (receive to transmit, IP and UDP checksums verified and made) for a
// relay flow of 160-byte RTP, from ring to ring, flows visited in random order. The peer is a bare forward of the same packets
// between the same ring ports that looks into none of them: the floor, measured in the same run.
// Usage: relay_bench [--quick] [--only PREFIX] [--stages]; one JSON object a line; the ratio is theirs over ours.

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dataplane/packet.h"
#include "perf/bench_options.h"
#include "perf/stage_report.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

constexpr uint32_t bursts_a_chunk = 16;
constexpr uint32_t chunk_packets = bursts_a_chunk * dataplane::burst_size;
constexpr uint32_t ports_a_slot = 59999 - 36002 + 1;
constexpr uint64_t second_ns = 1'000'000'000;

abi::Address source_of(uint32_t flow) {
  abi::Address source = address("10.0.0.0", static_cast<uint16_t>(1024 + flow % 50000));
  source.ip[1] = static_cast<uint8_t>(flow >> 16);
  source.ip[2] = static_cast<uint8_t>(flow >> 8);
  source.ip[3] = static_cast<uint8_t>(flow);
  return source;
}

class Bench {
 public:
  explicit Bench(uint32_t flows)
      : flows_(flows),
        node_({{&cable_, false}}, {{"198.51.100.1", 0}, {"198.51.100.2", 0}, {"198.51.100.3", 0}, {"198.51.100.4", 0}, {"198.51.100.5", 0}}, 1,
              131072) {
    for (uint32_t flow = 0; flow < flows; ++flow) add_flow(flow);
    // Every flow's next hop is asked for in the first round and known in the second, before anything is timed.
    for (int round = 0; round < 2; ++round) {
      for (uint32_t flow = 0; flow < flows; flow += chunk_packets) {
        std::vector<uint32_t> visited;
        for (uint32_t i = 0; i < chunk_packets; ++i) visited.push_back((flow + i) % flows);
        fill(visited);
        for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) node_.poll(node_.now_ns += burst_interval_ns_);
        drain();
      }
      if (round == 0) node_.now_ns += second_ns;
    }
  }
  double measure_ours(uint32_t chunks) {
    return measure(chunks, [this] {
      for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) node_.worker().poll_once(node_.now_ns += burst_interval_ns_);
    });
  }
  double measure_bare(uint32_t chunks) {
    const uint16_t port = node_.node().ports[0]->id();
    return measure(chunks, [port] {
      rte_mbuf* mbufs[dataplane::burst_size];
      for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) {
        rte_eth_tx_burst(port, 0, mbufs, rte_eth_rx_burst(port, 0, mbufs, dataplane::burst_size));
      }
    });
  }
  const abi::WorkerCounters& counters() { return node_.node().region->worker(0).counters; }

 private:
  void add_flow(uint32_t flow) {
    abi::FlowSpec spec;
    spec.flow_index = flow;
    spec.generation = 1;
    spec.latch = abi::Latch::exact;
    spec.max_packets_per_s = 1'000'000;
    spec.expected_source = source_of(flow);
    spec.local_slot = static_cast<uint16_t>(flow / ports_a_slot);
    spec.local_port = static_cast<uint16_t>(36002 + flow % ports_a_slot);
    spec.egress_slot = spec.local_slot;
    spec.egress_port = spec.local_port;
    // As through a default route there are fewer peers than flows; the next-hop table holds what a burst of calls brings.
    spec.destination = source_of(flow % 4096);
    if (node_.add(spec) != abi::CommandStatus::done) {
      std::fprintf(stderr, "flow %u was refused\n", flow);
      std::exit(1);
    }
    const abi::Address local = address("198.51.100." + std::to_string(spec.local_slot + 1), spec.local_port);
    frames_.push_back(build_frame(source_of(flow), local, rtp(1, flow)));
  }
  void fill(const std::vector<uint32_t>& visited) {
    for (const uint32_t flow : visited) inject(cable_, frames_[flow]);
  }
  uint32_t drain() {
    void* mbuf = nullptr;
    uint32_t count = 0;
    for (; rte_ring_dequeue(cable_.from_port, &mbuf) == 0; ++count) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    return count;
  }
  template <class Work>
  double measure(uint32_t chunks, Work work) {
    std::vector<double> cycles;
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      std::vector<uint32_t> visited(chunk_packets);
      for (uint32_t& flow : visited) flow = random_() % flows_;
      fill(visited);
      const uint64_t start = __rdtsc();
      work();
      cycles.push_back(static_cast<double>(__rdtsc() - start) / chunk_packets);
      if (drain() != chunk_packets) {
        std::fprintf(stderr, "packets were lost, so the figure would be wrong:");
        for (size_t reason = 0; reason < static_cast<size_t>(abi::DropReason::count); ++reason) {
          const uint64_t drops = node_.drops(static_cast<abi::DropReason>(reason));
          if (drops != 0) std::fprintf(stderr, " %s %lu", abi::drop_reason_info[reason].name, static_cast<unsigned long>(drops));
        }
        std::fprintf(stderr, "\n");
        std::exit(1);
      }
    }
    std::nth_element(cycles.begin(), cycles.begin() + static_cast<std::ptrdiff_t>(cycles.size() / 2), cycles.end());
    return cycles[cycles.size() / 2];
  }

  uint32_t flows_;
  // The clock a saturated worker sees: ten million packets a second, or what one flow's policer lets through.
  uint64_t burst_interval_ns_ = flows_ == 1 ? 32000 : 3200;
  Cable cable_;
  TestNode node_;
  std::vector<Bytes> frames_;
  std::mt19937 random_{1};
};

int run(const perf::BenchOptions& options) {
  prefer_hugepages();
  const std::vector<uint32_t> counts = options.is_quick ? std::vector<uint32_t>{1000, 100000} : std::vector<uint32_t>{1, 1000, 20000, 100000};
  for (const uint32_t flows : counts) {
    const std::string name = "relay/ring/flows" + std::to_string(flows);
    if (!name.starts_with(options.only)) continue;
    Bench bench(flows);
    const uint32_t chunks = options.is_quick ? 401 : 4001;
    const abi::WorkerCounters before = bench.counters();
    const double ours = bench.measure_ours(chunks);
    if (options.with_stages) perf::print_stages(name, before, bench.counters());
    const double bare = bench.measure_bare(chunks);
    std::printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"cycles/packet\", \"better\": \"lower\", \"peer\": \"bare ring forward\", "
                "\"peer_value\": %.1f, \"ratio\": %.3f}\n",
                name.c_str(), ours, bare, bare / ours);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::test

int main(int count, char** arguments) {
  return sallyport::test::run(sallyport::perf::BenchOptions::parse(count, arguments, true));
}
