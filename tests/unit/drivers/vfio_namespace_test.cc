// SPDX-License-Identifier: Apache-2.0
// Profile vfio by the way a NIC takes, without a NIC: sallyport-dataplane in a namespace of its own, its port a device that DPDK makes itself
// on the end of a veth pair which the kernel does not serve, its exception port a real tap with the node's addresses.

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/drivers/switched_node.h"

namespace sallyport::test {
namespace {

constexpr uint32_t kernel_rate = 200;

struct Way {
  const char* name;
  const char* device;
  const char* lcores;
  bool is_hidden_from_kernel;  // by the device itself, as a NIC bound to vfio-pci is
};

constexpr Way ways[] = {
    {"af_packet", "net_af_packet_wan,iface=nic,qdisc_bypass=1", "[0]", false},
    {"af_packet_two_workers", "net_af_packet_wan,iface=nic,qpairs=2,qdisc_bypass=1", "[0, 1]", false},
    {"af_xdp", "net_af_xdp_wan,iface=nic", "[0]", true},
};

class VfioNamespace : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    if (std::string(GetParam().lcores) != "[0]" && std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "two workers need two cores";
    ASSERT_TRUE(site_.make());
    // The kernel is to see nothing of the port, and to say nothing by it.
    ASSERT_TRUE(node_.in("sysctl -w net.ipv6.conf.nic.disable_ipv6=1"));
    if (!GetParam().is_hidden_from_kernel) {
      ASSERT_TRUE(node_.in("nft add table netdev hidden") &&
                  node_.in("nft 'add chain netdev hidden frames { type filter hook ingress device nic priority 0; policy drop; }'"));
    }
    site_.configure(GetParam().lcores, std::string("profile = \"vfio\"\ndevice = \"") + GetParam().device + "\"\nmtu = 1400\nkernel_packets_per_s = " + std::to_string(kernel_rate));
  }
  void TearDown() override {
    if (HasFailure()) std::fprintf(stderr, "%s", site_.log().c_str());
  }
  void start(int offered = -1) { ASSERT_TRUE(site_.start(offered)) << site_.log(); }
  // As an operator does it, on the exception port's interface.
  void take_addresses() {
    for (const Family& family : families) {
      ASSERT_TRUE(node_.in(std::string("ip addr add ") + family.node + family.link_bits + " dev sp-wan nodad"));
      ASSERT_TRUE(route(family, "add", family.a));
    }
  }
  bool route(const Family& family, const std::string& what, const std::string& gateway) {
    return node_.in(std::string("ip ") + family.ip + " route " + what + " " + family.network + (gateway.empty() ? "" : " via " + gateway) + " dev sp-wan");
  }
  void add_flows() {
    for (const Family& family : families) {
      ASSERT_EQ(site_.add_flow(family.slot * 4u, family.slot, family.relay_port, family.a, family.host), abi::CommandStatus::done);
      ASSERT_EQ(site_.add_flow(family.slot * 4u + 2, family.slot, port_of_nobody(family), family.a, family.nobody), abi::CommandStatus::done);
    }
  }
  static uint16_t port_of_nobody(const Family& family) { return static_cast<uint16_t>(family.relay_port + 4); }
  uint64_t drops(abi::DropReason reason) { return site_.drops(reason); }
  uint64_t given() { return site_.sum(&abi::WorkerCounters::to_kernel); }
  uint64_t taken() { return site_.sum(&abi::WorkerCounters::packets_in); }

  SwitchedNode site_;
  const Namespace &node_ = site_.node, &a_ = site_.a, &b_ = site_.b;
};

INSTANTIATE_TEST_SUITE_P(Port, VfioNamespace, testing::ValuesIn(ways), [](const auto& info) { return std::string(info.param.name); });

TEST_P(VfioNamespace, KernelAnswersNeighboursEchoesAndStreamsThroughTheExceptionPort) {
  start();
  EXPECT_NE(site_.log().find("exception port sp-wan ("), std::string::npos) << site_.log();
  EXPECT_NE(site_.log().find("profile vfio"), std::string::npos) << site_.log();
  EXPECT_STREQ(site_.client->header().profile, "vfio");
  take_addresses();
  const std::string mac = node_.output("cat /sys/class/net/nic/address");
  EXPECT_EQ(node_.output("cat /sys/class/net/sp-wan/address"), mac);
  EXPECT_EQ(node_.number("/sys/class/net/sp-wan/mtu"), 1400u);
  for (const Family& family : families) {
    SCOPED_TRACE(family.name);
    EXPECT_TRUE(a_.in(std::string("ping -c 1 -w 5 ") + family.node));
    EXPECT_NE(a_.output(std::string("ip neigh show dev eth ") + family.node).find(mac.substr(0, 17)), std::string::npos) << "ARP or NDP was answered with the port's MAC address";
    expect_stream(a_, family.a, node_, family.node);
    // And the other way round: the node asks.
    EXPECT_TRUE(node_.in(std::string("ping -c 1 -w 5 ") + family.b));
  }
  EXPECT_GT(node_.number("/sys/class/net/sp-wan/statistics/rx_packets"), 0u);
  EXPECT_GT(given(), 0u);
  EXPECT_GT(site_.sum(&abi::WorkerCounters::from_kernel), 0u);
  EXPECT_EQ(WEXITSTATUS(site_.program->end(SIGTERM)), 0);
  EXPECT_FALSE(node_.in("ip link show sp-wan")) << "the interface goes with the process";
  a_.in("ip neigh flush dev eth");
  EXPECT_FALSE(a_.in("ping -c 1 -W 1 10.1.0.1")) << "nothing but the dataplane served the port";
}

TEST_P(VfioNamespace, MediaNeverReachesTheKernel) {
  start();
  take_addresses();
  add_flows();
  const FrameSocket kernel(node_, "sp-wan");
  constexpr uint32_t packets = 100;
  for (const Family& family : families) {
    SCOPED_TRACE(family.name);
    const Descriptor phone(a_.socket(family.a, phone_port)), listener(a_.socket(family.host, media_port));
    ASSERT_GE(listener, 0);
    ASSERT_TRUE(site_.is_heard(phone, family, family.relay_port, listener));
    const uint64_t given_before = given(), taken_before = taken();
    for (uint32_t i = 0; i < packets; ++i) ASSERT_TRUE(site_.is_heard_at_once(phone, family, listener)) << i;
    EXPECT_TRUE(until([&] { return site_.client->meter(family.slot * 4u).packets > packets; }));
    EXPECT_GE(taken() - taken_before, packets);
    EXPECT_LT(given() - given_before, packets / 2) << "neighbours speak now and then, nobody else";
    const std::vector<uint8_t> port = {static_cast<uint8_t>(family.relay_port >> 8), static_cast<uint8_t>(family.relay_port)};
    EXPECT_FALSE(sees(kernel, family.slot == 0 ? 36 : 56, port)) << "not one of them by the kernel's interface";
  }
}

TEST_P(VfioNamespace, MediaFollowsTheKernelsRoutesAndNeighbours) {
  start();
  take_addresses();
  add_flows();
  for (const Family& family : families) {
    SCOPED_TRACE(family.name);
    const std::string ip = std::string("ip ") + family.ip + " ";
    const Descriptor phone(a_.socket(family.a, phone_port)), at_a(a_.socket(family.host, media_port)), at_b(b_.socket(family.host, media_port));
    ASSERT_TRUE(at_a >= 0 && at_b >= 0);
    EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, at_a)) << "the route is by a";
    ASSERT_TRUE(route(family, "replace", family.b));
    EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, at_b)) << "the route is by b";
    while (receive_from(at_a, 0)) continue;
    EXPECT_TRUE(site_.is_heard_at_once(phone, family, at_b));
    EXPECT_FALSE(receive_from(at_a, 0)) << "and by b alone";

    ASSERT_TRUE(b_.in(std::string("ip link set eth address 02:00:00:00:0b:0") + (family.slot == 0 ? "4" : "6")));
    EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, at_b)) << "b has another MAC address and said so";
    const std::string mac_of_a = a_.output("cat /sys/class/net/eth/address").substr(0, 17);
    ASSERT_TRUE(node_.in(ip + "neigh replace " + family.b + " lladdr " + mac_of_a + " dev sp-wan nud permanent"));
    EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, at_a)) << "the operator says that b has the MAC address of a";
    ASSERT_TRUE(node_.in(ip + "neigh del " + family.b + " dev sp-wan"));
    EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, at_b)) << "and then that he does not know, so that b is asked";

    ASSERT_TRUE(route(family, "del", ""));
    const uint64_t lost = drops(abi::DropReason::no_neighbour);
    EXPECT_TRUE(until([&] {
      send_to(phone, rtp(site_.sequence++), family.node, family.relay_port);
      return drops(abi::DropReason::no_neighbour) > lost;
    })) << "without a route media is dropped by that name; the kernel's: " << node_.output(ip + "route show table all");
    while (receive_from(at_b, 0)) continue;
    const uint64_t before = drops(abi::DropReason::no_neighbour);
    ASSERT_TRUE(send_to(phone, rtp(site_.sequence++), family.node, family.relay_port));
    EXPECT_TRUE(until([&] { return drops(abi::DropReason::no_neighbour) > before; }));
    EXPECT_FALSE(receive_from(at_b, 0));
    ASSERT_TRUE(route(family, "add", family.b));
    EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, at_b)) << "and goes on with a new one";
  }
}

TEST_P(VfioNamespace, NeighbourThatIsNotKnownIsAskedForThroughTheExceptionPort) {
  start();
  take_addresses();
  add_flows();
  for (const Family& family : families) {
    SCOPED_TRACE(family.name);
    const uint16_t relay_port = port_of_nobody(family);
    const Descriptor phone(a_.socket(family.a, phone_port));
    const FrameSocket wire(b_, "eth");
    const uint64_t lost = drops(abi::DropReason::no_neighbour);
    const abi::Address asked = address(family.nobody, 0);
    // An ARP request names its target at byte 38 of the frame, a neighbour solicitation at byte 62.
    const std::vector<uint8_t> target(asked.ip, asked.ip + (family.slot == 0 ? 4 : 16));
    EXPECT_TRUE(until([&] {
      send_to(phone, rtp(site_.sequence++), family.node, relay_port);
      return sees(wire, family.slot == 0 ? 38 : 62, target);
    })) << "the kernel asks, by the port";
    EXPECT_TRUE(until([&] {
      send_to(phone, rtp(site_.sequence++), family.node, relay_port);
      return drops(abi::DropReason::no_neighbour) > lost;
    }));
    ASSERT_TRUE(b_.in(std::string("ip addr add ") + family.nobody + family.link_bits + " dev eth nodad"));
    const Descriptor listener(b_.socket(family.nobody, media_port));
    ASSERT_GE(listener, 0);
    EXPECT_TRUE(site_.is_heard(phone, family, relay_port, listener)) << "somebody answers now";
  }
}

TEST_P(VfioNamespace, FloodForTheKernelIsBoundedCountedAndHarmsNeitherMediaNorNeighbours) {
  start();
  take_addresses();
  add_flows();
  const Family& family = families[0];
  const Descriptor phone(a_.socket(family.a, phone_port)), listener(a_.socket(family.host, media_port)), flooder(b_.socket(family.b, 9));
  ASSERT_TRUE(site_.is_heard(phone, family, family.relay_port, listener));
  const auto begin = std::chrono::steady_clock::now();
  const uint64_t given_before = given(), taken_before = taken();
  uint64_t sent = 0;
  for (int round = 0; round < 40; ++round) {
    // b must ask for the node's MAC address anew, through the flood.
    if (round % 10 == 5) {
      ASSERT_TRUE(b_.in("ip neigh flush dev eth"));
    }
    ASSERT_TRUE(until([&] {
      return send_to(flooder, std::vector<uint8_t>(64, 0x66), family.node, 9) && b_.output(std::string("ip neigh show dev eth ") + family.node).find("lladdr") != std::string::npos;
    })) << "b knows the node's MAC address";
    const uint64_t base = taken();
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(send_to(flooder, std::vector<uint8_t>(64, 0x66), family.node, 9));
    sent += 200;
    ASSERT_TRUE(site_.is_heard_at_once(phone, family, listener)) << "media of round " << round;
    ASSERT_TRUE(until([&] { return taken() - base >= 201; })) << "the flood is taken as it comes";
  }
  const uint64_t policed = drops(abi::DropReason::kernel_policed), passed = given() - given_before;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  // A worker each, and what may come at once; and neighbours, which have a share of their own.
  const double limit = site_.client->header().worker_count * (kernel_rate * (seconds + 1) + 500 * (seconds + 1));
  EXPECT_GT(policed, 0u);
  EXPECT_GE(policed + passed, sent) << "what the kernel did not get was counted, of " << taken() - taken_before << " packets";
  EXPECT_LT(static_cast<double>(passed), limit);
  EXPECT_EQ(drops(abi::DropReason::kernel_full), 0u);
  EXPECT_TRUE(until([&] { return node_.number("/sys/class/net/sp-wan/statistics/rx_packets") <= given(); })) << "the interface saw no more than that";
  EXPECT_EQ(drops(abi::DropReason::not_ours), 0u) << "what the kernel got is not dropped";
}

TEST_P(VfioNamespace, TagsReachTheKernelAndTaggedMediaTheFlow) {
  start();
  take_addresses();
  const FrameSocket kernel(node_, "sp-wan"), wire(a_, "eth");
  // Any frame that is not media, with a tag: the kernel tells by it whose it is.
  std::vector<uint8_t> request(60, 0x5a);
  const std::vector<uint8_t> head = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x81, 0x00, 0x00, 0x64, 0x08, 0x06};
  std::copy(head.begin(), head.end(), request.begin());
  EXPECT_TRUE(until([&] { return wire.send(request) && sees(kernel, 14, std::vector<uint8_t>(40, 0x5a), 100); }));

  const Family& family = families[0];
  const Descriptor listener(a_.socket(family.host, media_port));
  ASSERT_EQ(site_.add_flow(vlan_flow, vlan_slot, vlan_relay_port, "10.2.0.2", family.host, family.slot), abi::CommandStatus::done);
  EXPECT_TRUE(until([&] {
    const Bytes media = build_frame(address("10.2.0.2", phone_port), address("10.2.0.1", vlan_relay_port), rtp(site_.sequence++), 1);
    return wire.send(media) && receive_from(listener, 50);
  })) << "dropped: wrong_vlan " << drops(abi::DropReason::wrong_vlan);
}

TEST_P(VfioNamespace, TaggedAddressStandsOnTheExceptionPort) {
  if (!site_.has_vlans) GTEST_SKIP() << "this kernel makes no VLAN interfaces";
  start();
  take_addresses();
  ASSERT_TRUE(site_.add_vlan("sp-wan"));
  ASSERT_EQ(site_.add_flow(vlan_flow, vlan_slot, vlan_relay_port, "10.2.0.2", "10.2.0.2"), abi::CommandStatus::done);
  EXPECT_TRUE(a_.in("ping -c 1 -w 5 10.2.0.1")) << "the kernel gets the tag and sends with it";
  const Descriptor phone(a_.socket("10.2.0.2", phone_port)), listener(a_.socket("10.2.0.2", media_port));
  Family tagged = families[0];
  tagged.node = "10.2.0.1";
  EXPECT_TRUE(site_.is_heard(phone, tagged, vlan_relay_port, listener)) << "dropped: wrong_vlan " << drops(abi::DropReason::wrong_vlan);
}

TEST_P(VfioNamespace, InterfaceMadeBeforehandKeepsAddressesWhenTheDataplaneIsKilled) {
  ASSERT_TRUE(node_.in("ip tuntap add dev sp-wan mode tap multi_queue"));
  start();
  take_addresses();
  add_flows();
  const Family& family = families[0];
  const Descriptor phone(a_.socket(family.a, phone_port)), listener(a_.socket(family.host, media_port));
  ASSERT_TRUE(site_.is_heard(phone, family, family.relay_port, listener));
  site_.program->end(SIGKILL);
  auto old = std::move(site_.client);
  start(old->region_descriptor());
  EXPECT_EQ(site_.client->welcome().adopted, 1u);
  EXPECT_TRUE(a_.in("ping -c 1 -w 5 10.1.0.1"));
  EXPECT_TRUE(site_.is_heard(phone, family, family.relay_port, listener)) << "with the addresses and routes of before";
}

// IPv6 neighbours did not find a node on a NIC, which takes frames to multicast addresses only when asked to.
TEST(VfioMulticast, PortTakesTheFramesThatNeighboursSendToMany) {
  if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  SwitchedNode site;
  ASSERT_TRUE(site.make());
  // A tap of which DPDK has the other end shows what DPDK asked of it.
  site.configure("[0]", "profile = \"vfio\"\ndevice = \"net_tap_wan,iface=wire\"");
  ASSERT_TRUE(site.start()) << site.log();
  EXPECT_NE(std::strtoul(site.node.output("cat /sys/class/net/wire/flags").c_str(), nullptr, 16) & IFF_ALLMULTI, 0u);
}

TEST(VfioNames, PortsWhoseNamesAreTooLongForAnInterfaceAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  SwitchedNode site;
  ASSERT_TRUE(site.make());
  site.configure("[0]", "profile = \"vfio\"\ndevice = \"net_af_packet_wan,iface=nic\"\n[[port]]\nname = \"outside-primary\"\nprofile = \"vfio\"\ndevice = \"net_tap_wan,iface=wire\"");
  const auto program = std::make_unique<Program>(site.node, site.command(), site.log_path());
  EXPECT_TRUE(until([&] { return site.log().find("its exception port cannot be called sp-outside-primary; give the port a name of at most 12 characters") != std::string::npos; })) << site.log();
  EXPECT_EQ(WEXITSTATUS(program->end(0)), 1) << "and the node does not start";
  EXPECT_FALSE(site.node.in("ip link show sp-wan")) << "nor leave anything behind";
}

}  // namespace
}  // namespace sallyport::test
