// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpBurst::Workspace: the fixed arrays behind one lcore's bursts, and the steps open and seal share.
// Internal to srtp_burst.cc, srtp_open.cc, srtp_seal.cc and srtp_workspace.cc.

#include "dataplane/srtp_burst.h"

namespace sallyport::dataplane {

// RFC 3711 3.4: the word of SRTCP that carries the E bit and 31 bits of index.
inline constexpr uint32_t kSrtcpWordBytes = 4;
inline constexpr uint32_t kEncipheredBit = uint32_t{1} << 31;

// A packet that passed the checks before cryptography, and where its parts lie.
struct PendingPacket {
  SrtpJob* job;
  uint64_t index;  // 48 bits of RTP or 31 bits of RTCP
  uint32_t ssrc;
  uint16_t sequence;
  uint16_t header_length_bytes;
  uint32_t text_end;    // offset behind the text that is enciphered
  uint32_t hashed_end;  // offset behind what HMAC covers of the packet itself
  bool is_enciphered;   // the E bit; always for RTP
  bool is_authentic;
  uint32_t tag_slot;    // where hash_scratch keeps the computed tag
  uint8_t saved[4];     // the bytes under the ROC while it is hashed
  uint8_t gcm_aad[12];
  alignas(16) uint8_t iv[16];
  alignas(16) uint8_t gcm_tag[16];

  uint8_t* text() const { return job->packet + header_length_bytes; }
  uint64_t text_length_bytes() const { return text_end - header_length_bytes; }
};

struct SrtpBurst::Workspace {
  explicit Workspace(drivers::CryptoEngine& crypto);
  ~Workspace();

  // Loads what the packets of a burst will touch, in the order they will: two rounds, since the second needs the first.
  static void prefetch(std::span<const SrtpJob> jobs);

  void open_piece(std::span<SrtpJob> jobs);
  void seal_piece(std::span<SrtpJob> jobs);

  // Opening (srtp_open.cc).
  static SrtpVerdict admit_sealed(SrtpJob& job, PendingPacket& packet);
  void authenticate_all();
  bool authenticate_again(PendingPacket& packet);
  SrtpVerdict settle(PendingPacket& packet);
  void open_gcm(PendingPacket& packet);

  // Sealing (srtp_seal.cc).
  static SrtpVerdict admit_clear(SrtpJob& job, PendingPacket& packet);
  void seal_gcm(PendingPacket& packet);

  // Shared (srtp_workspace.cc).
  static void build_iv(PendingPacket& packet);
  void cipher_counter_mode();
  // HMAC of all counter-mode packets into hash_scratch, longest first; the packets' bytes are as before when it returns.
  void hash_counter_mode();
  void fill_hash_job(uint32_t slot, PendingPacket& packet);
  static void restore_after_hash(PendingPacket& packet);

  drivers::CryptoEngine& engine;
  uint32_t count = 0;
  PendingPacket pending[kMaxBurst];
  IMB_JOB hash_jobs[kMaxBurst];
  IMB_JOB cipher_jobs[kMaxBurst];
  // The library writes 20 bytes whatever tag length is asked for, so tags go here and never straight into the packet.
  alignas(64) uint8_t hash_scratch[kMaxBurst][32];
};

}  // namespace sallyport::dataplane
