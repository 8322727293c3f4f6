// SPDX-License-Identifier: Apache-2.0
// flows/million/program/KIND: commands a second that a worker applies while a million flows live in its node, half of them adding a flow and
// half removing one; the peer is the same worker with no more than the flows of the measurement, so a ratio of one says that setting up a
// call does not slow down. flows/million/memory/KIND: bytes for each live flow. KIND is relay (E's opaque flow) or rekey (C's, with keys).
// Usage: million_flows_bench [--quick] [--only PREFIX]; one JSON object a line. What there is no memory for is left out with a word.


#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "perf/bench_options.h"
#include "perf/own_process.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

using perf::now_ns;
using perf::resident_bytes;

constexpr uint32_t node_flows = 1 << 20;
constexpr uint32_t live_flows = 1'000'000;
constexpr uint32_t churned_flows = 8192;
constexpr uint32_t commands_a_poll = 64;
constexpr uint32_t slots = 15;
constexpr uint32_t ports_a_slot = 59999 - 36002 + 1;
const abi::Address phone = address("203.0.113.9", 4000);

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "million_flows_bench: %s\n", what);
  std::exit(1);
}

uint64_t available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    uint64_t kb = 0;
    if (word == "MemAvailable:" && file >> kb) return kb * 1024;
  }
  return 0;
}

std::vector<TestAddress> addresses() {
  std::vector<TestAddress> made;
  for (uint32_t slot = 0; slot < slots; ++slot) made.push_back({"198.51.100." + std::to_string(slot + 1), 0});
  return made;
}

class Bench {
 public:
  explicit Bench(bool has_keys) : has_keys_(has_keys), node_({{&cable_, false}}, addresses(), 1, node_flows) {
    abi::Command command;
    command.type = abi::CommandType::add_link;
    abi::LinkSpec& link = command.link_spec;
    link.link = 0;
    link.role = abi::LinkRole::e_side;
    link.generation = 1;
    link.session = 7;
    link.local_slot = 0;
    link.local_rtp_port = 36000;
    link.local_rtcp_port = 36001;
    link.keepalive_ms = 1000;
    if (node_.run(command) != abi::CommandStatus::done) fail("the link was refused");
  }

  // Brings the live flows up to `count`; bytes for each of those added.
  double fill(uint32_t count) {
    const uint64_t before = resident_bytes();
    const uint32_t first = live_;
    for (; live_ < count; live_ = std::min(live_ + commands_a_poll, count)) poll_with(live_, std::min(live_ + commands_a_poll, count), true);
    return static_cast<double>(resident_bytes() - before) / (count - first) + region_bytes();
  }

  // Commands a second, the median of rounds that each add and remove the flows behind the live ones.
  double measure_rate(uint32_t rounds) {
    std::vector<double> rates;
    for (uint32_t round = 0; round < rounds; ++round) {
      spent_ns_ = 0;
      for (const bool adds : {true, false}) {
        for (uint32_t done = 0; done < churned_flows; done += commands_a_poll) poll_with(live_ + done, live_ + done + commands_a_poll, adds);
      }
      rates.push_back(2.0 * churned_flows * 1e9 / static_cast<double>(spent_ns_));
    }
    std::nth_element(rates.begin(), rates.begin() + static_cast<ptrdiff_t>(rates.size() / 2), rates.end());
    return rates[rates.size() / 2];
  }

 private:
  // Hugepages are no part of the resident set.
  double region_bytes() { return node_.node().region->has_large_pages() ? sizeof(abi::FlowRecord) + sizeof(abi::FlowMeter) : 0; }

  // By port as long as there are ports, then by multiplexID, as on a node where half of the flows come from the link.
  abi::FlowSpec spec_of(uint32_t flow) const {
    abi::FlowSpec spec;
    spec.flow_index = flow;
    spec.generation = 1;
    const uint32_t place = flow / 2;
    if (flow % 2 == 0 && place < slots * ports_a_slot) {
      spec.latch = has_keys_ ? abi::Latch::authenticated : abi::Latch::exact;
      spec.expected_source = phone;
      spec.local_slot = static_cast<uint16_t>(place / ports_a_slot);
      spec.local_port = static_cast<uint16_t>(36002 + place % ports_a_slot);
    } else {
      spec.arrival = abi::Arrival::multiplex;
      spec.arrival_link = 0;
      spec.arrival_multiplex_id = abi::make_multiplex_id(flow % 1024, flow + 1);
    }
    spec.egress_slot = 1;
    spec.egress_port = 42000;
    spec.destination = phone;
    if (has_keys_) {
      spec.verbs = abi::verb_open | abi::verb_seal;
      spec.open_key = test_key(1);
      spec.seal_key = test_key(2);
    }
    return spec;
  }

  void poll_with(uint32_t first, uint32_t end, bool adds) {
    abi::WorkerArea& area = node_.node().region->worker(0);
    for (uint32_t flow = first; flow < end; ++flow) {
      abi::Command command;
      command.type = adds ? abi::CommandType::add_flow : abi::CommandType::remove_flow;
      command.flow_index = flow;
      command.generation = 1;
      if (adds) command.flow = spec_of(flow);
      if (!area.commands.push(command)) fail("the command ring is full");
    }
    const uint64_t begin = now_ns();
    node_.worker().poll_once(node_.now_ns += 64'000);
    spent_ns_ += now_ns() - begin;
    abi::Completion completion;
    for (uint32_t flow = first; flow < end; ++flow) {
      if (!area.completions.pop(completion) || completion.status != abi::CommandStatus::done) fail("a command was not done");
    }
  }

  const bool has_keys_;
  Cable cable_;
  TestNode node_;
  uint32_t live_ = 0;
  uint64_t spent_ns_ = 0;
};

int run(const perf::BenchOptions& options) {
  prefer_hugepages();
  for (const bool has_keys : {false, true}) {
    const std::string kind = has_keys ? "rekey" : "relay";
    const std::string program = "flows/million/program/" + kind, memory = "flows/million/memory/" + kind;
    if (!program.starts_with(options.only) && !memory.starts_with(options.only)) continue;
    const uint64_t wanted = uint64_t{has_keys ? 6000u : 3500u} * node_flows;
    if (available_bytes() < wanted) {
      std::fprintf(stderr, "million_flows_bench: %s left out: it takes %lu MB\n", kind.c_str(), static_cast<unsigned long>(wanted >> 20));
      continue;
    }
    Bench bench(has_keys);
    const uint32_t rounds = options.is_quick ? 5 : 25;
    const double few = bench.measure_rate(rounds);
    const double bytes = bench.fill(live_flows);
    const double many = bench.measure_rate(rounds);
    std::printf("{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"commands/s\", \"better\": \"higher\", \"peer\": \"8,192 flows at most\", "
                "\"peer_value\": %.0f, \"ratio\": %.3f}\n",
                program.c_str(), many, few, many / few);
    std::printf("{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"B/flow\", \"better\": \"lower\"}\n", memory.c_str(), bytes);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::test

int main(int count, char** arguments) {
  return sallyport::test::run(sallyport::perf::BenchOptions::parse(count, arguments, false));
}
