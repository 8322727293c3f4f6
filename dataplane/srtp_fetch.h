// SPDX-License-Identifier: Apache-2.0
#pragma once
// What opening and sealing a packet will touch, fetched ahead: keys, and the state of the SSRC that nearly every flow has alone. All
// addresses are known from the flow's entry, so that no fetch waits for another. Owner lcore only; a dozen instructions.

#include <rte_prefetch.h>

#include "dataplane/srtp_stream_state.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

// Inlined by force, for the reason that SrtpContext::prefetch_keys gives.
[[gnu::always_inline]] inline void fetch_srtp(const SrtpContext& context, const abi::SrtpStreamState& shared, abi::Suite suite, uint32_t packet_bytes) {
  const auto& state = reinterpret_cast<const SrtpStreamState&>(shared);
  rte_prefetch0(&context);
  rte_prefetch0(&state);
  rte_prefetch0(&state.live[0]);
  const bool has_long_key = suite == abi::Suite::aes_256_cm_hmac_sha1_80 || suite == abi::Suite::aead_aes_256_gcm;
  context.prefetch_keys(has_long_key ? 32 : 16, suite >= abi::Suite::aead_aes_128_gcm, packet_bytes);
}

[[gnu::always_inline]] inline void fetch_open(Worker& worker, const Packet& packet) {
  fetch_srtp(worker.flows->open_context(packet.flow_index), worker.state_of(packet).open_state, packet.flow->open_suite, packet.payload_bytes);
}

[[gnu::always_inline]] inline void fetch_seal(Worker& worker, const Packet& packet) {
  fetch_srtp(worker.flows->seal_context(packet.flow_index), worker.state_of(packet).seal_state, packet.flow->seal_suite, packet.payload_bytes);
}

}  // namespace sallyport::dataplane
