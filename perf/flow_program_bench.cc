// SPDX-License-Identifier: Apache-2.0
// flows/program/KIND: commands a second that a worker applies, half of them adding a flow and half removing one, while it relays half as
// many packets as commands and loses none of them; the time of both is counted. KIND is relay (E's opaque flow, latched by C's word) or
// rekey (C's: two suites' keys expanded). flows/memory/KIND: bytes for each live flow, region and private tables together.
// Usage: flow_program_bench [--quick] [--only PREFIX]; one JSON object a line; no peer does this.

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "perf/bench_options.h"
#include "perf/own_process.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

using perf::now_ns;
using perf::resident_bytes;

constexpr uint32_t flow_limit = 8192;
constexpr uint32_t commands_a_poll = 64;
constexpr uint32_t packets_a_poll = 32;
constexpr uint64_t poll_interval_ns = 64'000;
const abi::Address phone = address("203.0.113.9", 4000);
const abi::Address relay = address("198.51.100.1", 36002);

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "flow_program_bench: %s\n", what);
  std::exit(1);
}

class Bench {
 public:
  explicit Bench(bool has_keys)
      : has_keys_(has_keys), node_({{&cable_, false}}, {{"198.51.100.1", 0}, {"198.51.100.2", 0}}, 1, flow_limit), frame_(build_frame(phone, relay, rtp(1))) {
    if (node_.add(spec_of(0)) != abi::CommandStatus::done) fail("the flow that carries packets was refused");
    for (int round = 0; round < 4; ++round) {
      inject(cable_, frame_);
      node_.poll(node_.now_ns += 1'000'000'000);
      drain();
    }
  }

  // Bytes for each of the flows that are live at once.
  double measure_memory() {
    const uint64_t before = resident_bytes();
    for (uint32_t flow = 1; flow < flow_limit; ++flow) {
      if (node_.add(spec_of(flow)) != abi::CommandStatus::done) fail("a flow was refused");
    }
    const double bytes = static_cast<double>(resident_bytes() - before) / (flow_limit - 1) + region_bytes();
    for (uint32_t flow = 1; flow < flow_limit; ++flow) {
      if (node_.run(removal_of(flow)) != abi::CommandStatus::done) fail("a removal was refused");
    }
    return bytes;
  }

  // Commands a second, the median of rounds that each add and remove every flow.
  double measure_rate(uint32_t rounds) {
    std::vector<double> rates;
    for (uint32_t round = 0; round < rounds; ++round) {
      spent_ns_ = 0;
      for (const bool adds : {true, false}) {
        for (uint32_t first = 1; first < flow_limit; first += commands_a_poll) poll_with(first, std::min(first + commands_a_poll, flow_limit), adds);
      }
      rates.push_back(2.0 * (flow_limit - 1) * 1e9 / static_cast<double>(spent_ns_));
    }
    std::nth_element(rates.begin(), rates.begin() + static_cast<ptrdiff_t>(rates.size() / 2), rates.end());
    return rates[rates.size() / 2];
  }

 private:
  // Hugepages are no part of the resident set.
  double region_bytes() { return node_.node().region->has_large_pages() ? sizeof(abi::FlowRecord) + sizeof(abi::FlowMeter) : 0; }

  // Two ports apart, since RTP ports are even.
  abi::FlowSpec spec_of(uint32_t flow) {
    abi::FlowSpec spec;
    spec.flow_index = flow;
    spec.generation = generation_;
    spec.latch = abi::Latch::exact;
    spec.expected_source = phone;
    spec.local_slot = static_cast<uint16_t>(flow % 2);
    spec.local_port = static_cast<uint16_t>(36002 + flow / 2 * 2);
    spec.egress_slot = spec.local_slot;
    spec.egress_port = spec.local_port;
    spec.destination = phone;
    spec.max_packets_per_s = 1'000'000;
    if (!has_keys_ || flow == 0) return spec;
    spec.verbs = abi::verb_open | abi::verb_seal;
    spec.latch = abi::Latch::authenticated;
    spec.open_key = test_key(1);
    spec.seal_key = test_key(2);
    return spec;
  }
  abi::Command removal_of(uint32_t flow) const {
    abi::Command command;
    command.type = abi::CommandType::remove_flow;
    command.flow_index = flow;
    command.generation = generation_;
    return command;
  }

  void poll_with(uint32_t first, uint32_t end, bool adds) {
    abi::WorkerArea& area = node_.node().region->worker(0);
    for (uint32_t flow = first; flow < end; ++flow) {
      abi::Command command = removal_of(flow);
      if (adds) {
        command.type = abi::CommandType::add_flow;
        command.flow = spec_of(flow);
      }
      if (!area.commands.push(command)) fail("the command ring is full");
    }
    for (uint32_t i = 0; i < packets_a_poll; ++i) inject(cable_, frame_);
    const uint64_t begin = now_ns();
    node_.worker().poll_once(node_.now_ns += poll_interval_ns);
    spent_ns_ += now_ns() - begin;
    abi::Completion completion;
    for (uint32_t flow = first; flow < end; ++flow) {
      if (!area.completions.pop(completion) || completion.status != abi::CommandStatus::done) fail("a command was not done");
    }
    if (drain() != packets_a_poll) fail("packets were lost");
  }

  uint32_t drain() {
    void* mbuf = nullptr;
    uint32_t count = 0;
    for (; rte_ring_dequeue(cable_.from_port, &mbuf) == 0; ++count) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    return count;
  }

  const bool has_keys_;
  const uint32_t generation_ = 1;
  uint64_t spent_ns_ = 0;
  Cable cable_;
  TestNode node_;
  const Bytes frame_;
};

void print(const std::string& name, double value, const char* unit, const char* better) {
  std::printf("{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"%s\", \"better\": \"%s\"}\n", name.c_str(), value, unit, better);
  std::fflush(stdout);
}

int run(const perf::BenchOptions& options) {
  prefer_hugepages();
  for (const bool has_keys : {false, true}) {
    const std::string kind = has_keys ? "rekey" : "relay";
    const std::string program = "flows/program/" + kind, memory = "flows/memory/" + kind;
    if (!program.starts_with(options.only) && !memory.starts_with(options.only)) continue;
    Bench bench(has_keys);
    const double bytes = bench.measure_memory();
    if (memory.starts_with(options.only)) print(memory, bytes, "B/flow", "lower");
    if (program.starts_with(options.only)) print(program, bench.measure_rate(options.is_quick ? 5 : 25), "commands/s", "higher");
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::test

int main(int count, char** arguments) {
  return sallyport::test::run(sallyport::perf::BenchOptions::parse(count, arguments, false));
}
