// SPDX-License-Identifier: Apache-2.0
// open: SRTP to RTP for flows with that verb, in one burst. Only after a tag has verified may a latch or a candidate move.

#include "dataplane/latch.h"
#include "dataplane/pipeline.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_stream_state.h"
#include "dataplane/srtp_verdicts.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

constexpr uint16_t first_failure_report = 50;
constexpr size_t srtcp_index_bytes = 4;

// The SRTCP index stands before MKI and tag; read before open takes it away.
uint32_t srtcp_index_of(const Packet& packet, const SrtpContext& context) {
  const size_t trailer = srtcp_index_bytes + context.mki_length_bytes() + (context.is_gcm() ? 0 : context.tag_length_bytes());
  if (packet.payload_bytes < trailer + 8) return 0;
  return load_be32(packet.payload + packet.payload_bytes - trailer) & 0x7fffffff;
}

// Whether an opened packet is the newest of its source: then state's highest index is its own, since repeats are refused.
bool is_newest(const Packet& packet, const SrtpStreamState& state, uint32_t srtcp_index) {
  const bool is_rtcp = packet.media == abi::Media::rtcp;
  const uint32_t ssrc = load_be32(packet.payload + (is_rtcp ? 4 : 8));
  for (uint32_t slot = 0; slot < kLiveSsrcs; ++slot) {
    if ((state.live_mask & (1u << slot)) == 0 || state.ssrcs[slot] != ssrc) continue;
    const SrtpSsrcState& source = state.live[slot];
    if (is_rtcp) return source.has_rtcp != 0 && source.srtcp_index == srtcp_index;
    return source.has_rtp != 0 && source.highest_seq == load_be16(packet.payload + 2);
  }
  return false;
}

void note_failure(Worker& worker, Packet& packet) {
  abi::FlowState& state = worker.state_of(packet);
  if (state.auth_failures_in_row == UINT16_MAX) return;
  const uint16_t failures = ++state.auth_failures_in_row;
  // At 50, 100, 200 and so on: a stream under a wrong key is told of, a flood does not flood the events.
  if (failures % first_failure_report != 0) return;
  const uint16_t units = failures / first_failure_report;
  if ((units & (units - 1)) == 0) worker.post_flow_event(abi::EventType::auth_failing, *packet.flow, packet.source, failures);
}

}  // namespace

void open(Worker& worker) {
  if ((worker.burst.verbs & abi::verb_open) == 0) return;
  uint32_t count = 0;
  uint32_t srtcp_index[burst_size];
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || (packet.flow->verbs & abi::verb_open) == 0) continue;
    SrtpContext& context = worker.flows->open_context(packet.flow_index);
    worker.job_packets[count] = &packet;
    worker.jobs[count] = SrtpJob{packet.payload, packet.payload_bytes, 0, &context,
                                 reinterpret_cast<SrtpStreamState*>(&worker.state_of(packet).open_state), SrtpVerdict::malformed};
    ++count;
  }
  if (count == 0) return;
  for (uint32_t i = 0; i < count; ++i) {
    const Packet& packet = *worker.job_packets[i];
    srtcp_index[i] = packet.media == abi::Media::rtcp ? srtcp_index_of(packet, *worker.jobs[i].context) : 0;
  }
  // Opening takes longer than any fetch: what sealing will need comes meanwhile.
  for (uint32_t i = 0; i < count; ++i) {
    const Packet& packet = *worker.job_packets[i];
    if (packet.flow->verbs & abi::verb_seal) worker.flows->seal_context(packet.flow_index).prefetch_keys(packet.payload_bytes);
  }
  worker.srtp.open({worker.jobs, count});
  for (uint32_t i = 0; i < count; ++i) {
    Packet& packet = *worker.job_packets[i];
    const SrtpJob& job = worker.jobs[i];
    if (job.verdict != SrtpVerdict::ok) {
      if (job.verdict == SrtpVerdict::auth_failed) note_failure(worker, packet);
      worker.drop(packet, drop_reason_of(job.verdict));
      continue;
    }
    packet.payload_bytes = job.length_bytes;
    worker.state_of(packet).auth_failures_in_row = 0;
    note_authenticated(worker, packet, is_newest(packet, *job.state, srtcp_index[i]));
  }
}

}  // namespace sallyport::dataplane::stage
