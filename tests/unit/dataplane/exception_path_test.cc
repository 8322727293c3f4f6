// SPDX-License-Identifier: Apache-2.0
// A port that the kernel does not see passes on what is not media, both ways; the exception port is a ring here.

#include "dataplane/exception_path.h"

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

constexpr uint64_t ms = 1'000'000;

class ExceptionPath : public testing::Test {
 protected:
  void SetUp() override {
    static int number = 0;
    const int exception = rte_eth_from_rings(("exception_test" + std::to_string(number++)).c_str(), &kernel.to_port, 1, &kernel.from_port, 1, 0);
    ASSERT_GE(exception, 0);
    drivers::PortSpec spec;
    spec.name = "exception";
    spec.profile = drivers::Profile::ring;
    auto wrapped = drivers::Port::wrap(spec, static_cast<uint16_t>(exception), packet_pool());
    ASSERT_TRUE(wrapped);
    port = std::move(*wrapped);
    node.node().ports[0]->set_exception_port(static_cast<uint16_t>(exception));
    node.node().has_exception_ports = true;
  }
  void TearDown() override { node.node().ports[0]->set_exception_port(drivers::no_port); }
  const abi::WorkerCounters& counters() { return node.worker().area->counters; }

  Cable nic, kernel;
  TestNode node{{{&nic, false}}, {{"198.51.100.1", 0}}};
  std::unique_ptr<drivers::Port> port;
};

// What an ARP request or a neighbour solicitation looks like, as far as the policer looks.
Bytes arp_request() {
  Bytes frame(42);
  frame[6] = 0x02, frame[12] = 0x08, frame[13] = 0x06;
  return frame;
}
Bytes solicitation(uint8_t hop_limit, uint8_t type) {
  Bytes frame(86);
  frame[12] = 0x86, frame[13] = 0xdd, frame[14] = 0x60, frame[20] = 58, frame[21] = hop_limit, frame[54] = type;
  return frame;
}
Bytes tagged(Bytes frame) {
  const uint8_t tag[] = {0x81, 0x00, 0x00, 0x64};
  frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
  return frame;
}

TEST_F(ExceptionPath, WhatIsNotMediaGoesToTheKernelAndItsAnswersGoOut) {
  const Bytes sip = build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x'));
  const Bytes media = build_frame(address("203.0.113.9", 4000), address("198.51.100.1", 40000), rtp(1));
  inject(nic, sip);
  inject(nic, media);
  node.poll(node.now_ns + ms);
  const auto given = take(kernel);
  ASSERT_TRUE(given);
  EXPECT_EQ(*given, sip) << "unchanged";
  EXPECT_FALSE(take(kernel)) << "media without a flow is dropped, not given to the kernel";
  EXPECT_EQ(counters().to_kernel, 1u);
  EXPECT_EQ(node.drops(abi::DropReason::not_ours), 0u) << "what the kernel has is not dropped";

  inject(kernel, sip);
  node.poll(node.now_ns + ms);
  const auto sent = take(nic);
  ASSERT_TRUE(sent);
  EXPECT_EQ(*sent, sip);
  EXPECT_EQ(counters().from_kernel, 1u);
}

TEST_F(ExceptionPath, FloodIsBoundedAndNeighboursPassBesideIt) {
  const Bytes sip = build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x'));
  const auto pass = [&](const Bytes& frame, uint32_t times) {
    uint32_t passed = 0;
    for (uint32_t i = 0; i < times; ++i) {
      inject(nic, frame);
      node.poll(node.now_ns);
      while (take(kernel)) ++passed;
    }
    return passed;
  };
  // Fifty milliseconds of the port's 50,000 packets a second may come at once.
  EXPECT_EQ(pass(sip, 3000), 2501u);
  EXPECT_EQ(node.drops(abi::DropReason::kernel_policed), 499u);
  EXPECT_EQ(pass(arp_request(), 50), 50u) << "the node's neighbours are not crowded out";
  EXPECT_EQ(pass(arp_request(), 100), 51u) << "nor are they without bound";
  EXPECT_EQ(pass(sip, 1), 0u);
  node.now_ns += 10 * ms;
  EXPECT_EQ(pass(sip, 1000), 500u) << "as many as the time that went by stands for";
  EXPECT_EQ(node.drops(abi::DropReason::kernel_policed), 499u + 49 + 1 + 500);
}

TEST_F(ExceptionPath, FrameOfOurOwnThatComesBackIsNobodys) {
  Bytes frame = build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x'));
  const auto& mac = node.node().ports[0]->mac();
  std::copy(mac.begin(), mac.end(), frame.begin() + 6);
  inject(nic, frame);
  node.poll(node.now_ns + ms);
  EXPECT_FALSE(take(kernel));
  EXPECT_EQ(node.drops(abi::DropReason::not_ours), 1u);
}

TEST(ExceptionPolicer, NeighboursFramesAreTold) {
  using dataplane::ExceptionPolicer;
  const auto is_told = [](const Bytes& frame) { return ExceptionPolicer::is_of_neighbours(frame.data(), static_cast<uint32_t>(frame.size())); };
  EXPECT_TRUE(is_told(arp_request()));
  EXPECT_TRUE(is_told(tagged(arp_request())));
  EXPECT_TRUE(is_told(solicitation(255, 135)));
  EXPECT_TRUE(is_told(tagged(solicitation(255, 136))));
  EXPECT_FALSE(is_told(solicitation(64, 135))) << "from beyond a router, where anybody is";
  EXPECT_FALSE(is_told(solicitation(255, 128))) << "an echo";
  EXPECT_FALSE(is_told(build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x'))));
  const Bytes whole = tagged(solicitation(255, 135));
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(bytes));
    EXPECT_EQ(is_told(cut), bytes >= 62) << bytes;
  }
}

TEST(ExceptionPathOfOthers, OtherPortsLeaveTheKernelsPacketsToTheKernel) {
  Cable nic;
  TestNode node({{&nic, false}}, {{"198.51.100.1", 0}});
  inject(nic, build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x')));
  node.poll(node.now_ns + ms);
  EXPECT_EQ(waiting(nic), 0u);
  EXPECT_EQ(node.drops(abi::DropReason::not_ours), 1u);
}

}  // namespace
}  // namespace sallyport::test
