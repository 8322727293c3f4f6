// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpContext: the expanded session keys of one direction of one stream, for RTP or for RTCP (rtcp-mux: one of each).
// Lives in the dataplane's own memory, never in the shared region; a restarted dataplane expands it again.
// Place it in arrays: 64-byte lines, the first five of which serve a counter-mode packet; read-only on the packet path,
// so one lcore may share it between any number of streams. Wipes itself. Expanding costs a few microseconds.

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dataplane/srtp_kdf.h"

namespace sallyport::dataplane {

inline constexpr size_t kMaxMkiBytes = 128;

class alignas(64) SrtpContext {
 public:
  SrtpContext() = default;
  SrtpContext(const SrtpContext&) = delete;
  SrtpContext& operator=(const SrtpContext&) = delete;
  ~SrtpContext() { wipe(); }

  // Derives and expands the session keys; the context may be used before (its old keys are wiped).
  // mki_length_bytes (at most kMaxMkiBytes) is skipped on open and never written on seal (RFC 4568 6.1).
  void expand(drivers::CryptoEngine& engine, const SrtpKeys& keys, SrtpUse use, uint8_t mki_length_bytes = 0);
  // From session keys already derived, as the vectors of RFC 7714 state them.
  void expand_session(drivers::CryptoEngine& engine, SrtpSuite suite, const SrtpSessionKeys& session, SrtpUse use,
                      uint8_t mki_length_bytes = 0);
  void wipe();

  bool is_ready() const { return key_length_ != 0; }
  bool is_gcm() const { return is_gcm_; }
  bool is_rtcp() const { return is_rtcp_; }
  size_t key_length_bytes() const { return key_length_; }
  size_t tag_length_bytes() const { return tag_length_; }
  size_t mki_length_bytes() const { return mki_length_; }
  // What seal adds behind the packet: tag, and for SRTCP the word of E bit and index.
  size_t seal_overhead_bytes() const { return tag_length_ + (is_rtcp_ ? 4u : 0u); }

  const uint8_t* ipad_state() const { return ipad_state_; }
  const uint8_t* opad_state() const { return opad_state_; }
  const uint8_t* salt() const { return is_gcm_ ? gcm_salt_ : cm_.salt; }  // 14 and two zero bytes, or 12
  const uint8_t* round_keys() const { return cm_.round_keys; }
  const gcm_key_data& gcm_key() const { return gcm_; }

  // The lines a packet of this length needs beside the first one, from which is_gcm() and all lengths are read.
  // Inlined by force: GCC 12 takes a function that only prefetches for one without effect and drops the calls to it.
  [[gnu::always_inline]] void prefetch_keys(size_t packet_length_bytes) const {
    prefetch_keys(key_length_, is_gcm_, packet_length_bytes);
  }
  // The same by what the caller knows of the context, so that none of it has to be there yet.
  [[gnu::always_inline]] void prefetch_keys(size_t key_length_bytes, bool is_gcm, size_t packet_length_bytes) const {
    const auto* lines = reinterpret_cast<const char*>(&cm_);
    for (size_t at = 0; at < (key_length_bytes == 16 ? 3u : 4u); ++at) __builtin_prefetch(lines + 64 * at);
    if (!is_gcm) return;
    // One power of the hash key for each block of text, header and lengths; they end with the first power.
    const size_t powers = std::min<size_t>(packet_length_bytes / 16 + 2, 48);
    for (size_t at = (sizeof(gcm_key_data) - powers * 16) / 64; at < 16; ++at) __builtin_prefetch(lines + 64 * at);
  }

 private:
  struct CounterModeKeys {
    uint8_t salt[16];
    uint8_t round_keys[15 * 16];
  };

  // First line: all that is read of a context whatever the suite. The states stand at 16-byte boundaries.
  alignas(16) uint8_t ipad_state_[20] = {};
  uint8_t key_length_ = 0;
  uint8_t tag_length_ = 0;
  uint8_t mki_length_ = 0;
  bool is_gcm_ = false;
  bool is_rtcp_ = false;
  alignas(16) uint8_t opad_state_[20] = {};
  uint8_t gcm_salt_[12] = {};
  union {
    alignas(64) CounterModeKeys cm_;
    alignas(64) gcm_key_data gcm_ = {};
  };
};

static_assert(sizeof(SrtpContext) == 64 + 1024 && alignof(SrtpContext) == 64);

}  // namespace sallyport::dataplane
