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

TEST(ExceptionPath, WhatIsNotMediaGoesToTheKernelAndItsAnswersGoOut) {
  Cable nic, kernel;
  TestNode node({{&nic, false}}, {{"198.51.100.1", 0}});
  const int exception = rte_eth_from_rings("exception_test", &kernel.to_port, 1, &kernel.from_port, 1, 0);
  ASSERT_GE(exception, 0);
  drivers::PortSpec spec;
  spec.name = "exception";
  spec.profile = drivers::Profile::ring;
  auto port = drivers::Port::wrap(spec, static_cast<uint16_t>(exception), packet_pool());
  ASSERT_TRUE(port);
  node.node().ports[0]->set_exception_port(static_cast<uint16_t>(exception));

  const Bytes sip = build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x'));
  const Bytes media = build_frame(address("203.0.113.9", 4000), address("198.51.100.1", 40000), rtp(1));
  inject(nic, sip);
  inject(nic, media);
  node.poll(node.now_ns + ms);
  const auto given = take(kernel);
  ASSERT_TRUE(given);
  EXPECT_EQ(*given, sip) << "unchanged";
  EXPECT_FALSE(take(kernel)) << "media without a flow is dropped, not given to the kernel";

  inject(kernel, sip);
  node.poll(node.now_ns + ms);
  const auto sent = take(nic);
  ASSERT_TRUE(sent);
  EXPECT_EQ(*sent, sip);
  node.node().ports[0]->set_exception_port(0xffff);
}

TEST(ExceptionPath, OtherPortsLeaveTheKernelsPacketsToTheKernel) {
  Cable nic;
  TestNode node({{&nic, false}}, {{"198.51.100.1", 0}});
  inject(nic, build_frame(address("203.0.113.9", 5060), address("198.51.100.1", 5060), Bytes(100, 'x')));
  node.poll(node.now_ns + ms);
  EXPECT_EQ(waiting(nic), 0u);
  EXPECT_EQ(node.drops(abi::DropReason::not_ours), 1u);
}

}  // namespace
}  // namespace sallyport::test
