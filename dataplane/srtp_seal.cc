// SPDX-License-Identifier: Apache-2.0
// Sealing a burst: admit (which takes the index), encipher, hash, put tags. Indices are taken in order, once each.
#include <cstring>

#include "dataplane/rtp_bytes.h"
#include "dataplane/rtp_header.h"
#include "dataplane/srtp_ssrc_table.h"
#include "dataplane/srtp_tag.h"
#include "dataplane/srtp_workspace.h"

namespace sallyport::dataplane {
namespace {

SrtpVerdict admit_rtp(SrtpJob& job, PendingPacket& packet) {
  RtpHeader header;
  if (job.length_bytes < kRtpFixedHeaderBytes) return SrtpVerdict::truncated;
  if (!parse_rtp_header({job.packet, job.length_bytes}, header)) return SrtpVerdict::malformed;
  packet.ssrc = header.ssrc;
  packet.sequence = header.sequence;
  packet.header_length_bytes = header.header_length_bytes;
  packet.text_end = packet.hashed_end = job.length_bytes;

  SrtpStreamState& state = *job.state;
  const SsrcView view = peek_ssrc(state, packet.ssrc);
  // An SSRC that would push out the memory of another is refused: forgetting one means using its key stream twice.
  if (state.srtp_packets >= kMaxSrtpPackets || !has_place_for(state, view)) return SrtpVerdict::key_limit;
  if (!estimate_rtp_index(view, packet.sequence, packet.index)) return SrtpVerdict::key_limit;
  const SrtpVerdict verdict = settle_rtp_index(state, packet.ssrc, packet.index, job.is_newest);
  return verdict == SrtpVerdict::replay ? SrtpVerdict::duplicate_index : verdict;
}

SrtpVerdict admit_rtcp(SrtpJob& job, PendingPacket& packet) {
  RtcpHeader header;
  if (job.length_bytes < kRtcpFixedHeaderBytes) return SrtpVerdict::truncated;
  if (!parse_rtcp_header({job.packet, job.length_bytes}, header)) return SrtpVerdict::malformed;
  packet.ssrc = header.sender_ssrc;
  packet.header_length_bytes = kRtcpFixedHeaderBytes;
  packet.text_end = job.length_bytes;
  packet.hashed_end = job.length_bytes + kSrtcpWordBytes;

  SrtpStreamState& state = *job.state;
  const SsrcView view = peek_ssrc(state, packet.ssrc);
  // RFC 3711 3.4: 0 first, then one more each; no key may see an index twice.
  packet.index = view.has_rtcp ? uint64_t{view.srtcp_index} + 1 : 0;
  if (state.srtcp_packets >= kMaxSrtcpPackets || packet.index >= kMaxSrtcpPackets || !has_place_for(state, view))
    return SrtpVerdict::key_limit;
  record_rtcp(state, packet.ssrc, static_cast<uint32_t>(packet.index));
  return SrtpVerdict::ok;
}

uint32_t srtcp_word(const PendingPacket& packet) { return kEncipheredBit | static_cast<uint32_t>(packet.index); }

}  // namespace

void SrtpBurst::Workspace::seal_piece(std::span<SrtpJob> jobs) {
  count = 0;
  for (SrtpJob& job : jobs) {
    job.verdict = admit_clear(job, pending[count]);
    if (job.verdict == SrtpVerdict::ok) ++count;
  }
  cipher_counter_mode();
  for (uint32_t at = 0; at < count; ++at) {
    PendingPacket& packet = pending[at];
    const SrtpContext& context = *packet.job->context;
    if (context.is_gcm())
      seal_gcm(packet);
    else if (context.is_rtcp())
      store_be32(packet.job->packet + packet.text_end, srtcp_word(packet));
  }
  hash_counter_mode();
  for (uint32_t at = 0; at < count; ++at) {
    PendingPacket& packet = pending[at];
    const SrtpContext& context = *packet.job->context;
    if (!context.is_gcm())
      copy_tag(packet.job->packet + packet.hashed_end, hash_scratch[packet.tag_slot], context.tag_length_bytes());
    const auto overhead = static_cast<uint32_t>(context.seal_overhead_bytes());
    packet.job->length_bytes += overhead;
    packet.job->tailroom_bytes -= overhead;
  }
}

SrtpVerdict SrtpBurst::Workspace::admit_clear(SrtpJob& job, PendingPacket& packet) {
  if (!job.context->is_ready()) return SrtpVerdict::key_limit;
  if (job.tailroom_bytes < job.context->seal_overhead_bytes()) return SrtpVerdict::no_room;
  packet.job = &job;
  packet.is_authentic = packet.is_enciphered = true;
  const SrtpVerdict verdict = job.context->is_rtcp() ? admit_rtcp(job, packet) : admit_rtp(job, packet);
  if (verdict == SrtpVerdict::ok) build_iv(packet);
  return verdict;
}

void SrtpBurst::Workspace::seal_gcm(PendingPacket& packet) {
  const SrtpContext& context = *packet.job->context;
  uint8_t* bytes = packet.job->packet;
  uint8_t* tag = bytes + packet.text_end;
  drivers::CryptoEngine::GcmCall call{.key = &context.gcm_key(),
                                      .iv = packet.iv,
                                      .aad = bytes,
                                      .aad_length_bytes = packet.header_length_bytes,
                                      .text = packet.text(),
                                      .text_length_bytes = packet.text_length_bytes(),
                                      .tag = tag};
  if (context.is_rtcp()) {
    // RFC 7714 9.2: text, tag, then the word, which is associated data with the first eight bytes.
    uint8_t* word = tag + context.tag_length_bytes();
    store_be32(word, srtcp_word(packet));
    std::memcpy(packet.gcm_aad, bytes, kRtcpFixedHeaderBytes);
    std::memcpy(packet.gcm_aad + kRtcpFixedHeaderBytes, word, kSrtcpWordBytes);
    call.aad = packet.gcm_aad;
    call.aad_length_bytes = sizeof packet.gcm_aad;
  }
  engine.gcm_seal(call, context.key_length_bytes());
}

}  // namespace sallyport::dataplane
