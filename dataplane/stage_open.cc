// SPDX-License-Identifier: Apache-2.0
// open: SRTP to RTP for flows with that verb, in one burst. Only after a tag has verified may a latch or a candidate move.

#include "dataplane/latch.h"
#include "dataplane/pipeline.h"
#include "dataplane/srtp_fetch.h"
#include "dataplane/srtp_stream_state.h"
#include "dataplane/srtp_verdicts.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

constexpr uint16_t first_failure_report = 50;

void note_failure(Worker& worker, Packet& packet) {
  if (packet.flow->auth_failures_in_row == UINT16_MAX) return;
  const uint16_t failures = ++packet.flow->auth_failures_in_row;
  worker.state_of(packet).auth_failures_in_row = failures;
  // At 50, 100, 200 and so on: a stream under a wrong key is told of, a flood does not flood the events.
  if (failures % first_failure_report != 0) return;
  const uint16_t units = failures / first_failure_report;
  if ((units & (units - 1)) == 0) worker.post_flow_event(abi::EventType::auth_failing, *packet.flow, packet.source, failures);
}

void forget_failures(Worker& worker, Packet& packet) {
  packet.flow->auth_failures_in_row = 0;
  worker.state_of(packet).auth_failures_in_row = 0;
}

}  // namespace

void open(Worker& worker) {
  if ((worker.burst.verbs & abi::verb_open) == 0) return;
  uint32_t count = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || (packet.flow->verbs & abi::verb_open) == 0) continue;
    SrtpContext& context = worker.flows->open_context(packet.flow_index);
    worker.job_packets[count] = &packet;
    worker.jobs[count] = SrtpJob{packet.payload, packet.payload_bytes, 0, &context,
                                 reinterpret_cast<SrtpStreamState*>(&worker.state_of(packet).open_state), SrtpVerdict::malformed, false};
    ++count;
  }
  if (count == 0) return;
  worker.srtp.open({worker.jobs, count}, SrtpBurst::Fetch::done);
  for (uint32_t i = 0; i < count; ++i) {
    Packet& packet = *worker.job_packets[i];
    const SrtpJob& job = worker.jobs[i];
    // What sealing will need comes while others are settled and rewritten.
    if (packet.flow->verbs & abi::verb_seal) fetch_seal(worker, packet);
    if (job.verdict != SrtpVerdict::ok) {
      if (job.verdict == SrtpVerdict::auth_failed) note_failure(worker, packet);
      worker.drop(packet, drop_reason_of(job.verdict));
      continue;
    }
    packet.payload_bytes = job.length_bytes;
    if (packet.flow->auth_failures_in_row != 0) forget_failures(worker, packet);
    note_authenticated(worker, packet, job.is_newest);
  }
}

}  // namespace sallyport::dataplane::stage
