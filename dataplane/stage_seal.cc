// SPDX-License-Identifier: Apache-2.0
// seal: RTP to SRTP for flows with that verb, in one burst. Nothing leaves that would exceed the port's MTU.

#include <rte_mbuf.h>

#include "dataplane/pipeline.h"
#include "dataplane/srtp_stream_state.h"
#include "dataplane/srtp_verdicts.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

constexpr uint32_t ethernet_bytes = 14;

uint32_t tailroom_of(const Packet& packet) {
  const uint8_t* end = static_cast<const uint8_t*>(packet.mbuf->buf_addr) + packet.mbuf->buf_len;
  return static_cast<uint32_t>(end - (packet.payload + packet.payload_bytes));
}

}  // namespace

void seal(Worker& worker) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass) continue;
    const bool seals = (packet.flow->verbs & abi::verb_seal) != 0;
    SrtpContext& context = worker.flows->seal_context(packet.flow->flow_index);
    const uint32_t overhead = seals ? static_cast<uint32_t>(context.seal_overhead_bytes()) : 0;
    const uint32_t ip_bytes = packet.header_bytes - ethernet_bytes + packet.payload_bytes + overhead;
    if (ip_bytes > worker.node.ports[packet.egress_port_index]->mtu()) {
      worker.drop(packet, abi::DropReason::no_room);
      continue;
    }
    if (!seals) continue;
    worker.job_packets[count] = &packet;
    worker.jobs[count] = SrtpJob{packet.payload, packet.payload_bytes, tailroom_of(packet), &context,
                                 reinterpret_cast<SrtpStreamState*>(&packet.state->seal_state), SrtpVerdict::malformed};
    ++count;
  }
  if (count == 0) return;
  worker.srtp.seal({worker.jobs, count});
  for (uint32_t i = 0; i < count; ++i) {
    Packet& packet = *worker.job_packets[i];
    if (worker.jobs[i].verdict == SrtpVerdict::ok) {
      packet.payload_bytes = worker.jobs[i].length_bytes;
    } else {
      worker.drop(packet, drop_reason_of(worker.jobs[i].verdict));
    }
  }
}

}  // namespace sallyport::dataplane::stage
