// SPDX-License-Identifier: Apache-2.0
// The resolver against a real kernel: on-link and by a gateway, a neighbour that changes its address, one that is not there.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "drivers/neighbour.h"
#include "drivers/route.h"
#include "tests/unit/drivers/namespaces.h"

namespace sallyport::test {
namespace {

drivers::IpAddress ip(const std::string& text) {
  drivers::IpAddress address;
  address.family = text.find(':') == std::string::npos ? 4 : 6;
  inet_pton(address.family == 4 ? AF_INET : AF_INET6, text.c_str(), address.bytes);
  return address;
}

class ResolverNamespace : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    ASSERT_TRUE(join(here_, "eth", "10.1.0.1/24", there_, "far", "10.1.0.2/24"));
    ASSERT_TRUE(here_.in("ip addr add 2001:db8::1/64 dev eth nodad") && there_.in("ip addr add 2001:db8::2/64 dev far nodad"));
    ASSERT_TRUE(here_.in("ip route add 10.7.0.0/16 via 10.1.0.2") && here_.in("ip -6 route add 2001:db8:7::/48 via 2001:db8::2"));
  }
  std::string far_mac() {
    char mac[18] = {};
    FILE* output = popen(("ip netns exec " + there_.name() + " cat /sys/class/net/far/address").c_str(), "r");
    if (output != nullptr && std::fgets(mac, sizeof mac, output) == nullptr) mac[0] = 0;
    if (output != nullptr) pclose(output);
    return mac;
  }
  static std::string text(const std::array<uint8_t, 6>& mac) {
    char buffer[18];
    std::snprintf(buffer, sizeof buffer, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    return buffer;
  }
  Namespace here_{"here"}, there_{"there"};
};

TEST_F(ResolverNamespace, RoutesNameTheNextHopAndNeighboursAreProbedByTheKernel) {
  const std::string mac = far_mac();
  // Netlink answers for the namespace of the calling thread.
  here_.inside([&] {
    auto questions = drivers::NetlinkSocket::open(0);
    auto events = drivers::NetlinkSocket::open(RTMGRP_NEIGH);
    ASSERT_TRUE(questions && events);
    const uint32_t eth = if_nametoindex("eth");
    for (const auto& [target, hop, source] : {std::tuple{"10.1.0.2", "10.1.0.2", "10.1.0.1"}, std::tuple{"10.7.1.1", "10.1.0.2", "10.1.0.1"},
                                              std::tuple{"2001:db8::2", "2001:db8::2", "2001:db8::1"},
                                              std::tuple{"2001:db8:7::9", "2001:db8::2", "2001:db8::1"}}) {
      SCOPED_TRACE(target);
      const auto route = drivers::find_route(*questions, ip(target), ip(source), eth);
      ASSERT_TRUE(route);
      EXPECT_EQ(route->next_hop, ip(hop));
      EXPECT_EQ(route->interface_index, eth);
    }
    EXPECT_FALSE(drivers::find_route(*questions, ip("2001:db9::1"), ip("2001:db8::1"), eth)) << "no route";
    EXPECT_FALSE(drivers::find_route(*questions, ip("203.0.113.1"), ip("10.1.0.1"), eth)) << "no route, whatever the kernel would assume";

    for (const char* target : {"10.1.0.2", "2001:db8::2"}) {
      SCOPED_TRACE(target);
      EXPECT_EQ(drivers::find_neighbour(*questions, ip(target), eth).state, drivers::NeighbourState::absent);
      drivers::probe_neighbour(*questions, ip(target), eth);
      drivers::Neighbour found;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
      while (found.state != drivers::NeighbourState::usable && std::chrono::steady_clock::now() < end) {
        pollfd news{events->descriptor(), POLLIN, 0};
        poll(&news, 1, 100);
        bool overrun = false;
        for (const auto& bytes : events->waiting(overrun)) {
          const auto neighbour = drivers::read_neighbour(drivers::NetlinkMessage(bytes));
          if (neighbour && neighbour->ip == ip(target)) found = *neighbour;
        }
      }
      ASSERT_EQ(found.state, drivers::NeighbourState::usable) << "told by an event, nobody waited";
      EXPECT_EQ(text(found.mac), mac);
      EXPECT_EQ(text(drivers::find_neighbour(*questions, ip(target), eth).mac), mac);
    }
  });
}

}  // namespace
}  // namespace sallyport::test
