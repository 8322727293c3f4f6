// SPDX-License-Identifier: Apache-2.0
// flood/ring/KIND: TSC cycles that a hostile packet costs E, from a ring to its drop (or, of those that could be a phone, to C), while a call
// runs. Frames as unit-dataplane and media_flood have them. The peer takes the same packets off the same port and frees them: the floor.
// Usage: flood_bench [--quick] [--only PREFIX]; one JSON object a line; the ratio is theirs over ours.

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "perf/bench_options.h"
#include "tests/unit/dataplane/flood.h"
#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

constexpr uint32_t bursts_a_chunk = 16;
constexpr uint32_t chunk_packets = bursts_a_chunk * dataplane::burst_size;
constexpr uint64_t burst_interval_ns = 3200;  // ten million packets a second
constexpr size_t frames_wanted = 4096;

class Bench {
 public:
  Bench() {
    if (pair_.open_call() && pair_.establish()) return;
    std::fprintf(stderr, "no call can be made\n");
    std::exit(1);
  }

  void choose(FloodKind kind) {
    const FloodTarget target = {phone_a, relay_a, address("198.51.100.1", 40100), link_c, link_e, address("192.0.2.66", 4000), address("198.51.100.254", 0)};
    frames_.clear();
    while (frames_.size() < frames_wanted) {
      for (FloodFrame& frame : flood_frames(kind, target, random_)) frames_.push_back(std::move(frame.bytes));
    }
  }
  double measure_ours(uint32_t chunks) {
    return measure(chunks, [this] {
      for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) pair_.e.worker().poll_once(pair_.e.now_ns += burst_interval_ns);
    });
  }
  double measure_bare(uint32_t chunks) {
    const uint16_t port = pair_.e.node().ports[0]->id();
    return measure(chunks, [port] {
      rte_mbuf* mbufs[dataplane::burst_size];
      for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) rte_pktmbuf_free_bulk(mbufs, rte_eth_rx_burst(port, 0, mbufs, dataplane::burst_size));
    });
  }

 private:
  template <class Work>
  double measure(uint32_t chunks, Work work) {
    std::vector<double> cycles;
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      for (uint32_t i = 0; i < chunk_packets; ++i) inject(pair_.outer, frames_[random_() % frames_.size()]);
      const uint64_t start = __rdtsc();
      work();
      cycles.push_back(static_cast<double>(__rdtsc() - start) / chunk_packets);
      if (lose_towards_port(pair_.outer) != 0) {
        std::fprintf(stderr, "packets were left over, so the figure would be wrong\n");
        std::exit(1);
      }
      for (Cable* cable : {&pair_.outer, &pair_.trunk}) {
        while (take(*cable)) continue;
      }
      lose_towards_port(pair_.trunk);
    }
    const auto middle = cycles.begin() + static_cast<std::ptrdiff_t>(cycles.size() / 2);
    std::nth_element(cycles.begin(), middle, cycles.end());
    return *middle;
  }

  TestPair pair_;
  std::mt19937 random_{1};
  std::vector<Bytes> frames_;
};

int run(const perf::BenchOptions& options) {
  prefer_hugepages();
  Bench bench;
  for (size_t kind = 0; kind < std::size(flood_names); ++kind) {
    const std::string name = std::string("flood/ring/") + flood_names[kind];
    if (!name.starts_with(options.only)) continue;
    bench.choose(static_cast<FloodKind>(kind));
    const uint32_t chunks = options.is_quick ? 201 : 2001;
    const double ours = bench.measure_ours(chunks);
    const double bare = bench.measure_bare(chunks);
    std::printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"cycles/packet\", \"better\": \"lower\", \"peer\": \"receive and free\", "
                "\"peer_value\": %.1f, \"ratio\": %.3f}\n",
                name.c_str(), ours, bare, bare / ours);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::test

int main(int count, char** arguments) {
  return sallyport::test::run(sallyport::perf::BenchOptions::parse(count, arguments, false));
}
