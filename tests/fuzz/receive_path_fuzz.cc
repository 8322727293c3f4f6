// SPDX-License-Identifier: Apache-2.0
// Whatever arrives at the ports of E and of C while a call runs between them: every packet buffer comes back, every packet is counted once,
// no latch moves, and the call goes on. Input: records of a kind, a length (16 bit) and so many bytes: a frame as it is for one of four
// ports, or a UDP payload that comes from a stranger, in the name of one of the peers or to a port without a flow.

#include <rte_mempool.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <vector>

#include "tests/unit/dataplane/test_pair.h"

namespace {

using namespace sallyport;
using namespace sallyport::test;

constexpr uint32_t most_records = 64;
constexpr uint32_t most_bytes = 1600;
constexpr uint64_t control_datagrams = 8;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

struct Count {
  uint64_t in = 0, out = 0, drops = 0;
};

struct Bench {
  Bench() {
    require(pair.open_call() && pair.establish(), "a call can be made");
    drain();
    free_buffers = rte_mempool_avail_count(packet_pool());
  }
  void drain() {
    for (Cable* cable : {&pair.outer, &pair.trunk, &pair.inner}) {
      while (take(*cable)) continue;
    }
    lose_towards_port(pair.trunk);
  }
  Count count(TestNode& node) {
    const abi::WorkerCounters& counters = node.node().region->worker(0).counters;
    Count result{counters.packets_in, counters.packets_out, 0};
    for (const uint64_t drops : counters.drops) result.drops += drops;
    return result;
  }

  TestPair pair;
  unsigned free_buffers = 0;
};

struct Way {
  abi::Address source, destination;
  Cable TestPair::*cable;
  bool far_end;
};

const abi::Address stranger = address("192.0.2.66", 4000);
const Way ways[] = {
    {phone_a, relay_a, &TestPair::outer, false},
    {stranger, relay_a, &TestPair::outer, false},
    {phone_a_rtcp, relay_a_rtcp, &TestPair::outer, false},
    {stranger, address("198.51.100.1", 40100), &TestPair::outer, false},
    {link_c, link_e, &TestPair::trunk, false},
    {address("192.0.2.2", 36001), address("192.0.2.1", 36001), &TestPair::trunk, false},
    {link_e, link_c, &TestPair::trunk, true},
    {address("192.0.2.1", 36001), address("192.0.2.2", 36001), &TestPair::trunk, true},
    {stranger, link_e, &TestPair::trunk, false},
    {phone_b, relay_b, &TestPair::inner, false},
    {address("10.9.0.9", 5001), address("10.9.0.1", 41001), &TestPair::inner, false},
    {stranger, relay_b, &TestPair::inner, false},
};
constexpr size_t raw_kinds = 4;
constexpr Cable TestPair::*raw_cables[] = {&TestPair::outer, &TestPair::trunk, &TestPair::trunk, &TestPair::inner};

void send(Bench& bench, uint8_t kind, const Bytes& bytes) {
  const size_t choice = kind % (raw_kinds + std::size(ways));
  if (choice < raw_kinds) {
    if (!bytes.empty()) inject(bench.pair.*raw_cables[choice], bytes, choice == 2);
    return;
  }
  const Way& way = ways[choice - raw_kinds];
  // The high bit: as sent without a UDP checksum.
  Bytes frame = build_frame(way.source, way.destination, bytes);
  if (kind & 0x80) frame[40] = frame[41] = 0;
  inject(bench.pair.*way.cable, frame, way.far_end);
}

void require_call(Bench& bench) {
  TestPair& pair = bench.pair;
  pair.step(250 * ms);
  bench.drain();
  require(pair.say_a(phone_a, pair.next_a()).has_value(), "what A says comes to B");
  const auto at_a = pair.say_b(pair.next_b());
  require(at_a && at_a->destination == phone_a && pair.a.unprotect(at_a->payload), "what B says comes to A");
  require(pair.e.state(0).latch_moves == 0 && pair.e.state(0).latched == phone_a, "no latch moves without a tag");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Bench bench;
  const Count before[] = {bench.count(bench.pair.e), bench.count(bench.pair.c)};
  uint32_t records = 0;
  for (size_t at = 0; at + 3 <= size && records < most_records; ++records) {
    const uint8_t kind = data[at];
    const size_t wanted = static_cast<size_t>(data[at + 1] << 8 | data[at + 2]) % most_bytes;
    at += 3;
    const size_t bytes = std::min(wanted, size - at);
    send(bench, kind, Bytes(data + at, data + at + bytes));
    at += bytes;
  }
  bench.pair.step();
  bench.drain();
  require(rte_mempool_avail_count(packet_pool()) == bench.free_buffers, "every packet buffer comes back");
  const Count after[] = {bench.count(bench.pair.e), bench.count(bench.pair.c)};
  for (size_t node = 0; node < 2; ++node) {
    // Save the few control datagrams by which the nodes keep their link, which nobody passes on.
    const uint64_t in = after[node].in - before[node].in;
    const uint64_t gone = after[node].out - before[node].out + after[node].drops - before[node].drops;
    require(gone <= in + control_datagrams && in <= gone + control_datagrams, "packets are counted once");
  }
  require_call(bench);
  return 0;
}
