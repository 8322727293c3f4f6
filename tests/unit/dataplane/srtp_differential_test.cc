// SPDX-License-Identifier: Apache-2.0
// Ours against libsrtp2, packet by packet: every suite, both directions, RTP and RTCP, over a network that loses, delays,
// repeats and forges, through several wraps of the sequence number. Deterministic; its random numbers have a fixed seed.
#include <algorithm>
#include <deque>

#include "tests/unit/dataplane/srtp_fixture.h"
#include "tests/unit/dataplane/srtp_oracle.h"

namespace sallyport::dataplane {
namespace {

using enum SrtpVerdict;

constexpr size_t kRtpPackets = 200'000;
constexpr size_t kRtcpPackets = 20'000;
constexpr size_t kRemembered = 600;  // further back than any window
constexpr size_t kMaxPacketBytes = 2048;
constexpr uint32_t kSsrcs[] = {0x11111111, 0, 0xffffffff};

// Packets in the sender's order: three sources, mostly of one length, now and then with CSRCs, extension and a gap.
class Source {
 public:
  Source(std::mt19937_64& random, bool is_rtcp) : random_(random), is_rtcp_(is_rtcp), pool_(random_bytes(random, 4096)) {
    for (uint16_t& sequence : sequence_) sequence = static_cast<uint16_t>(random());
  }

  Bytes next() {
    const size_t which = random_() % 8 < 6 ? 0 : random_() % 3;
    const size_t length = random_() % 4 == 0 ? random_() % 1400 : 160;
    return is_rtcp_ ? report(kSsrcs[which], length / 4 * 4) : media(which, length);
  }

 private:
  void fill(Bytes& packet, size_t from) {
    const size_t at = random_() % 2048;
    std::copy_n(pool_.begin() + static_cast<ptrdiff_t>(at), packet.size() - from, packet.begin() + static_cast<ptrdiff_t>(from));
  }

  Bytes report(uint32_t ssrc, size_t length) {
    Bytes packet = rtcp_packet(ssrc, length);
    fill(packet, 8);
    return packet;
  }

  Bytes media(size_t which, size_t length) {
    sequence_[which] = static_cast<uint16_t>(sequence_[which] + 1);
    if (random_() % 5000 == 0) sequence_[which] = static_cast<uint16_t>(sequence_[which] + random_() % 20'000);
    const bool has_extension = random_() % 10 == 0;
    const size_t csrcs = random_() % 10 == 0 ? random_() % 16 : 0;
    const size_t words = random_() % 4;
    const size_t header = 12 + 4 * csrcs + (has_extension ? 4 + 4 * words : 0);
    Bytes packet(header + length);
    fill(packet, 0);
    packet[0] = static_cast<uint8_t>(0x80 | (has_extension ? 0x10 : 0) | csrcs);
    packet[1] = static_cast<uint8_t>(random_() % 2 ? 0x80 : 0) | 8;
    store_be16(&packet[2], sequence_[which]);
    store_be32(&packet[8], kSsrcs[which]);
    if (has_extension) store_be16(&packet[12 + 4 * csrcs + 2], static_cast<uint16_t>(words));
    return packet;
  }

  std::mt19937_64& random_;
  bool is_rtcp_;
  Bytes pool_;
  uint16_t sequence_[3];
};

// Loses, delays by up to 300 packets, repeats from up to 600 back, and (when told) forges.
class Network {
 public:
  Network(std::mt19937_64& random, bool forges) : random_(random), forges_(forges) {}

  // What arrives after the packet was sent; nothing or several.
  void carry(const Bytes& packet, std::vector<Bytes>& arrivals) {
    past_.push_back(packet);
    if (past_.size() > kRemembered) past_.pop_front();
    const uint64_t fate = random_() % 100;
    if (fate < 3) {
      // lost
    } else if (fate < 8) {
      delayed_.push_back({sent_ + 1 + random_() % (fate == 3 ? 300 : 10), packet});
    } else {
      if (forges_ && fate < 12) arrivals.push_back(forged(packet));
      arrivals.push_back(packet);
      if (fate >= 95) arrivals.push_back(fate >= 97 ? packet : past_[random_() % past_.size()]);
    }
    ++sent_;
    std::erase_if(delayed_, [&](const Delayed& one) {
      if (one.due > sent_) return false;
      arrivals.push_back(one.packet);
      return true;
    });
  }

 private:
  struct Delayed {
    uint64_t due;
    Bytes packet;
  };

  Bytes forged(Bytes packet) {
    switch (random_() % 3) {
      case 0: packet[random_() % packet.size()] ^= static_cast<uint8_t>(1 << random_() % 8); break;
      case 1: packet.resize(random_() % packet.size()); break;
      default: packet.push_back(static_cast<uint8_t>(random_()));
    }
    return packet;
  }

  std::mt19937_64& random_;
  bool forges_;
  uint64_t sent_ = 0;
  std::deque<Bytes> past_;
  std::vector<Delayed> delayed_;
};

class SrtpDifferential : public SrtpFixture, public testing::WithParamInterface<SrtpSuite> {
 protected:
  using Pass = void (SrtpBurst::*)(std::span<SrtpJob>, SrtpBurst::Fetch);

  SrtpDifferential() : keys_(random_keys(random_, GetParam())) {
    rtp_.expand(engine_, keys_, SrtpUse::rtp);
    rtcp_.expand(engine_, keys_, SrtpUse::rtcp);
  }

  const SrtpContext& context(bool is_rtcp) const { return is_rtcp ? rtcp_ : rtp_; }

  // One burst of ours, the same packets one by one through libsrtp; results and verdicts must agree.
  template <class OraclePass>
  void compare(Pass ours, bool is_rtcp, SrtpStreamState& state, std::span<const Bytes> packets, OraclePass theirs) {
    std::vector<Bytes> buffers(packets.begin(), packets.end());
    std::vector<SrtpJob> jobs;
    for (Bytes& buffer : buffers) {
      const auto length = static_cast<uint32_t>(buffer.size());
      buffer.resize(length + kTailroomBytes);
      jobs.push_back({buffer.data(), length, kTailroomBytes, &context(is_rtcp), &state, malformed});
    }
    (burst_.*ours)(jobs, SrtpBurst::Fetch::now);

    for (size_t at = 0; at < jobs.size(); ++at) {
      alignas(16) uint8_t packet[kMaxPacketBytes];
      int length = static_cast<int>(packets[at].size());
      std::copy(packets[at].begin(), packets[at].end(), packet);
      const SrtpVerdict expected = theirs(packet, length);
      ++seen_[static_cast<size_t>(jobs[at].verdict)];
      ASSERT_EQ(jobs[at].verdict == ok, expected == ok)
          << srtp_verdict_name(jobs[at].verdict) << " but libsrtp " << srtp_verdict_name(expected) << ", packet " << compared_;
      if (expected == ok) {
        ASSERT_EQ(jobs[at].length_bytes, static_cast<uint32_t>(length)) << "packet " << compared_;
        ASSERT_EQ(std::memcmp(packet, buffers[at].data(), static_cast<size_t>(length)), 0) << "packet " << compared_;
      } else if (jobs.size() == 1 && expected != malformed && jobs[at].verdict != malformed && jobs[at].verdict != truncated) {
        // In a longer burst a forgery of a packet just taken fails by its tag with us, by its index with libsrtp.
        ASSERT_EQ(jobs[at].verdict, expected) << "packet " << compared_;
        ++same_reason_;
      }
      ++compared_;
    }
  }

  // One time in four packet by packet, where the reasons must agree too.
  template <class OraclePass>
  void deliver(Pass ours, bool is_rtcp, SrtpStreamState& state, std::span<const Bytes> packets, OraclePass theirs) {
    const size_t piece = random_() % 4 == 0 ? 1 : packets.size();
    for (; !packets.empty() && !HasFatalFailure(); packets = packets.subspan(piece))
      compare(ours, is_rtcp, state, packets.first(piece), theirs);
  }

  size_t burst_length() { return random_() % 3 == 0 ? 1 : 1 + random_() % 64; }

  void compare_opening(bool is_rtcp, size_t count) {
    SrtpOracle sender(SrtpOracle::Role::sender, keys_), receiver(SrtpOracle::Role::receiver, keys_);
    Source source(random_, is_rtcp);
    Network network(random_, true);
    std::vector<Bytes> arrivals;
    size_t length_of_burst = burst_length();
    for (size_t sent = 0; sent < count; ++sent) {
      Bytes packet = source.next();
      int length = static_cast<int>(packet.size());
      packet.resize(packet.size() + SRTP_MAX_TRAILER_LEN + 4);
      ASSERT_EQ(sender.seal(is_rtcp, packet.data(), length), ok);
      packet.resize(static_cast<size_t>(length));
      network.carry(packet, arrivals);
      if (arrivals.size() < length_of_burst) continue;
      deliver(&SrtpBurst::open, is_rtcp, receiver_, arrivals,
              [&](uint8_t* bytes, int& bytes_length) { return receiver.open(is_rtcp, bytes, bytes_length); });
      if (HasFatalFailure()) return;
      arrivals.clear();
      length_of_burst = burst_length();
    }
  }

  void compare_sealing(bool is_rtcp, size_t count) {
    SrtpOracle sender(SrtpOracle::Role::sender, keys_);
    // libsrtp's first SRTCP index is 1, ours 0 as RFC 3711 3.4 has it; so ours sends one report a source ahead.
    if (is_rtcp)
      for (const uint32_t ssrc : kSsrcs) seal_one(rtcp_, sender_, rtcp_packet(ssrc));
    Source source(random_, is_rtcp);
    Network network(random_, false);
    std::vector<Bytes> arrivals;
    size_t length_of_burst = burst_length();
    for (size_t sent = 0; sent < count; ++sent) {
      network.carry(source.next(), arrivals);
      if (arrivals.size() < length_of_burst) continue;
      deliver(&SrtpBurst::seal, is_rtcp, sender_, arrivals,
              [&](uint8_t* bytes, int& bytes_length) { return sender.seal(is_rtcp, bytes, bytes_length); });
      if (HasFatalFailure()) return;
      arrivals.clear();
      length_of_burst = burst_length();
    }
  }

  uint64_t count_of(SrtpVerdict verdict) const { return seen_[static_cast<size_t>(verdict)]; }
  static uint32_t roc_of(const SrtpStreamState& state, uint32_t ssrc) {
    for (uint32_t slot = 0; slot < kLiveSsrcs; ++slot)
      if ((state.live_mask >> slot & 1) && state.ssrcs[slot] == ssrc) return state.live[slot].roc;
    return 0;
  }

  SrtpKeys keys_;
  uint64_t seen_[kSrtpVerdictCount] = {};
  uint64_t compared_ = 0;
  uint64_t same_reason_ = 0;
};

TEST_P(SrtpDifferential, OpensWhatLibsrtpOpensAndRefusesWhatItRefuses) {
  compare_opening(false, kRtpPackets);
  // The stream was what it was meant to be: long, wrapped, and with something of everything.
  EXPECT_GT(compared_, kRtpPackets);
  EXPECT_GE(roc_of(receiver_, kSsrcs[0]), 3u);
  EXPECT_GT(count_of(ok), kRtpPackets * 9 / 10);
  EXPECT_GT(count_of(replay), 1000u);
  EXPECT_GT(count_of(too_old), 100u);
  EXPECT_GT(count_of(auth_failed), 1000u);
  EXPECT_GT(count_of(truncated), 100u);
  EXPECT_GT(same_reason_, 2000u);
}

TEST_P(SrtpDifferential, SealsToTheSameBytesAsLibsrtp) {
  compare_sealing(false, kRtpPackets);
  EXPECT_GT(compared_, kRtpPackets * 9 / 10);
  EXPECT_GE(roc_of(sender_, kSsrcs[0]), 3u);
  EXPECT_GT(count_of(ok), kRtpPackets * 9 / 10);
  EXPECT_GT(count_of(duplicate_index), 1000u);
  EXPECT_GT(count_of(too_old), 100u);
}

TEST_P(SrtpDifferential, OpensRtcpAsLibsrtpDoes) {
  compare_opening(true, kRtcpPackets);
  EXPECT_GT(count_of(ok), kRtcpPackets * 9 / 10);
  EXPECT_GT(count_of(replay), 100u);
  EXPECT_GT(count_of(too_old), 10u);
  EXPECT_GT(count_of(auth_failed), 100u);
}

TEST_P(SrtpDifferential, SealsRtcpToTheSameBytesAsLibsrtp) {
  compare_sealing(true, kRtcpPackets);
  EXPECT_EQ(count_of(ok), compared_);
  EXPECT_GT(compared_, kRtcpPackets * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Suite, SrtpDifferential, testing::ValuesIn(kAllSuites), suite_test_name);

}  // namespace
}  // namespace sallyport::dataplane
