// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/region_map.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <new>

namespace sallyport::media {
namespace {

// A region of one worker and eight flows in a memfd of its own.
struct RawRegion {
  explicit RawRegion(bool sealed = true) {
    bytes = flows_at + 8 * sizeof(abi::FlowRecord);
    fd = memfd_create("region", MFD_ALLOW_SEALING);
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(bytes)), 0);
    if (sealed) fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
    memory = static_cast<uint8_t*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    auto& header = *new (memory) abi::RegionHeader;
    header.magic = abi::region_magic;
    header.version = abi::abi_version;
    header.header_bytes = sizeof header;
    header.region_bytes = bytes;
    header.worker_count = 1;
    header.flow_capacity = 8;
    header.workers_offset = workers_at;
    header.links_offset = links_at;
    header.meters_offset = meters_at;
    header.flows_offset = flows_at;
    header.relay_port_min = 36002;
    header.relay_port_max = 59999;
    std::strcpy(header.slots[3].name, "outside");
    header.slots[3].in_use = 1;
  }
  ~RawRegion() {
    munmap(memory, bytes);
    close(fd);
  }
  abi::RegionHeader& header() { return *reinterpret_cast<abi::RegionHeader*>(memory); }
  abi::FlowMeter& meter(uint32_t i) { return reinterpret_cast<abi::FlowMeter*>(memory + meters_at)[i]; }
  abi::FlowRecord& flow(uint32_t i) { return reinterpret_cast<abi::FlowRecord*>(memory + flows_at)[i]; }
  Outcome<RegionMap> map() { return RegionMap::map(dup(fd), bytes); }

  static constexpr uint64_t workers_at = (sizeof(abi::RegionHeader) + 63) / 64 * 64;
  static constexpr uint64_t links_at = workers_at + sizeof(abi::WorkerArea);
  static constexpr uint64_t meters_at = links_at + abi::max_links * sizeof(abi::LinkRecord);
  static constexpr uint64_t flows_at = meters_at + 8 * sizeof(abi::FlowMeter);
  int fd;
  uint64_t bytes;
  uint8_t* memory;
};

TEST(RegionMap, GoodRegionIsMappedAndItsSlotsAreFoundByName) {
  RawRegion raw;
  auto region = raw.map();
  ASSERT_TRUE(region.has_value());
  EXPECT_EQ(region->slot("outside"), std::optional<uint16_t>(3));
  EXPECT_FALSE(region->slot("inside"));
  EXPECT_EQ(region->flow_capacity(), 8u);
}

TEST(RegionMap, EveryBrokenGeometryIsRefused) {
  const std::pair<const char*, std::function<void(abi::RegionHeader&)>> broken[] = {
      {"magic", [](auto& h) { h.magic = 1; }},
      {"version", [](auto& h) { h.version = 99; }},
      {"header size", [](auto& h) { h.header_bytes = 8; }},
      {"region size", [](auto& h) { h.region_bytes += 64; }},
      {"no worker", [](auto& h) { h.worker_count = 0; }},
      {"too many workers", [](auto& h) { h.worker_count = 17; }},
      {"workers beyond links", [](auto& h) { h.worker_count = 2; }},
      {"no flow", [](auto& h) { h.flow_capacity = 0; }},
      {"flows outside", [](auto& h) { h.flow_capacity = 9; }},
      {"flows overflow", [](auto& h) { h.flow_capacity = 0xffffffff; }},
      {"offset overflow", [](auto& h) { h.flows_offset = ~uint64_t{63}; }},
      {"offset unaligned", [](auto& h) { h.flows_offset += 4; }},
      {"areas overlap", [](auto& h) { h.flows_offset = h.meters_offset; }},
      {"meters overlap", [](auto& h) { h.meters_offset = h.links_offset; }},
      {"odd port", [](auto& h) { h.relay_port_min = 36003; }},
      {"empty port range", [](auto& h) { h.relay_port_max = 36002; }},
  };
  for (const auto& [name, breaks] : broken) {
    RawRegion raw;
    breaks(raw.header());
    EXPECT_FALSE(raw.map().has_value()) << name;
  }
}

TEST(RegionMap, RegionThatCouldShrinkUnderUsIsRefused) {
  RawRegion raw(false);
  const auto region = raw.map();
  ASSERT_FALSE(region.has_value());
  EXPECT_NE(region.fault().text().find("sealed"), std::string::npos);
}

TEST(RegionMap, SizeOtherThanAnnouncedIsRefused) {
  RawRegion raw;
  EXPECT_FALSE(RegionMap::map(dup(raw.fd), raw.bytes - 64).has_value());
  EXPECT_FALSE(RegionMap::map(dup(raw.fd), raw.bytes + 64).has_value());
}

TEST(RegionMap, DeadOrReusedFlowsAreNotRead) {
  RawRegion raw;
  auto region = raw.map();
  raw.flow(2).spec.call_tag = 42;
  raw.flow(2).spec.stream_tag = 7;
  raw.meter(2).packets = 5;
  EXPECT_TRUE(region->live_flows().empty());
  EXPECT_FALSE(region->flow_counters(2, 9));
  raw.flow(2).generation_live = 9;
  ASSERT_EQ(region->live_flows().size(), 1u);
  EXPECT_EQ(region->live_flows()[0].call_tag, 42u);
  EXPECT_EQ(region->live_flows()[0].stream_tag, 7u);
  EXPECT_EQ(region->flow_counters(2, 9)->packets, 5u);
  EXPECT_FALSE(region->flow_counters(2, 8));
  EXPECT_FALSE(region->flow_spec(2, 0));
  EXPECT_FALSE(region->flow_spec(8, 9));
}

TEST(RegionMap, CountersAreCopiedWholeAndSrtpStateIsLeftOut) {
  RawRegion raw;
  auto region = raw.map();
  abi::FlowState& state = raw.flow(1).state;
  raw.flow(1).generation_live = 4;
  abi::FlowMeter& meter = raw.meter(1);
  meter.bytes = 0x1122334455667788;
  state.latched.family = 4;
  state.latched.port = 40000;
  state.latched.ip[3] = 9;
  state.last_drop = 3;
  meter.reception.highest_extended_seq = 70000;
  const auto counters = region->flow_counters(1, 4);
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->bytes, meter.bytes);
  EXPECT_EQ(counters->latched, state.latched);
  EXPECT_EQ(counters->last_drop, 3);
  EXPECT_EQ(counters->reception.highest_extended_seq, 70000u);
}

}  // namespace
}  // namespace sallyport::media
