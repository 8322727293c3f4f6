// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_workspace.h"

#include <cstring>

#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

SrtpBurst::Workspace::Workspace(drivers::CryptoEngine& crypto) : engine(crypto) {
  for (size_t slot = 0; slot < kMaxBurst; ++slot) {
    drivers::CryptoEngine::prepare_sha1_job(hash_jobs[slot]);
    drivers::CryptoEngine::prepare_ctr_job(cipher_jobs[slot]);
    hash_jobs[slot].auth_tag_output = hash_scratch[slot];
  }
}

SrtpBurst::Workspace::~Workspace() {
  wipe_secret(hash_scratch, sizeof hash_scratch);
  wipe_secret(pending, sizeof pending);
}

void SrtpBurst::Workspace::prefetch(std::span<const SrtpJob> jobs) {
  for (const SrtpJob& job : jobs) {
    __builtin_prefetch(job.context);
    __builtin_prefetch(job.state, 1);
    __builtin_prefetch(job.packet, 1);
  }
  for (const SrtpJob& job : jobs) {
    job.context->prefetch_keys(job.length_bytes);
    __builtin_prefetch(&job.state->live[job.state->recency & 7], 1);
  }
  asm volatile("");  // an effect, lest the compiler find none here and drop the call
}

void SrtpBurst::Workspace::build_iv(PendingPacket& packet) {
  const SrtpContext& context = *packet.job->context;
  uint64_t high;
  std::memcpy(&high, context.salt(), sizeof high);
  if (context.is_gcm()) {
    // RFC 7714 8.1 and 9.1: salt xor (00 00, SSRC, 48 bits of index).
    uint32_t low;
    std::memcpy(&low, context.salt() + 8, sizeof low);
    high ^= __builtin_bswap64(uint64_t{packet.ssrc} << 16 | packet.index >> 32);
    low ^= __builtin_bswap32(static_cast<uint32_t>(packet.index));
    std::memcpy(packet.iv, &high, sizeof high);
    std::memcpy(packet.iv + 8, &low, sizeof low);
    return;
  }
  // RFC 3711 4.1.1: (salt * 2^16) xor (SSRC * 2^64) xor (index * 2^16); the last two bytes count blocks.
  uint64_t low;
  std::memcpy(&low, context.salt() + 8, sizeof low);
  high ^= __builtin_bswap64(packet.ssrc);
  low ^= __builtin_bswap64(packet.index << 16);
  std::memcpy(packet.iv, &high, sizeof high);
  std::memcpy(packet.iv + 8, &low, sizeof low);
}

void SrtpBurst::Workspace::cipher_counter_mode() {
  for (const size_t key_length : {size_t{16}, size_t{32}}) {
    uint32_t jobs = 0;
    for (uint32_t at = 0; at < count; ++at) {
      const PendingPacket& packet = pending[at];
      const SrtpContext& context = *packet.job->context;
      const bool is_taken = packet.is_authentic && packet.is_enciphered && packet.text_length_bytes() > 0;
      if (!is_taken || context.is_gcm() || context.key_length_bytes() != key_length) continue;
      IMB_JOB& job = cipher_jobs[jobs++];
      job.enc_keys = job.dec_keys = context.round_keys();
      job.key_len_in_bytes = key_length;
      job.src = job.dst = packet.text();
      job.msg_len_to_cipher_in_bytes = packet.text_length_bytes();
      job.iv = packet.iv;
    }
    engine.cipher_ctr({cipher_jobs, jobs}, key_length);
  }
}

void SrtpBurst::Workspace::fill_hash_job(uint32_t slot, PendingPacket& packet) {
  const SrtpContext& context = *packet.job->context;
  IMB_JOB& job = hash_jobs[slot];
  job.src = packet.job->packet;
  job.msg_len_to_hash_in_bytes = packet.hashed_end;
  job.u.HMAC._hashed_auth_key_xor_ipad = context.ipad_state();
  job.u.HMAC._hashed_auth_key_xor_opad = context.opad_state();
  packet.tag_slot = slot;
  if (context.is_rtcp()) return;
  // RFC 3711 4.2: M is the packet followed by the ROC. It goes where the tag (or MKI) begins; those bytes come back.
  uint8_t* behind = packet.job->packet + packet.hashed_end;
  std::memcpy(packet.saved, behind, sizeof packet.saved);
  store_be32(behind, static_cast<uint32_t>(packet.index >> 16));
  job.msg_len_to_hash_in_bytes += 4;
}

void SrtpBurst::Workspace::restore_after_hash(PendingPacket& packet) {
  if (!packet.job->context->is_rtcp())
    std::memcpy(packet.job->packet + packet.hashed_end, packet.saved, sizeof packet.saved);
}

void SrtpBurst::Workspace::hash_counter_mode() {
  // Longest first, by insertion: a burst is short and mostly of one length, where this is a single pass.
  uint8_t order[kMaxBurst];
  uint32_t jobs = 0;
  for (uint32_t at = 0; at < count; ++at) {
    if (pending[at].job->context->is_gcm()) continue;
    uint32_t place = jobs++;
    for (; place > 0 && pending[order[place - 1]].hashed_end < pending[at].hashed_end; --place) order[place] = order[place - 1];
    order[place] = static_cast<uint8_t>(at);
  }
  for (uint32_t slot = 0; slot < jobs; ++slot) fill_hash_job(slot, pending[order[slot]]);
  engine.hash_sha1({hash_jobs, jobs});
  for (uint32_t slot = 0; slot < jobs; ++slot) restore_after_hash(pending[order[slot]]);
}

}  // namespace sallyport::dataplane
