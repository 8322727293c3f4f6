// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/port_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::media {
namespace {

TEST(PortAllocator, EveryPortIsEvenInRangeAndOwnedByTheWorkerAskedFor) {
  PortAllocator ports(36002, 36101, 4, 5000, 7);
  std::set<uint16_t> seen;
  for (uint32_t worker = 0; worker < 4; ++worker) {
    while (const auto port = ports.allot(worker, 0)) {
      EXPECT_EQ(*port % 2, 0);
      EXPECT_GE(*port, 36002);
      EXPECT_LE(*port + 1, 36101);
      EXPECT_EQ((*port >> 1) % 4, static_cast<int>(worker));
      EXPECT_TRUE(seen.insert(*port).second);
    }
  }
  EXPECT_EQ(seen.size(), 50u);
  EXPECT_EQ(ports.in_use(), 50u);
}

TEST(PortAllocator, ReleasedPairRestsBeforeItIsUsedAgain) {
  PortAllocator ports(36002, 36003, 1, 5000, 1);
  const auto port = ports.allot(0, 1000);
  ASSERT_TRUE(port);
  ports.release(*port, 2000);
  EXPECT_EQ(ports.in_use(), 0u);
  EXPECT_FALSE(ports.allot(0, 6999));
  EXPECT_EQ(ports.allot(0, 7000), port);
}

TEST(PortAllocator, StartDiffersWithTheSeed) {
  std::set<uint16_t> first;
  for (uint32_t seed = 0; seed < 16; ++seed) first.insert(*PortAllocator(36002, 59999, 1, 5000, seed).allot(0, 0));
  EXPECT_GT(first.size(), 8u);
}

TEST(PortAllocator, ClaimedPortIsNeverAllottedAndForeignClaimsAreRefused) {
  PortAllocator ports(36002, 36005, 1, 0, 1);
  EXPECT_TRUE(ports.claim(36004));
  EXPECT_FALSE(ports.claim(36004));
  EXPECT_FALSE(ports.claim(36000));
  EXPECT_FALSE(ports.claim(36006));
  EXPECT_FALSE(ports.claim(36003));
  EXPECT_EQ(ports.allot(0, 0), std::optional<uint16_t>(36002));
  EXPECT_FALSE(ports.allot(0, 0));
}

TEST(PortAllocator, OddStartAndForeignReleaseDoNoHarm) {
  PortAllocator ports(36001, 36004, 1, 0, 1);
  EXPECT_EQ(ports.capacity(), 1u);
  ports.release(36002, 0);
  ports.release(40000, 0);
  EXPECT_EQ(ports.in_use(), 0u);
  EXPECT_TRUE(ports.allot(0, 0));
  EXPECT_FALSE(ports.allot(1, 0));
}

}  // namespace
}  // namespace sallyport::media
