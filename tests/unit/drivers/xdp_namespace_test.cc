// SPDX-License-Identifier: Apache-2.0
// Profile xdp on a real interface that it shares with the kernel: media by AF_XDP, everything else by the kernel's own stack. And what
// happens where AF_XDP is not to be had.

#include <gtest/gtest.h>

#include "tests/unit/drivers/switched_node.h"

namespace sallyport::test {
namespace {

class XdpNamespace : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    ASSERT_TRUE(site_.make());
    for (const Family& family : families) {
      ASSERT_TRUE(node_.in(std::string("ip addr add ") + family.node + family.link_bits + " dev nic nodad") &&
                  node_.in(std::string("ip ") + family.ip + " route add " + family.network + " via " + family.a));
    }
    ASSERT_TRUE(node_.in("ethtool -K nic rxvlan off"));
  }
  void TearDown() override {
    if (HasFailure()) std::fprintf(stderr, "%s", site_.log().c_str());
  }
  void expect_media(const Family& family, uint32_t packets) {
    const Descriptor phone(a_.socket(family.a, phone_port)), listener(a_.socket(family.host, media_port));
    ASSERT_GE(listener, 0);
    ASSERT_EQ(site_.add_flow(family.slot * 4u, family.slot, family.relay_port, family.a, family.host), abi::CommandStatus::done);
    ASSERT_TRUE(site_.is_heard(phone, family, family.relay_port, listener));
    for (uint32_t i = 0; i < packets; ++i) ASSERT_TRUE(site_.is_heard_at_once(phone, family, listener)) << i;
  }

  SwitchedNode site_;
  const Namespace &node_ = site_.node, &a_ = site_.a;
};

TEST_F(XdpNamespace, KernelServesEverythingButMediaOnTheSameInterface) {
  site_.configure("[0]", "profile = \"xdp\"\ndevice = \"nic\"");
  ASSERT_TRUE(site_.start()) << site_.log();
  if (site_.client->header().profile != std::string("xdp")) {
    EXPECT_NE(site_.log().find("falling back to packet"), std::string::npos) << site_.log();
    GTEST_SKIP() << "this kernel does not take profile xdp";
  }
  const FrameSocket kernel(node_, "nic");
  for (const Family& family : families) {
    SCOPED_TRACE(family.name);
    expect_media(family, 100);
    EXPECT_TRUE(a_.in(std::string("ping -c 1 -w 5 ") + family.node));
    expect_stream(a_, family.a, node_, family.node);
    // The destination port, where a datagram has it.
    EXPECT_FALSE(sees(kernel, family.slot == 0 ? 36 : 56, {static_cast<uint8_t>(family.relay_port >> 8), static_cast<uint8_t>(family.relay_port)}))
        << "no packet of media came to the kernel";
  }
  EXPECT_EQ(site_.sum(&abi::WorkerCounters::to_kernel), 0u);
  EXPECT_EQ(site_.drops(abi::DropReason::not_ours), 0u) << "nor anything else to the dataplane";

  // Tagged media by the dataplane, whatever else has a tag by the kernel.
  const FrameSocket wire(a_, "eth");
  const Family& family = families[0];
  const Descriptor listener(a_.socket(family.host, media_port));
  ASSERT_EQ(site_.add_flow(vlan_flow, vlan_slot, vlan_relay_port, "10.2.0.2", family.host, family.slot), abi::CommandStatus::done);
  EXPECT_TRUE(until([&] {
    const Bytes media = build_frame(address("10.2.0.2", phone_port), address("10.2.0.1", vlan_relay_port), rtp(site_.sequence++), 1);
    return wire.send(media) && receive_from(listener, 50);
  })) << "dropped: wrong_vlan " << site_.drops(abi::DropReason::wrong_vlan);
  if (site_.has_vlans) {
    ASSERT_TRUE(site_.add_vlan("nic"));
    EXPECT_TRUE(a_.in("ping -c 1 -w 5 10.2.0.1"));
  }

  EXPECT_EQ(WEXITSTATUS(site_.program->end(SIGTERM)), 0);
  EXPECT_EQ(node_.output("ip link show nic").find("xdp"), std::string::npos) << "its program goes with the process";
}

TEST_F(XdpNamespace, FallsBackToPacketAndSaysWhy) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "two workers need two cores";
  site_.configure("[0, 1]", "profile = \"xdp\"\ndevice = \"nic\"");
  ASSERT_TRUE(site_.start()) << site_.log();
  // A veth has one queue as a rule, and AF_XDP wants one for each worker.
  if (site_.client->header().profile == std::string("xdp")) GTEST_SKIP() << "AF_XDP has two queues here";
  EXPECT_STREQ(site_.client->header().profile, "packet");
  EXPECT_NE(site_.log().find("port wan: profile xdp is not possible here (port wan (nic): has 1 receive queue(s) for 2 workers; "), std::string::npos) << site_.log();
  EXPECT_NE(site_.log().find("), falling back to packet"), std::string::npos) << site_.log();
  EXPECT_NE(site_.log().find("port wan: nic, profile packet"), std::string::npos) << site_.log();
  for (const Family& family : families) {
    SCOPED_TRACE(family.name);
    expect_media(family, 10);
  }
}

}  // namespace
}  // namespace sallyport::test
