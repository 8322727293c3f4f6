// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "controlplane/dns/resolver.h"

namespace sallyport::dns {
namespace {

std::string order_of(const std::vector<SrvRecord>& records) {
  std::string text;
  for (const SrvRecord& record : records) text += record.target;
  return text;
}

SrvRecord record(const char* target, uint16_t priority, uint16_t weight) { return {target, 5061, priority, weight, 60}; }

TEST(SrvOrder, PriorityDecidesBeforeWeight) {
  std::vector<SrvRecord> records = {record("c", 30, 65535), record("a", 10, 1), record("b", 20, 0)};
  order_srv(records, [](uint32_t bound) { return bound; });
  EXPECT_EQ(order_of(records), "abc");
}

TEST(SrvOrder, DrawPicksByRunningSum) {
  // Zero first, then b (10), c (20): a draw of 0 takes a, 1 to 10 takes b, 11 to 30 takes c.
  const std::pair<uint32_t, const char*> rows[] = {{0, "abc"}, {1, "bac"}, {10, "bac"}, {11, "cab"}, {30, "cab"}};
  for (const auto& [drawn, expected] : rows) {
    std::vector<SrvRecord> records = {record("b", 1, 10), record("c", 1, 20), record("a", 1, 0)};
    bool first = true;
    order_srv(records, [&](uint32_t) { return std::exchange(first, false) ? drawn : 0; });
    EXPECT_EQ(order_of(records), expected) << drawn;
  }
}

TEST(SrvOrder, SharesFollowTheWeights) {
  std::mt19937 generator(7);
  std::map<std::string, int> first;
  for (int i = 0; i < 20000; ++i) {
    std::vector<SrvRecord> records = {record("a", 1, 75), record("b", 1, 25), record("z", 2, 100)};
    order_srv(records, [&](uint32_t bound) { return std::uniform_int_distribution<uint32_t>(0, bound)(generator); });
    ++first[records[0].target];
    EXPECT_EQ(records[2].target, "z");
  }
  EXPECT_NEAR(first["a"], 15000, 500);
  EXPECT_EQ(first["z"], 0);
}

TEST(SrvOrder, EmptyAndSingleListsStayAsTheyAre) {
  std::vector<SrvRecord> none;
  order_srv(none, [](uint32_t) { return 0u; });
  EXPECT_TRUE(none.empty());
  std::vector<SrvRecord> one = {record("a", 1, 0)};
  order_srv(one, [](uint32_t) { return 0u; });
  EXPECT_EQ(order_of(one), "a");
}

}  // namespace
}  // namespace sallyport::dns
