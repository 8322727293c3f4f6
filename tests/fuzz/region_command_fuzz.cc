// SPDX-License-Identifier: Apache-2.0
// Commands as a broken or hostile control plane might write them: valid ones with bytes changed, in any order, with packets
// between. Whatever happens, the tables must agree with the region, keys of removed flows must be gone, and all of it must be
// removable afterwards. Input: records of one operation byte, a count, and so many edits (offset 16 bit, value 8 bit).

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "dataplane/rtp_bytes.h"
#include "tests/unit/dataplane/test_pair.h"

namespace {

using namespace sallyport;
using namespace sallyport::test;

constexpr uint32_t flows = 64;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

struct Bench {
  Cable cable;
  TestNode node{{{&cable, false}}, {{"198.51.100.1", 0}, {"192.0.2.1", 0}, {"2001:db8::1", 0}}, 1, flows};
};

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool is_empty() const { return size_ == 0; }
  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  uint16_t word() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

abi::Command valid_command(uint8_t operation) {
  abi::Command command;
  const abi::FlowSpec specs[] = {TestPair::from_a(), TestPair::to_a(), TestPair::to_b(), TestPair::from_b(),
                                 TestPair::from_a(abi::Media::rtcp), TestPair::to_b(abi::Media::rtcp)};
  command.flow = specs[operation / 8 % std::size(specs)];
  command.flow.flow_index = operation / 8 % flows;
  switch (operation % 6) {
    case 0: command.type = abi::CommandType::add_flow; break;
    case 1: command.type = abi::CommandType::modify_flow; break;
    case 2: command.type = abi::CommandType::remove_flow; break;
    case 3: command = TestPair::link_command(abi::LinkRole::e_side); break;
    case 4: command = TestPair::link_command(abi::LinkRole::c_side); break;
    default: command.type = abi::CommandType::remove_link; command.link = 0;
  }
  command.flow_index = command.flow.flow_index;
  command.generation = command.flow.generation;
  return command;
}

bool is_wiped(const abi::KeyMaterial& key) {
  const abi::KeyMaterial zero{};
  return std::memcmp(&key, &zero, sizeof zero) == 0;
}

void check(Bench& bench) {
  dataplane::FlowTable& table = *bench.node.worker().flows;
  uint32_t live = 0;
  for (uint32_t index = 0; index < flows; ++index) {
    const abi::FlowRecord& record = bench.node.node().region->flow(index);
    const dataplane::FlowEntry& entry = table.entry(index);
    require(record.generation_live == entry.generation, "region and table agree on what lives");
    if (entry.generation == 0) {
      require(is_wiped(record.spec.open_key) && is_wiped(record.spec.seal_key), "no key outlives its flow");
      require(!table.open_context(index).is_ready() && !table.seal_context(index).is_ready(), "nor does its expansion");
      continue;
    }
    ++live;
    require(entry.flow_index == index, "an entry knows its index");
    require(table.open_context(index).is_ready() == ((entry.verbs & abi::verb_open) != 0), "open keys are there when needed");
    require(table.seal_context(index).is_ready() == ((entry.verbs & abi::verb_seal) != 0), "seal keys are there when needed");
    require((entry.verbs & abi::verb_mux) == 0 || bench.node.worker().links.is_live(entry.egress_link), "a flow's link lives");
  }
  require(live == table.live_flows, "the count of live flows holds");
}

void send_packets(Bench& bench, uint8_t variety) {
  Bytes packet = variety & 1 ? rtcp() : rtp(variety);
  if (variety & 2) {
    packet.insert(packet.begin(), 4, 0);
    dataplane::store_be32(packet.data(), variety & 4 ? id_to_c : id_to_e);
  }
  const uint16_t port = variety & 2 ? 36000 : static_cast<uint16_t>(40000 + variety / 16);
  const abi::Address to = address(variety & 8 ? "192.0.2.1" : "198.51.100.1", port);
  inject(bench.cable, build_frame(variety & 2 ? link_e : phone_a, to, packet));
  bench.node.poll(bench.node.now_ns + 20'000'000);
  while (take(bench.cable)) continue;
}

void remove_all(Bench& bench) {
  abi::Command command;
  command.type = abi::CommandType::remove_flow;
  for (uint32_t index = 0; index < flows; ++index) {
    const uint32_t generation = bench.node.worker().flows->entry(index).generation;
    if (generation == 0) continue;
    command.flow_index = index;
    command.generation = generation;
    require(bench.node.run(command) == abi::CommandStatus::done, "a live flow can be removed");
  }
  command.type = abi::CommandType::remove_link;
  for (uint16_t link = 0; link < abi::max_links; ++link) {
    if (!bench.node.worker().links.is_live(link)) continue;
    command.link = link;
    require(bench.node.run(command) == abi::CommandStatus::done, "a link without flows can be removed");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Bench bench;
  Input input(data, size);
  for (int records = 0; records < 64 && !input.is_empty(); ++records) {
    const uint8_t operation = input.byte();
    abi::Command command = valid_command(operation);
    const uint8_t edits = input.byte() % 16;
    for (uint8_t edit = 0; edit < edits; ++edit) {
      const size_t at = input.word() % sizeof command;
      reinterpret_cast<uint8_t*>(&command)[at] = input.byte();
    }
    bench.node.run(command);
    check(bench);
    send_packets(bench, operation);
    abi::Event event;
    while (bench.node.node().region->worker(0).events.pop(event)) continue;
  }
  remove_all(bench);
  check(bench);
  return 0;
}
