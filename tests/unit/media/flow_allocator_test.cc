// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/flow_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::media {
namespace {

TEST(FlowAllocator, IndicesBelongToTheWorkerUntilNoneIsLeft) {
  FlowAllocator flows(10, 4, 1000);
  std::set<uint32_t> seen;
  while (const auto flow = flows.allot(1)) {
    EXPECT_EQ(flow->index % 4, 1u);
    EXPECT_GE(flow->generation, 1000u);
    seen.insert(flow->index);
  }
  EXPECT_EQ(seen, (std::set<uint32_t>{1, 5, 9}));
  EXPECT_TRUE(flows.allot(0));
  EXPECT_FALSE(flows.allot(4));
}

TEST(FlowAllocator, GenerationGrowsWithEveryUse) {
  FlowAllocator flows(1, 1, 0);
  const auto first = flows.allot(0);
  flows.release(first->index);
  const auto second = flows.allot(0);
  EXPECT_EQ(second->index, first->index);
  EXPECT_NE(first->generation, 0u);
  EXPECT_GT(second->generation, first->generation);
}

TEST(FlowAllocator, ClaimedFlowIsNotAllottedAndItsGenerationIsPassed) {
  FlowAllocator flows(2, 1, 10);
  EXPECT_TRUE(flows.claim({1, 500}));
  EXPECT_FALSE(flows.claim({1, 501}));
  EXPECT_FALSE(flows.claim({2, 1}));
  EXPECT_FALSE(flows.claim({0, 0}));
  EXPECT_EQ(flows.allot(0)->index, 0u);
  EXPECT_FALSE(flows.allot(0));
  flows.release(1);
  EXPECT_EQ(flows.allot(0)->generation, 501u);
  EXPECT_EQ(flows.in_use(), 2u);
}

}  // namespace
}  // namespace sallyport::media
