// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/multiplex_allocator.h"

#include <gtest/gtest.h>

#include <set>

#include "dataplane/abi/multiplex_id.h"

namespace sallyport::media {
namespace {

TEST(MultiplexAllocator, IndexBelongsToTheWorkerAndLowBitsAreFree) {
  MultiplexAllocator ids(3, 60000);
  std::set<uint32_t> indices;
  for (int i = 0; i < 900; ++i) {
    const auto id = ids.allot(i % 3, 0);
    ASSERT_TRUE(id);
    EXPECT_EQ(*id & 3, 0u);
    EXPECT_NE(abi::multiplex_index(*id), 0u);
    EXPECT_EQ(ids.owner(*id), static_cast<uint32_t>(i % 3));
    EXPECT_TRUE(indices.insert(abi::multiplex_index(*id)).second);
  }
  EXPECT_EQ(ids.in_use(), 900u);
}

TEST(MultiplexAllocator, IndexIsNotUsedAgainWithinItsMinute) {
  MultiplexAllocator ids(1, 60000);
  const auto id = ids.allot(0, 0);
  ids.release(*id, 1000);
  EXPECT_EQ(ids.in_use(), 0u);
  EXPECT_FALSE(ids.claim(*id));
  ASSERT_TRUE(ids.allot(0, 60999));
  EXPECT_FALSE(ids.claim(*id));
  ASSERT_TRUE(ids.allot(0, 61000));
  EXPECT_TRUE(ids.claim(*id));
}

TEST(MultiplexAllocator, ClaimTakesAnIndexOnceAndNeverIndexZero) {
  MultiplexAllocator ids(2, 60000);
  EXPECT_TRUE(ids.claim(abi::make_multiplex_id(5, 77)));
  EXPECT_FALSE(ids.claim(abi::make_multiplex_id(9, 77)));
  EXPECT_FALSE(ids.claim(abi::make_multiplex_id(9, 0)));
  ids.release_at_once(abi::make_multiplex_id(5, 77));
  EXPECT_TRUE(ids.claim(abi::make_multiplex_id(9, 77)));
}

TEST(MultiplexAllocator, UnknownWorkerGetsNothing) {
  MultiplexAllocator ids(2, 60000);
  EXPECT_FALSE(ids.allot(2, 0));
}

}  // namespace
}  // namespace sallyport::media
