// SPDX-License-Identifier: Apache-2.0
#include "dataplane/source_policer.h"

#include <gtest/gtest.h>

#include "tests/unit/dataplane/frame.h"

namespace sallyport::test {
namespace {

using dataplane::SourcePolicer;

constexpr uint64_t begin_ns = 1'000'000'000'000, second_ns = 1'000'000'000;

uint32_t let_in(SourcePolicer& policer, const std::vector<abi::Address>& sources, uint32_t packets_per_s) {
  uint32_t taken = 0;
  for (uint32_t i = 0; i < packets_per_s; ++i) {
    taken += policer.take(sources[i % sources.size()], begin_ns + uint64_t{i} * second_ns / packets_per_s);
  }
  return taken;
}

TEST(SourcePolicer, OneAddressIsBoundedWhateverItsPorts) {
  SourcePolicer policer;
  std::vector<abi::Address> sources;
  for (uint16_t port = 1; port < 1000; ++port) sources.push_back(address("203.0.113.66", port));
  const uint32_t taken = let_in(policer, sources, 100'000);
  EXPECT_GE(taken, SourcePolicer::packets_per_s);
  EXPECT_LE(taken, SourcePolicer::packets_per_s * 5 / 4 + 2) << "with what it may run ahead";
}

TEST(SourcePolicer, AHostCannotHideInItsOwnIpv6Prefix) {
  SourcePolicer policer;
  std::vector<abi::Address> sources;
  for (int host = 1; host < 1000; ++host) sources.push_back(address("2001:db8:1:2::" + std::to_string(host), 4000));
  EXPECT_LE(let_in(policer, sources, 100'000), SourcePolicer::packets_per_s * 5 / 4 + 2);
}

TEST(SourcePolicer, NeighboursDoNotPayForAFlood) {
  SourcePolicer policer;
  let_in(policer, {address("203.0.113.66", 4000)}, 100'000);
  uint32_t refused = 0;
  for (int host = 1; host <= 250; ++host) {
    if (host != 66) refused += !policer.take(address("203.0.113." + std::to_string(host), 4000), begin_ns + second_ns);
  }
  EXPECT_LE(refused, 5u) << "but the few that share its bucket";
}

}  // namespace
}  // namespace sallyport::test
