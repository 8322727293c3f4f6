// SPDX-License-Identifier: Apache-2.0
// Addresses with a VLAN: which frames they take, and how what they send is tagged.

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstring>
#include <functional>

#include "dataplane/rtp_bytes.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

using abi::DropReason;

constexpr uint64_t ms = 1'000'000;
constexpr uint16_t tagged_slot = 0, plain_slot = 1, tagged_slot_v6 = 2;
const abi::Address phone = address("203.0.113.9", 4000), phone_v6 = address("2001:db8::9", 4000);
const abi::Address inside = address("10.0.0.9", 5000);

abi::FlowSpec spec_between(uint32_t index, uint16_t from_slot, uint16_t to_slot, const abi::Address& source, const abi::Address& destination) {
  abi::FlowSpec spec;
  spec.flow_index = index;
  spec.generation = 1;
  spec.latch = abi::Latch::expected_ip;
  spec.expected_source = source;
  spec.local_slot = from_slot;
  spec.local_port = static_cast<uint16_t>(40000 + 2 * index);
  spec.egress_slot = to_slot;
  spec.egress_port = 42000;
  spec.destination = destination;
  return spec;
}

class Vlan : public testing::Test {
 protected:
  // build_frame() tags with 100, and a second time with 101.
  Vlan() : node({{&cable, false}}, {{"198.51.100.1", 0, 100}, {"10.0.0.1", 0}, {"2001:db8::1", 0, 300}}) {}

  void warm_up(const Bytes& frame) {
    for (int i = 0; i < 3; ++i) pass(frame);
    node.new_drop();
  }
  std::optional<Bytes> pass(const Bytes& frame) {
    inject(cable, frame);
    node.poll(node.now_ns + 200 * ms);
    return take(cable);
  }
  // As from a port that takes tags out of frames.
  std::optional<Bytes> pass_stripped(const Bytes& frame, uint16_t vlan) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(packet_pool());
    std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
    mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    mbuf->vlan_tci = vlan;
    EXPECT_EQ(rte_ring_enqueue(cable.to_port, mbuf), 0);
    node.poll(node.now_ns + 20 * ms);
    return take(cable);
  }

  Cable cable;
  TestNode node;
};

const abi::Address relay = address("198.51.100.1", 40000);

Bytes with_tag(uint16_t content) {
  Bytes frame = build_frame(phone, relay, rtp(8), 1);
  dataplane::store_be16(&frame[14], content);
  return frame;
}

TEST_F(Vlan, AddressTakesFramesWithItsTagOnly) {
  ASSERT_EQ(node.add(spec_between(0, tagged_slot, plain_slot, phone, inside)), abi::CommandStatus::done);
  warm_up(with_tag(100));
  const struct {
    const char* sentence;
    Bytes frame;
    std::optional<DropReason> drop;
  } rows[] = {
      {"its tag", with_tag(100), {}},
      {"its tag with a priority", with_tag(0xe000 | 100), {}},
      {"no tag", build_frame(phone, relay, rtp(8)), DropReason::wrong_vlan},
      {"another tag", with_tag(101), DropReason::wrong_vlan},
      {"a tag of priority alone", with_tag(0xe000), DropReason::wrong_vlan},
      {"two tags", build_frame(phone, relay, rtp(8), 2), DropReason::wrong_vlan},
      {"what is the kernel's stays the kernel's, whatever its tag", build_frame(phone, address("198.51.100.1", 5060), rtp(8)), DropReason::not_ours},
      {"another address is the kernel's", build_frame(phone, address("198.51.100.7", 40000), rtp(8), 1), DropReason::not_ours},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.sentence);
    const auto out = pass(row.frame);
    EXPECT_EQ(out.has_value(), !row.drop.has_value());
    EXPECT_EQ(node.new_drop(), row.drop);
    if (!out) continue;
    EXPECT_EQ((*out)[12] << 8 | (*out)[13], 0x0800) << "the address it leaves by has no VLAN";
  }
}

TEST_F(Vlan, TagThatThePortHasTakenOutCounts) {
  ASSERT_EQ(node.add(spec_between(0, tagged_slot, plain_slot, phone, inside)), abi::CommandStatus::done);
  warm_up(with_tag(100));
  const Bytes frame = build_frame(phone, relay, rtp(8));
  EXPECT_TRUE(pass_stripped(frame, 100));
  EXPECT_TRUE(pass_stripped(frame, 0x6000 | 100));
  EXPECT_FALSE(pass_stripped(frame, 101));
  EXPECT_EQ(node.new_drop(), DropReason::wrong_vlan);
  EXPECT_FALSE(pass_stripped(with_tag(100), 100)) << "one tag beside the frame and one in it";
  EXPECT_EQ(node.new_drop(), DropReason::wrong_vlan);
}

TEST_F(Vlan, WhatIsSentCarriesTagAndPriorityAndHoldingChecksums) {
  abi::FlowSpec spec = spec_between(0, plain_slot, tagged_slot, inside, phone);
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  abi::FlowSpec v6 = spec_between(1, plain_slot, tagged_slot_v6, inside, phone_v6);
  v6.dscp = 34;
  ASSERT_EQ(node.add(v6), abi::CommandStatus::done);
  abi::FlowSpec sealed = spec_between(2, plain_slot, tagged_slot_v6, inside, phone_v6);
  sealed.verbs = abi::verb_seal;
  sealed.seal_key = test_key(1);
  ASSERT_EQ(node.add(sealed), abi::CommandStatus::done);
  const struct {
    uint16_t content;
    abi::Address source, destination;
    size_t tag_bytes;
  } wanted[] = {{5 << 13 | 100, address("198.51.100.1", 42000), phone, 0},
                {4 << 13 | 300, address("2001:db8::1", 42000), phone_v6, 0},
                {5 << 13 | 300, address("2001:db8::1", 42000), phone_v6, 10}};
  for (uint16_t flow = 0; flow < 3; ++flow) {
    SCOPED_TRACE(flow);
    const abi::Address port = address("10.0.0.1", static_cast<uint16_t>(40000 + 2 * flow));
    warm_up(build_frame(inside, port, rtp(1)));
    for (const size_t bytes : {0, 1, 160, 1200}) {
      const Bytes media = rtp(static_cast<uint16_t>(2 + bytes), 0x77, 0x42, bytes);
      const auto out = pass(build_frame(inside, port, media));
      Frame frame;
      ASSERT_TRUE(out && read_frame(*out, frame));
      EXPECT_EQ((*out)[12] << 8 | (*out)[13], 0x8100);
      EXPECT_EQ((*out)[14] << 8 | (*out)[15], wanted[flow].content);
      EXPECT_EQ(frame.source, wanted[flow].source);
      EXPECT_EQ(frame.destination, wanted[flow].destination);
      EXPECT_TRUE(frame.checksums_hold);
      EXPECT_EQ(frame.payload.size(), media.size() + wanted[flow].tag_bytes);
      const Bytes next_hop = {2, 0, 0, 0, 0, 0x77};
      EXPECT_TRUE(std::equal(next_hop.begin(), next_hop.end(), out->begin()));
    }
  }
}

// The tag is of Ethernet: it takes nothing from the IP packet.
TEST_F(Vlan, TagDoesNotCountTowardsTheMtu) {
  ASSERT_EQ(node.add(spec_between(0, plain_slot, tagged_slot, inside, phone)), abi::CommandStatus::done);
  const abi::Address port = address("10.0.0.1", 40000);
  warm_up(build_frame(inside, port, rtp(1)));
  const auto out = pass(build_frame(inside, port, rtp(2, 1, 1, 1500 - 28 - 12)));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->size(), 18u + 1500);
}

}  // namespace
}  // namespace sallyport::test
