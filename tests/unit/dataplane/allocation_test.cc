// SPDX-License-Identifier: Apache-2.0
// After start nothing on the path may allocate: every allocation function of the C library is counted while packets flow.

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "tests/unit/dataplane/test_pair.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0};
void note() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void* malloc(size_t bytes) {
  note();
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  note();
  return __libc_calloc(count, bytes);
}
void* realloc(void* before, size_t bytes) {
  note();
  return __libc_realloc(before, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}
}

namespace sallyport::test {
namespace {

TEST(Allocation, CounterSeesAnAllocation) {
  counting = true;
  void* volatile memory = malloc(100);
  counting = false;
  free(memory);
  EXPECT_EQ(allocations.exchange(0), 1u);
}

TEST(Allocation, NoneWhilePacketsAreRelayedOpenedSealedAndConfirmed) {
  TestPair pair;
  ASSERT_TRUE(pair.open_call());
  ASSERT_TRUE(pair.establish());
  std::vector<Bytes> from_a, from_b;
  for (int i = 0; i < 200; ++i) {
    from_a.push_back(build_frame(i % 50 == 0 ? address("203.0.113.66", 6000) : phone_a, relay_a, pair.next_a()));
    from_b.push_back(build_frame(phone_b, relay_b, pair.next_b()));
  }
  for (int i = 0; i < 200; ++i) {
    inject(pair.outer, from_a[static_cast<size_t>(i)]);
    inject(pair.inner, from_b[static_cast<size_t>(i)]);
    pair.now_ns += 20 * ms;
    counting = true;
    for (int round = 0; round < 2; ++round) {
      pair.e.worker().poll_once(pair.now_ns);
      pair.c.worker().poll_once(pair.now_ns);
    }
    counting = false;
    while (take(pair.outer) || take(pair.inner)) continue;
  }
  EXPECT_EQ(allocations.exchange(0), 0u);
  EXPECT_GT(pair.c.meter(0).packets, 150u);
}

}  // namespace
}  // namespace sallyport::test
