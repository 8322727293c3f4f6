// SPDX-License-Identifier: Apache-2.0
#include "drivers/next_hop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sallyport::test {
namespace {

using drivers::HopKey;
using drivers::HopLink;
using drivers::HopState;
using drivers::NextHopTable;

HopKey key_of(uint32_t number, uint16_t slot = 0) {
  HopKey key;
  key.slot = slot;
  key.family = 4;
  std::memcpy(key.ip, &number, sizeof number);
  return key;
}

HopLink link_of(uint8_t seed) {
  HopLink link;
  std::memset(link.destination_mac, seed, 6);
  std::memset(link.source_mac, static_cast<uint8_t>(seed + 1), 6);
  return link;
}

TEST(NextHopTable, PendingIsFoundButNotUsedUntilItIsResolved) {
  NextHopTable table(6);
  HopLink link;
  EXPECT_EQ(table.find(key_of(1), drivers::no_hop), drivers::no_hop);
  const uint32_t index = table.insert(key_of(1), 5);
  EXPECT_EQ(table.find(key_of(1), drivers::no_hop), index);
  EXPECT_FALSE(table.read(index, key_of(1), 5, link));
  table.set(index, HopState::usable, link_of(7));
  ASSERT_TRUE(table.read(index, key_of(1), 5, link));
  EXPECT_EQ(link.destination_mac[0], 7);
  table.set(index, HopState::unreachable, HopLink{});
  EXPECT_FALSE(table.read(index, key_of(1), 5, link));
}

// A route was changed and media went on by the old one: an entry that a worker used a moment after the resolver looked at the clock seemed
// to be out of use for centuries, and was not looked up anew.
TEST(NextHopTable, EntryUsedSinceTheClockWasReadIsInUse) {
  constexpr uint64_t s = 1'000'000'000;
  NextHopTable table(6);
  const uint32_t index = table.insert(key_of(1), 100 * s);
  table.set(index, HopState::usable, link_of(7));
  HopLink link;
  ASSERT_TRUE(table.read(index, key_of(1), 102 * s + 1, link));
  EXPECT_TRUE(table.is_used_within(index, 102 * s, 60 * s));
  EXPECT_TRUE(table.is_used_within(index, 162 * s, 60 * s));
  EXPECT_FALSE(table.is_used_within(index, 162 * s + 1, 60 * s));
}

TEST(NextHopTable, SlotIsPartOfTheKey) {
  NextHopTable table(6);
  EXPECT_NE(table.insert(key_of(1, 0), 1), table.insert(key_of(1, 1), 1));
}

TEST(NextHopTable, RecycledEntryIsNotTakenForTheOldOne) {
  NextHopTable table(2);
  const uint32_t first = table.insert(key_of(0), 1);
  table.set(first, HopState::usable, link_of(9));
  for (uint32_t number = 1; number < 64; ++number) table.insert(key_of(number), number + 1);
  HopLink link;
  EXPECT_FALSE(table.read(first, key_of(0), 1, link)) << "a remembered index proves nothing";
}

// Four addresses of one peer and sequential peers must not pile up: each lookup is sixteen places at most.
TEST(NextHopTable, HoldsAThirdOfItsSizeWithoutRecyclingAny) {
  NextHopTable table(16);
  for (uint16_t slot = 0; slot < 5; ++slot) {
    for (uint32_t peer = 0; peer < 4096; ++peer) table.insert(key_of(__builtin_bswap32(0x0a000000 + peer), slot), 1);
  }
  uint32_t missing = 0;
  for (uint16_t slot = 0; slot < 5; ++slot) {
    for (uint32_t peer = 0; peer < 4096; ++peer) missing += table.find(key_of(__builtin_bswap32(0x0a000000 + peer), slot), drivers::no_hop) == drivers::no_hop;
  }
  EXPECT_EQ(missing, 0u);
}

TEST(NextHopTable, ReaderNeverSeesHalfAnEntry) {
  NextHopTable table(4);
  const uint32_t index = table.insert(key_of(1), 1);
  table.set(index, HopState::usable, link_of(0));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint32_t round = 0; round < 200'000; ++round) table.set(index, HopState::usable, link_of(static_cast<uint8_t>(round)));
    stop = true;
  });
  uint64_t torn = 0;
  HopLink link;
  while (!stop) {
    if (!table.read(index, key_of(1), 1, link)) continue;
    for (int i = 0; i < 6; ++i) {
      torn += link.destination_mac[i] != link.destination_mac[0] || link.source_mac[i] != static_cast<uint8_t>(link.destination_mac[0] + 1);
    }
  }
  writer.join();
  EXPECT_EQ(torn, 0u);
}

}  // namespace
}  // namespace sallyport::test
