// SPDX-License-Identifier: Apache-2.0
// Opening a burst: admit, authenticate, settle in order, decipher. Nothing of the stream changes before settle.
#include <cstring>

#include "dataplane/rtp_bytes.h"
#include "dataplane/rtp_header.h"
#include "dataplane/srtp_ssrc_table.h"
#include "dataplane/srtp_tag.h"
#include "dataplane/srtp_workspace.h"

namespace sallyport::dataplane {
namespace {

// Text, tag and MKI of SRTP: RFC 3711 3.1 puts the MKI before the tag, RFC 7714 8.2 behind it.
SrtpVerdict admit_srtp(SrtpJob& job, PendingPacket& packet) {
  const SrtpContext& context = *job.context;
  const size_t trailer = context.tag_length_bytes() + context.mki_length_bytes();
  if (job.length_bytes < kRtpFixedHeaderBytes + trailer) return SrtpVerdict::truncated;
  packet.text_end = static_cast<uint32_t>(job.length_bytes - trailer);
  packet.hashed_end = packet.text_end;

  RtpHeader header;
  if (!parse_rtp_header({job.packet, packet.text_end}, header)) return SrtpVerdict::malformed;
  packet.ssrc = header.ssrc;
  packet.sequence = header.sequence;
  packet.header_length_bytes = header.header_length_bytes;
  packet.is_enciphered = true;
  if (job.state->srtp_packets >= kMaxSrtpPackets) return SrtpVerdict::key_limit;

  const SsrcView view = peek_ssrc(*job.state, packet.ssrc);
  if (!estimate_rtp_index(view, packet.sequence, packet.index)) return SrtpVerdict::key_limit;
  return judge_rtp_index(view, packet.index);
}

// SRTCP: RFC 3711 3.4 has text, E and index, MKI, tag; RFC 7714 9.2 has text, tag, E and index, MKI.
SrtpVerdict admit_srtcp(SrtpJob& job, PendingPacket& packet) {
  const SrtpContext& context = *job.context;
  const size_t trailer = context.tag_length_bytes() + context.mki_length_bytes() + kSrtcpWordBytes;
  if (job.length_bytes < kRtcpFixedHeaderBytes + trailer) return SrtpVerdict::truncated;
  packet.text_end = static_cast<uint32_t>(job.length_bytes - trailer);
  packet.hashed_end = packet.text_end + kSrtcpWordBytes;

  RtcpHeader header;
  if (!parse_rtcp_header({job.packet, packet.text_end}, header)) return SrtpVerdict::malformed;
  const uint32_t word_at = context.is_gcm() ? packet.text_end + static_cast<uint32_t>(context.tag_length_bytes()) : packet.text_end;
  const uint32_t word = load_be32(job.packet + word_at);
  packet.ssrc = header.sender_ssrc;
  packet.header_length_bytes = kRtcpFixedHeaderBytes;
  packet.is_enciphered = word & kEncipheredBit;
  packet.index = word & ~kEncipheredBit;
  if (job.state->srtcp_packets >= kMaxSrtcpPackets) return SrtpVerdict::key_limit;
  return judge_rtcp_index(peek_ssrc(*job.state, packet.ssrc), static_cast<uint32_t>(packet.index));
}

}  // namespace

void SrtpBurst::Workspace::open_piece(std::span<SrtpJob> jobs) {
  count = 0;
  for (SrtpJob& job : jobs) {
    job.verdict = admit_sealed(job, pending[count]);
    if (job.verdict == SrtpVerdict::ok) ++count;
  }
  authenticate_all();
  for (uint32_t at = 0; at < count; ++at) {
    pending[at].job->verdict = settle(pending[at]);
    pending[at].is_authentic = pending[at].job->verdict == SrtpVerdict::ok;
  }
  cipher_counter_mode();
}

SrtpVerdict SrtpBurst::Workspace::admit_sealed(SrtpJob& job, PendingPacket& packet) {
  if (!job.context->is_ready()) return SrtpVerdict::key_limit;
  packet.job = &job;
  packet.is_authentic = false;
  const SrtpVerdict verdict = job.context->is_rtcp() ? admit_srtcp(job, packet) : admit_srtp(job, packet);
  if (verdict == SrtpVerdict::ok) build_iv(packet);
  return verdict;
}

void SrtpBurst::Workspace::authenticate_all() {
  hash_counter_mode();
  for (uint32_t at = 0; at < count; ++at) {
    PendingPacket& packet = pending[at];
    const SrtpContext& context = *packet.job->context;
    if (context.is_gcm()) {
      open_gcm(packet);
      continue;
    }
    const uint8_t* tag = packet.job->packet + packet.job->length_bytes - context.tag_length_bytes();
    packet.is_authentic = !tags_differ(hash_scratch[packet.tag_slot], tag, context.tag_length_bytes());
  }
}

// Deciphers in place before the tag is judged, as GCM is one pass; the packet is dropped when it fails.
void SrtpBurst::Workspace::open_gcm(PendingPacket& packet) {
  const SrtpContext& context = *packet.job->context;
  uint8_t* bytes = packet.job->packet;
  const uint8_t* tag = bytes + packet.text_end;
  drivers::CryptoEngine::GcmCall call{.key = &context.gcm_key(),
                                      .iv = packet.iv,
                                      .aad = bytes,
                                      .aad_length_bytes = packet.header_length_bytes,
                                      .text = packet.text(),
                                      .text_length_bytes = packet.text_length_bytes(),
                                      .tag = packet.gcm_tag};
  uint8_t received[16];
  std::memcpy(received, tag, sizeof received);
  if (context.is_rtcp()) {
    const uint8_t* word = tag + sizeof received;
    if (packet.is_enciphered) {
      // RFC 7714 9.2: the associated data is the first eight bytes and the word of E bit and index.
      std::memcpy(packet.gcm_aad, bytes, kRtcpFixedHeaderBytes);
      std::memcpy(packet.gcm_aad + kRtcpFixedHeaderBytes, word, kSrtcpWordBytes);
      call.aad = packet.gcm_aad;
      call.aad_length_bytes = sizeof packet.gcm_aad;
    } else {
      // RFC 7714 9.3: all is associated data. The word takes the tag's place, so that it follows the text.
      std::memcpy(bytes + packet.text_end, word, kSrtcpWordBytes);
      call.aad_length_bytes = packet.text_end + kSrtcpWordBytes;
      call.text = bytes + packet.text_end + kSrtcpWordBytes;
      call.text_length_bytes = 0;
    }
  }
  engine.gcm_open(call, context.key_length_bytes());
  packet.is_authentic = !tags_differ(packet.gcm_tag, received, sizeof received);
}

// Under the index just estimated anew; only for RTP, whose ROC is a guess.
bool SrtpBurst::Workspace::authenticate_again(PendingPacket& packet) {
  const SrtpContext& context = *packet.job->context;
  if (!context.is_gcm()) {
    build_iv(packet);
    fill_hash_job(0, packet);
    engine.hash_sha1({hash_jobs, 1});
    restore_after_hash(packet);
    const uint8_t* tag = packet.job->packet + packet.job->length_bytes - context.tag_length_bytes();
    return !tags_differ(hash_scratch[0], tag, context.tag_length_bytes());
  }
  // The first attempt turned the text into noise under its own IV; the same key stream once more turns it back.
  const drivers::CryptoEngine::GcmCall undo{.key = &context.gcm_key(),
                                            .iv = packet.iv,
                                            .aad = packet.job->packet,
                                            .aad_length_bytes = packet.header_length_bytes,
                                            .text = packet.text(),
                                            .text_length_bytes = packet.text_length_bytes(),
                                            .tag = packet.gcm_tag};
  engine.gcm_seal(undo, context.key_length_bytes());
  build_iv(packet);
  open_gcm(packet);
  return packet.is_authentic;
}

// In the order of arrival, so that each packet meets what earlier ones of the same burst recorded.
SrtpVerdict SrtpBurst::Workspace::settle(PendingPacket& packet) {
  SrtpStreamState& state = *packet.job->state;
  const bool is_rtcp = packet.job->context->is_rtcp();
  if (!packet.is_authentic) [[unlikely]] {
    // RFC 3711 3.3.1: the guess came from the state before the burst; earlier packets may have moved it past a wrap.
    const uint64_t first_guess = packet.index;
    uint64_t guess = 0;
    if (is_rtcp || !estimate_rtp_index(peek_ssrc(state, packet.ssrc), packet.sequence, guess) || guess == first_guess) return SrtpVerdict::auth_failed;
    packet.index = guess;
    if (!authenticate_again(packet)) return SrtpVerdict::auth_failed;
  }
  SrtpVerdict verdict;
  if (is_rtcp) {
    const auto index = static_cast<uint32_t>(packet.index);
    verdict = judge_rtcp_index(peek_ssrc(state, packet.ssrc), index);
    packet.job->is_newest = verdict == SrtpVerdict::ok && record_rtcp(state, packet.ssrc, index);
  } else {
    verdict = settle_rtp_index(state, packet.ssrc, packet.index, packet.job->is_newest);
  }
  if (verdict != SrtpVerdict::ok) return verdict;
  packet.job->tailroom_bytes += packet.job->length_bytes - packet.text_end;
  packet.job->length_bytes = packet.text_end;
  return SrtpVerdict::ok;
}

}  // namespace sallyport::dataplane
