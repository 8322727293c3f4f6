// SPDX-License-Identifier: Apache-2.0
// scale/relay and scale/rekey: packets a second of one node with two workers on a core each, the whole path from ring to ring, each worker
// with queues and flows of its own, as a NIC steers by port bits. The peer is the same node with one worker, in the same run, so the ratio
// says what the second core brings. Both workers forward at the same moment: they wait for each other before each chunk.
// Usage: worker_scale_bench [--quick] [--only PREFIX]; one JSON object a line. On one core it says so and measures nothing.

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sched.h>
#include <x86intrin.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/packet.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_burst.h"
#include "dataplane/srtp_keys.h"
#include "perf/bench_options.h"
#include "perf/large_pages.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

using dataplane::SrtpContext;

constexpr uint32_t bursts_a_chunk = 16;
constexpr uint32_t chunk_packets = bursts_a_chunk * dataplane::burst_size;
constexpr uint32_t flows_a_worker = 1000;
constexpr uint64_t burst_interval_ns = 10'000;
constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint32_t header_bytes = 12, payload_bytes = 160;
const abi::Address phone = address("203.0.113.9", 4000);

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "worker_scale_bench: %s\n", what);
  std::exit(1);
}

std::vector<uint32_t> cores() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<uint32_t> found;
  for (uint32_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) found.push_back(core);
  }
  return found;
}

void stay_on(uint32_t core) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(core, &own);
  sched_setaffinity(0, sizeof own, &own);
}

// A ratio of cycles is one of seconds where the TSC counts alike on all cores, as DPDK requires.
double tsc_hz() {
  const auto begun = std::chrono::steady_clock::now();
  const uint64_t first = __rdtsc();
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(50)) continue;
  return static_cast<double>(__rdtsc() - first) / std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

class Bench {
 public:
  Bench(uint32_t workers, bool has_keys)
      : workers_(workers), has_keys_(has_keys), engine_(std::move(*drivers::CryptoEngine::create())), sealer_(engine_), cable_(workers),
        node_({{&cable_, false}}, {{"198.51.100.1", 0}}, workers, 4096), keys_(size_t{workers} * flows_a_worker), states_(keys_.size()), sequence_(keys_.size()) {
    for (uint32_t flow = 0; flow < keys_.size(); ++flow) add_flow(flow);
    for (int round = 0; round < 2; ++round) {
      for (uint32_t worker = 0; worker < workers; ++worker) {
        for (uint32_t first = 0; first < flows_a_worker; first += chunk_packets) {
          fill(worker, first);
          for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) node_.poll(node_.now_ns += burst_interval_ns);
          drain(worker);
        }
      }
      node_.now_ns += second_ns;
    }
  }

  // Packets a TSC cycle, of all workers together.
  double measure(uint32_t chunks) {
    const std::vector<uint32_t> own = cores();
    std::vector<std::vector<double>> cycles(workers_);
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < workers_; ++worker) {
      threads.emplace_back([this, worker, chunks, core = own[worker], &cycles] {
        stay_on(core);
        uint64_t now_ns = node_.now_ns;
        for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
          fill(worker, chunk * chunk_packets);
          meet(chunk + 1);
          const uint64_t start = __rdtsc();
          for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) node_.worker(worker).poll_once(now_ns += burst_interval_ns);
          cycles[worker].push_back(static_cast<double>(__rdtsc() - start) / chunk_packets);
          if (drain(worker) != chunk_packets) fail("packets were lost, so the figure would be wrong");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    arrived_ = 0;
    node_.now_ns += chunks * bursts_a_chunk * burst_interval_ns;
    double rate = 0;
    for (auto& values : cycles) {
      std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
      rate += 1 / values[values.size() / 2];
    }
    return rate;
  }

 private:
  uint32_t flow_of(uint32_t worker, uint32_t number) const { return number % flows_a_worker * workers_ + worker; }
  // (port >> 1) mod workers names the flow's owner, as flow mod workers does.
  static uint16_t port_of(uint32_t flow) { return static_cast<uint16_t>(36004 + 2 * flow); }

  void add_flow(uint32_t flow) {
    abi::FlowSpec spec;
    spec.generation = 1;
    spec.local_slot = spec.egress_slot = 0;
    spec.local_port = spec.egress_port = port_of(flow);
    spec.flow_index = flow;
    spec.latch = has_keys_ ? abi::Latch::authenticated : abi::Latch::exact;
    spec.expected_source = spec.destination = phone;
    spec.max_packets_per_s = 1'000'000;
    if (has_keys_) {
      spec.verbs = abi::verb_open | abi::verb_seal;
      spec.open_key = test_key(1);
      spec.seal_key = test_key(101);
      dataplane::store_be32(spec.open_key.key, flow);
      dataplane::store_be32(spec.seal_key.key, flow);
      const auto keys = dataplane::SrtpKeys::from_bytes(dataplane::SrtpSuite::aes_cm_128_hmac_sha1_80, {spec.open_key.key, 16}, {spec.open_key.salt, 14});
      keys_[flow].expand(engine_, *keys, dataplane::SrtpUse::rtp);
    }
    if (node_.add(spec) != abi::CommandStatus::done) fail("a flow was refused");
  }

  void fill(uint32_t worker, uint32_t first) {
    std::vector<rte_mbuf*> mbufs(chunk_packets);
    for (uint32_t i = 0; i < chunk_packets; ++i) {
      const uint32_t flow = flow_of(worker, (first + i) * 7919u);
      Bytes packet = rtp(static_cast<uint16_t>(++sequence_[flow]), 1, 0x55, payload_bytes);
      if (has_keys_) seal(packet, flow);
      const Bytes frame = build_frame(phone, address("198.51.100.1", port_of(flow)), packet);
      rte_mbuf* mbuf = rte_pktmbuf_alloc(packet_pool());
      if (mbuf == nullptr) fail("no packet memory");
      std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
      if (rte_ring_enqueue(cable_.to_queues[worker], mbuf) != 0) fail("a ring is full");
    }
  }

  void seal(Bytes& packet, uint32_t flow) {
    packet.resize(packet.size() + 16);
    dataplane::SrtpJob job{packet.data(), header_bytes + payload_bytes, 16, &keys_[flow], &states_[flow], dataplane::SrtpVerdict::ok, false};
    const std::lock_guard one_at_a_time(sealing_);
    sealer_.seal({&job, 1});
    if (job.verdict != dataplane::SrtpVerdict::ok) fail("a packet could not be sealed");
    packet.resize(job.length_bytes);
  }

  uint32_t drain(uint32_t worker) {
    void* mbuf = nullptr;
    uint32_t count = 0;
    for (; rte_ring_dequeue(cable_.from_queues[worker], &mbuf) == 0; ++count) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    return count;
  }

  void meet(uint32_t round) {
    ++arrived_;
    while (arrived_ < round * workers_) _mm_pause();
  }

  const uint32_t workers_;
  const bool has_keys_;
  drivers::CryptoEngine engine_;
  dataplane::SrtpBurst sealer_;
  std::mutex sealing_;
  Cable cable_;
  TestNode node_;
  std::vector<SrtpContext, perf::LargePages<SrtpContext>> keys_;
  std::vector<dataplane::SrtpStreamState> states_;
  std::vector<uint32_t> sequence_;
  std::atomic<uint32_t> arrived_{0};
};

int run(const perf::BenchOptions& options) {
  prefer_hugepages();
  if (cores().size() < 2) {
    std::fprintf(stderr, "worker_scale_bench: one core only, so nothing to measure\n");
    return 0;
  }
  const double hz = tsc_hz();
  const uint32_t chunks = options.is_quick ? 201 : 2001;
  for (const bool has_keys : {false, true}) {
    const std::string name = has_keys ? "scale/rekey" : "scale/relay";
    if (!name.starts_with(options.only)) continue;
    const double one = Bench(1, has_keys).measure(chunks), two = Bench(2, has_keys).measure(chunks);
    std::printf("{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"packets/s\", \"better\": \"higher\", \"peer\": \"one worker\", \"peer_value\": %.0f, "
                "\"ratio\": %.3f}\n",
                name.c_str(), two * hz, one * hz, two / one);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::test

int main(int count, char** arguments) {
  return sallyport::test::run(sallyport::perf::BenchOptions::parse(count, arguments, false));
}
