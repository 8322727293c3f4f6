// SPDX-License-Identifier: Apache-2.0
// Hours of a call in sequence numbers: nothing is lost or taken twice but what got lost on the way, whatever was lost where they wrap.

#include <gtest/gtest.h>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

constexpr uint32_t wraps = 4;
constexpr uint32_t gap = 300;
constexpr uint64_t packet_ns = 500'000;  // 2,000 a second: the flow's limit is not the subject

// Lost on the way: nothing at the first wrap, all of it at the second, every second packet at the third, all but the last at the fourth.
bool is_lost(uint32_t extended) {
  const auto sequence = static_cast<uint16_t>(extended);
  if (sequence >= gap && sequence < 65536 - gap) return false;
  switch ((extended + gap) >> 16) {
    case 1: return false;
    case 2: return true;
    case 3: return sequence % 2 == 1;
    default: return sequence != gap - 1;
  }
}

class SequenceWrap : public testing::Test {
 protected:
  void SetUp() override {
    pair.seq_a = pair.seq_b = 65000;
    ASSERT_TRUE(pair.open_call());
    ASSERT_TRUE(pair.establish());
  }
  TestPair pair;
};

TEST_F(SequenceWrap, LosesNothingOfWhatIsSealed) {
  const uint32_t begin = pair.seq_a;
  for (uint32_t extended = begin; extended < begin + wraps * 65536; ++extended) {
    const Bytes sealed = pair.next_a();
    if (is_lost(extended)) continue;
    inject(pair.outer, build_frame(phone_a, relay_a, sealed));
    pair.step(packet_ns);
    const auto at_b = pair.last(pair.inner);
    ASSERT_TRUE(at_b) << extended;
    ASSERT_EQ(at_b->payload, rtp(static_cast<uint16_t>(extended), 0xaaaa, 0x11)) << extended;
  }
  EXPECT_EQ(pair.c.drops(abi::DropReason::auth_failed), 0u);
}

TEST_F(SequenceWrap, SealsNothingThatThePhoneCannotOpen) {
  const uint32_t begin = pair.seq_b;
  for (uint32_t extended = begin; extended < begin + wraps * 65536; ++extended) {
    const Bytes packet = pair.next_b();
    if (is_lost(extended)) continue;
    inject(pair.inner, build_frame(phone_b, relay_b, packet));
    pair.step(packet_ns);
    const auto at_a = pair.last(pair.outer);
    ASSERT_TRUE(at_a) << extended;
    const auto clear = pair.a.unprotect(at_a->payload);
    ASSERT_TRUE(clear) << extended;
    ASSERT_EQ(*clear, packet) << extended;
  }
}

}  // namespace
}  // namespace sallyport::test
