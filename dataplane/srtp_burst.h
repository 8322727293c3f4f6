// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpBurst: opens and seals bursts of SRTP and SRTCP packets in place; job arrays and scratch of one lcore.
// Packets may belong to any streams, suites and uses in any mixture; those of one stream are taken in order of the array.
// State changes only for packets that end with `ok` (RFC 3711 3.3: authenticate first).
// No allocation, lock or exception after create(). Bursts above kMaxBurst are worked off in pieces.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/srtp_context.h"
#include "dataplane/srtp_stream_state.h"
#include "dataplane/srtp_verdict.h"
#include "drivers/crypto_engine.h"

namespace sallyport::dataplane {

struct SrtpJob {
  uint8_t* packet;              // first byte of the RTP or RTCP header
  uint32_t length_bytes;        // in: length of the packet; out (ok): its new length
  uint32_t tailroom_bytes;      // writable bytes behind it, follows the length; seal needs context->seal_overhead_bytes()
  const SrtpContext* context;   // is_rtcp() of the context says what the packet is
  SrtpStreamState* state;       // of this direction; open and seal never share one
  SrtpVerdict verdict;          // out
  bool is_newest;               // out (ok): its index is the highest of its SSRC
};

class SrtpBurst {
 public:
  static constexpr size_t kMaxBurst = 64;

  // The engine must outlive the burst and belong to the same lcore.
  explicit SrtpBurst(drivers::CryptoEngine& engine);
  ~SrtpBurst();
  SrtpBurst(const SrtpBurst&) = delete;
  SrtpBurst& operator=(const SrtpBurst&) = delete;

  // Whether what the jobs touch is on its way into the cache already, or has to be fetched.
  enum class Fetch : uint8_t { now, done };

  // SRTP to RTP, SRTCP to RTCP: checks the index, authenticates, records the index, deciphers.
  void open(std::span<SrtpJob> jobs, Fetch fetch = Fetch::now);
  // RTP to SRTP, RTCP to SRTCP. The RTP index comes from the packet's own sequence number.
  void seal(std::span<SrtpJob> jobs, Fetch fetch = Fetch::now);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> work_;
};

inline void open_burst(SrtpBurst& burst, SrtpJob* jobs, size_t count) { burst.open({jobs, count}); }
inline void seal_burst(SrtpBurst& burst, SrtpJob* jobs, size_t count) { burst.seal({jobs, count}); }

}  // namespace sallyport::dataplane
