// SPDX-License-Identifier: Apache-2.0
// seal: RTP to SRTP for flows with that verb, in one burst, and what rewrite had to leave open: lengths and checksums.

#include <rte_mbuf.h>

#include "dataplane/egress.h"
#include "dataplane/pipeline.h"
#include "dataplane/srtp_stream_state.h"
#include "dataplane/srtp_verdicts.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

uint32_t tailroom_of(const Packet& packet) {
  const uint8_t* end = static_cast<const uint8_t*>(packet.mbuf->buf_addr) + packet.mbuf->buf_len;
  return static_cast<uint32_t>(end - (packet.payload + packet.payload_bytes));
}

}  // namespace

void seal(Worker& worker) {
  if ((worker.burst.verbs & abi::verb_seal) == 0) return;
  uint32_t count = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || (packet.flow->verbs & abi::verb_seal) == 0) continue;
    worker.job_packets[count] = &packet;
    worker.jobs[count] = SrtpJob{packet.payload, packet.payload_bytes, tailroom_of(packet), &worker.flows->seal_context(packet.flow_index),
                                 reinterpret_cast<SrtpStreamState*>(&worker.state_of(packet).seal_state), SrtpVerdict::malformed, false};
    ++count;
  }
  if (count == 0) return;
  worker.srtp.seal({worker.jobs, count}, SrtpBurst::Fetch::done);
  for (uint32_t i = 0; i < count; ++i) {
    Packet& packet = *worker.job_packets[i];
    if (worker.jobs[i].verdict != SrtpVerdict::ok) {
      worker.drop(packet, drop_reason_of(worker.jobs[i].verdict));
      continue;
    }
    packet.payload_bytes = worker.jobs[i].length_bytes;
    finish_frame(worker, *packet.flow, *packet.mbuf, udp_payload_of(*packet.flow, packet), unknown_sum);
  }
}

}  // namespace sallyport::dataplane::stage
