// SPDX-License-Identifier: Apache-2.0
// Bursts that mix streams, suites, uses and lengths; and the promise to allocate nothing.
#include "dataplane/srtp_burst.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "tests/unit/dataplane/srtp_fixture.h"

namespace {
std::atomic<uint64_t> allocations{0};
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace sallyport::dataplane {
namespace {

// Ten streams, RTP and RTCP of each suite.
class SrtpBurstMix : public SrtpFixture {
 protected:
  struct Stream {
    SrtpContext context;
    SrtpStreamState sender{}, receiver{};
    uint16_t sequence = 65000;
  };

  SrtpBurstMix() {
    for (size_t at = 0; at < kStreams; ++at)
      streams_[at].context.expand(engine_, random_keys(random_, kAllSuites[at / 2]), at % 2 ? SrtpUse::rtcp : SrtpUse::rtp);
  }

  Bytes next_packet(Stream& stream) {
    const size_t length = random_() % 4 == 0 ? random_() % 1400 : 160;
    return stream.context.is_rtcp() ? rtcp_packet(7, length / 4 * 4) : rtp_packet(7, stream.sequence++, length);
  }

  static constexpr size_t kStreams = 10;
  Stream streams_[kStreams];
};

TEST_F(SrtpBurstMix, EveryPacketOfAMixedBurstSealsAndOpens) {
  for (int round = 0; round < 300; ++round) {
    const size_t count = 1 + random_() % 150;
    std::vector<Bytes> clear, packets;
    std::vector<SrtpJob> jobs;
    std::vector<Stream*> owners;
    for (size_t at = 0; at < count; ++at) {
      owners.push_back(&streams_[random_() % kStreams]);
      clear.push_back(next_packet(*owners.back()));
      packets.push_back(clear.back());
      packets.back().resize(clear.back().size() + kTailroomBytes);
    }
    for (size_t at = 0; at < count; ++at)
      jobs.push_back({packets[at].data(), static_cast<uint32_t>(clear[at].size()), kTailroomBytes, &owners[at]->context,
                      &owners[at]->sender, SrtpVerdict::malformed});
    burst_.seal(jobs);
    for (size_t at = 0; at < count; ++at) {
      ASSERT_EQ(jobs[at].verdict, SrtpVerdict::ok);
      jobs[at].state = &owners[at]->receiver;
    }
    burst_.open(jobs);
    for (size_t at = 0; at < count; ++at) {
      ASSERT_EQ(jobs[at].verdict, SrtpVerdict::ok) << "round " << round << " packet " << at;
      ASSERT_EQ(Bytes(packets[at].begin(), packets[at].begin() + jobs[at].length_bytes), clear[at]);
    }
  }
}

TEST_F(SrtpBurstMix, AForgeryHurtsNoNeighbour) {
  for (int round = 0; round < 200; ++round) {
    constexpr size_t kCount = 40;
    std::vector<Bytes> clear(kCount), packets(kCount);
    std::vector<SrtpJob> jobs;
    std::vector<bool> is_forged(kCount);
    for (size_t at = 0; at < kCount; ++at) {
      Stream& stream = streams_[random_() % kStreams];
      clear[at] = next_packet(stream);
      packets[at] = seal_one(stream.context, stream.sender, clear[at]);
      is_forged[at] = random_() % 3 == 0;
      if (is_forged[at]) packets[at][random_() % packets[at].size()] ^= static_cast<uint8_t>(1 + random_() % 255);
      jobs.push_back({packets[at].data(), static_cast<uint32_t>(packets[at].size()), 0, &stream.context, &stream.receiver,
                      SrtpVerdict::ok});
    }
    burst_.open(jobs);
    for (size_t at = 0; at < kCount; ++at) {
      ASSERT_EQ(jobs[at].verdict == SrtpVerdict::ok, !is_forged[at]) << "round " << round << " packet " << at;
      if (is_forged[at]) continue;
      ASSERT_EQ(Bytes(packets[at].begin(), packets[at].begin() + jobs[at].length_bytes), clear[at]);
    }
  }
}

TEST_F(SrtpBurstMix, AnEmptyBurstDoesNothing) {
  burst_.open({});
  burst_.seal({});
  EXPECT_TRUE(is_same(streams_[0].receiver, SrtpStreamState{}));
}

TEST_F(SrtpBurstMix, SealingAndOpeningAllocateNothing) {
  std::vector<Bytes> packets(64);
  std::vector<SrtpJob> jobs(64);
  for (size_t at = 0; at < 64; ++at) {
    Stream& stream = streams_[at % kStreams];
    packets[at] = next_packet(stream);
    const auto length = static_cast<uint32_t>(packets[at].size());
    packets[at].resize(length + kTailroomBytes);
    jobs[at] = {packets[at].data(), length, kTailroomBytes, &stream.context, &stream.sender, SrtpVerdict::malformed};
  }
  const uint64_t before = allocations;
  const size_t heap_before = mallinfo2().uordblks;
  burst_.seal(jobs);
  for (size_t at = 0; at < 64; ++at) jobs[at].state = &streams_[at % kStreams].receiver;
  burst_.open(jobs);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(mallinfo2().uordblks, heap_before);
  for (const SrtpJob& job : jobs) EXPECT_EQ(job.verdict, SrtpVerdict::ok);
}

// What one CPU variant seals the others open: a pair of nodes need not have the same machines.
TEST_F(SrtpFixture, EveryVariantOpensWhatTheWidestSealed) {
  for (const IMB_ARCH arch : {IMB_ARCH_SSE, IMB_ARCH_AVX, IMB_ARCH_AVX2})
    for (const SrtpSuite suite : kAllSuites) {
      drivers::CryptoEngine other_engine = std::move(drivers::CryptoEngine::create(arch).value());
      SrtpBurst other_burst(other_engine);
      const SrtpKeys keys = random_keys(random_, suite);
      SrtpContext here, there;
      here.expand(engine_, keys, SrtpUse::rtp);
      there.expand(other_engine, keys, SrtpUse::rtp);
      SrtpStreamState sender{}, receiver{};
      std::vector<Bytes> packets;
      for (uint16_t sequence = 0; sequence < 60; ++sequence) packets.push_back(rtp_packet(1, sequence, sequence * 20));
      seal(here, sender, packets);
      std::vector<SrtpJob> jobs;
      for (Bytes& packet : packets)
        jobs.push_back({packet.data(), static_cast<uint32_t>(packet.size()), 0, &there, &receiver, SrtpVerdict::malformed});
      other_burst.open(jobs);
      for (uint16_t sequence = 0; sequence < 60; ++sequence) {
        ASSERT_EQ(jobs[sequence].verdict, SrtpVerdict::ok) << other_engine.variant().name << " " << sequence;
        packets[sequence].resize(jobs[sequence].length_bytes);
        ASSERT_EQ(packets[sequence], rtp_packet(1, sequence, sequence * 20));
      }
    }
}

// A dataplane that restarts finds only the state in the region and expands the keys again.
TEST_F(SrtpBurstMix, ARestartedEngineGoesOnFromTheStateItFinds) {
  const SrtpKeys keys = random_keys(random_, SrtpSuite::aes_cm_128_hmac_sha1_80);
  SrtpContext old_context;
  old_context.expand(engine_, keys, SrtpUse::rtp);
  Bytes before_wrap = seal_one(old_context, sender_, rtp_packet(1, 65535));
  Bytes after_wrap = seal_one(old_context, sender_, rtp_packet(1, 0));
  Bytes replayed = after_wrap;
  EXPECT_EQ(open_one(old_context, receiver_, before_wrap), SrtpVerdict::ok);
  EXPECT_EQ(open_one(old_context, receiver_, after_wrap), SrtpVerdict::ok);

  drivers::CryptoEngine new_engine = std::move(drivers::CryptoEngine::create().value());
  SrtpBurst new_burst(new_engine);
  SrtpContext new_context;
  new_context.expand(new_engine, keys, SrtpUse::rtp);
  Bytes next = seal_one(old_context, sender_, rtp_packet(1, 1));
  SrtpJob jobs[] = {
      {replayed.data(), static_cast<uint32_t>(replayed.size()), 0, &new_context, &receiver_, SrtpVerdict::ok},
      {next.data(), static_cast<uint32_t>(next.size()), 0, &new_context, &receiver_, SrtpVerdict::malformed},
  };
  new_burst.open(jobs);
  EXPECT_EQ(jobs[0].verdict, SrtpVerdict::replay);
  EXPECT_EQ(jobs[1].verdict, SrtpVerdict::ok);
}

}  // namespace
}  // namespace sallyport::dataplane
