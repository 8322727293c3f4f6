// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_policer.h"

#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

namespace {

// So many packets without another SSRC between them: who mixes forged ones in at a similar rate does not get there.
constexpr uint32_t familiar_after_packets = 20;

}  // namespace

bool is_familiar(const FlowEntry& flow, const Packet& packet) {
  if (packet.media != abi::Media::rtp || !flow.has_familiar || load_be32(packet.payload + 8) != flow.familiar_ssrc) return false;
  // What is not newer than the newest could be a replay.
  return static_cast<int16_t>(load_be16(packet.payload + 2) - flow.familiar_sequence) > 0;
}

bool is_within_rate_of_familiar(FlowEntry& flow, const Packet& packet, uint64_t now_ns) {
  flow.is_crowded = true;
  if (!is_familiar(flow, packet) || !flow.policer.take(now_ns, flow.interval_ns, flow_tolerance_ns)) return false;
  flow.familiar_sequence = load_be16(packet.payload + 2);
  flow.heard_familiar = true;
  return true;
}

void learn_familiar(FlowEntry& flow, const abi::ReceptionState& heard) {
  // In a crowd the last heard may be anybody: who was familiar before stays so, as long as it is heard.
  const bool keeps = flow.is_crowded && flow.heard_familiar;
  flow.is_crowded = flow.heard_familiar = false;
  // Where C has the word, what came before it could be anybody's too.
  const bool is_vouched_for = flow.latch != abi::Latch::confirmed || flow.held.is_set();
  if (keeps || !is_vouched_for || heard.received < familiar_after_packets) return;
  flow.has_familiar = true;
  flow.familiar_ssrc = heard.ssrc;
  flow.familiar_sequence = static_cast<uint16_t>(heard.highest_extended_seq);
}

}  // namespace sallyport::dataplane
