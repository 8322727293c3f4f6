// SPDX-License-Identifier: Apache-2.0
#include "dataplane/latch.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "dataplane/flow_policer.h"
#include "dataplane/link_control.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

constexpr uint64_t ms_ns = 1'000'000;
constexpr uint64_t candidate_idle_ns = 5000 * ms_ns;  // a silent candidate gives up its slot
// Under a flood from many forged sources, one that C did not confirm for this long is not the phone: the next gets its turn.
constexpr uint64_t candidate_turn_ns = 2000 * ms_ns;
constexpr uint32_t candidate_turn_packets = 20;
// A confirmation under way may still mean the slot's former holder.
constexpr uint64_t recycled_quiet_ns = 300 * ms_ns;
// Once the flow is held, others get only as much as C needs to see a phone whose address changed.
constexpr uint32_t stranger_packets_per_s = 50;
constexpr uint64_t stranger_tolerance_ns = 100 * ms_ns;
constexpr uint64_t confirm_repeat_ns = 20 * ms_ns;
// E may have started anew and given the phone the same candidate bits: without a word from C it would never latch again.
constexpr uint64_t confirm_refresh_ns = 1000 * ms_ns;

// RFC 1122 3.2.1.3, RFC 4291 2.7: loopback, no address, multicast, what IPv4 reserves. Nobody could be answered there.
bool is_of_no_host(const abi::Address& source) {
  if (source.family == 4) return source.ip[0] == 0 || source.ip[0] == 127 || source.ip[0] >= 224;
  constexpr uint8_t nothing[15] = {};
  return source.ip[0] == 0xff || (std::memcmp(source.ip, nothing, sizeof nothing) == 0 && source.ip[15] <= 1);
}

// A new source that nobody but a forger can have. What a flow of this node sends to another comes from a ring.
bool is_impossible(const Worker& worker, const Packet& packet) {
  if (packet.source.port == 0 || is_of_no_host(packet.source)) return true;
  const auto& slots = worker.node.slots;
  return !worker.burst.was_handed_over && std::any_of(std::begin(slots), std::end(slots), [&](const LocalSlot& slot) {
    return slot.in_use && slot.address.same_ip(packet.source);
  });
}

uint32_t take_slot(abi::FlowState& state, CandidateMemory& memory, const Packet& packet, uint64_t now_ns) {
  const FlowEntry& flow = *packet.flow;
  for (uint32_t step = 0; step < 4; ++step) {
    const uint32_t slot = (flow.next_candidate + step) & 3;
    if (!state.candidates[slot].address.is_set()) return slot;
  }
  // The stream of before from elsewhere, a phone whose address changed, need not wait until strangers had their turn.
  const bool may_displace = is_familiar(flow, packet);
  uint32_t chosen = 4;
  for (uint32_t slot = 0; slot < 4; ++slot) {
    if (slot == state.confirmed_candidate) continue;
    const abi::CandidateSource& candidate = state.candidates[slot];
    const bool is_idle = now_ns - candidate.last_ns > candidate_idle_ns;
    const bool had_its_turn = candidate.packets >= candidate_turn_packets && now_ns - memory.since_ns[slot] > candidate_turn_ns;
    if (!is_idle && !had_its_turn && !may_displace) continue;
    if (chosen == 4 || candidate.last_ns < state.candidates[chosen].last_ns) chosen = slot;
  }
  if (chosen != 4) memory.not_before_ns[chosen] = now_ns + recycled_quiet_ns;
  return chosen;
}

abi::DropReason admit_tentative(Worker& worker, Packet& packet) {
  FlowEntry& flow = *packet.flow;
  abi::FlowState& state = worker.state_of(packet);
  CandidateMemory& memory = worker.flows->candidates(flow.flow_index);
  uint32_t slot = 0;
  while (slot < 4 && !(state.candidates[slot].address == packet.source)) ++slot;
  if (slot == 4) {
    if (is_impossible(worker, packet)) return abi::DropReason::bad_source;
    slot = take_slot(state, memory, packet, worker.now_ns);
    if (slot == 4) return abi::DropReason::too_many_candidates;
    state.candidates[slot] = abi::CandidateSource{packet.source, 0, worker.now_ns};
    memory.since_ns[slot] = worker.now_ns;
    memory.policer[slot].reset();
    worker.post_flow_event(abi::EventType::candidate_source, flow, packet.source, slot);
  }
  const bool is_stranger = flow.held.is_set();
  const uint64_t interval = is_stranger ? interval_of_rate(stranger_packets_per_s) : flow.interval_ns;
  const uint64_t tolerance = is_stranger ? stranger_tolerance_ns : flow_tolerance_ns;
  state.candidates[slot].last_ns = worker.now_ns;
  if (!memory.policer[slot].take(worker.now_ns, interval, tolerance)) return abi::DropReason::policed;
  // The stream of before is no stranger, from wherever it comes.
  if (!worker.strangers.take(packet.source, worker.now_ns) && !is_familiar(flow, packet)) return abi::DropReason::policed;
  if (state.candidates[slot].packets != UINT32_MAX) ++state.candidates[slot].packets;
  packet.candidate = static_cast<uint8_t>(slot);
  packet.is_tentative = true;
  return abi::DropReason::count;
}

}  // namespace

abi::DropReason admit(Worker& worker, Packet& packet) {
  FlowEntry& flow = *packet.flow;
  switch (flow.latch) {
    case abi::Latch::none:
      break;  // find_flow has checked the link's source
    case abi::Latch::exact:
      if (!(packet.source == flow.expected_source)) return abi::DropReason::wrong_source;
      break;
    case abi::Latch::expected_ip:
      if (flow.held.is_set() ? !(packet.source == flow.held) : !packet.source.same_ip(flow.expected_source)) {
        return abi::DropReason::wrong_source;
      }
      break;
    case abi::Latch::confirmed:
      if (!flow.held.is_set() || !(packet.source == flow.held)) return admit_tentative(worker, packet);
      packet.candidate = flow.held_candidate;
      break;
    case abi::Latch::authenticated:
      packet.is_tentative = !(packet.source == flow.held);
      break;
  }
  if (!is_within_rate(flow, packet, worker.now_ns)) return abi::DropReason::policed;
  // Where signalling vouches for the address, the first packet is enough.
  if ((flow.latch == abi::Latch::exact || flow.latch == abi::Latch::expected_ip) && !flow.held.is_set()) {
    hold_to(worker, flow, packet.source);
  }
  return abi::DropReason::count;
}

void invalidate_senders(Worker& worker, const FlowEntry& flow) {
  for (uint32_t sender = flow.first_sender; sender != 0; sender = worker.flows->entry(sender - 1).next_sender) {
    worker.flows->entry(sender - 1).egress.until_ns = 0;
  }
}

void hold_to(Worker& worker, FlowEntry& flow, const abi::Address& source) {
  if (flow.held == source) return;
  abi::FlowState& state = worker.record(flow.flow_index).state;
  const bool moved = flow.held.is_set();
  flow.held = source;
  flow.refresh_source_key();
  invalidate_senders(worker, flow);
  state.latched = source;
  if (moved) ++state.latch_moves;
  worker.post_flow_event(moved ? abi::EventType::latch_moved : abi::EventType::latched, flow, source, 0);
}

void note_authenticated(Worker& worker, Packet& packet, bool is_newest) {
  FlowEntry& flow = *packet.flow;
  packet.is_tentative = false;
  if (flow.latch == abi::Latch::authenticated) {
    if (is_newest && packet.source.first_word() != flow.source_key) hold_to(worker, flow, packet.source);
    return;
  }
  if ((flow.flags & abi::flow_confirms) == 0 || !packet.arrived_multiplexed || !is_newest) return;
  const uint64_t since = worker.now_ns - flow.confirm_sent_ns;
  const bool changed = packet.candidate != flow.confirm_candidate;
  if (!changed && since < (flow.confirm_waits ? confirm_repeat_ns : confirm_refresh_ns)) return;
  flow.confirm_candidate = packet.candidate;
  flow.confirm_waits = true;
  flow.confirm_sent_ns = worker.now_ns;
  worker.state_of(packet).confirmed_candidate = packet.candidate;
  send_confirmation(worker, flow, packet.candidate);
}

bool confirm_candidate(Worker& worker, FlowEntry& flow, uint32_t candidate) {
  if (flow.latch != abi::Latch::confirmed) return false;
  abi::FlowState& state = worker.record(flow.flow_index).state;
  const uint32_t slot = candidate & 3;
  const abi::CandidateSource& source = state.candidates[slot];
  if (!source.address.is_set() || worker.now_ns < worker.flows->candidates(flow.flow_index).not_before_ns[slot]) return false;
  state.confirmed_candidate = static_cast<uint8_t>(slot);
  flow.held_candidate = static_cast<uint8_t>(slot);
  hold_to(worker, flow, source.address);
  return true;
}

void forget_latch(Worker& worker, FlowEntry& flow) {
  abi::FlowState& state = worker.record(flow.flow_index).state;
  // Start at other candidate bits than before, so that C sees a change and confirms at once.
  if (state.confirmed_candidate < 4) flow.next_candidate = (state.confirmed_candidate + 1) & 3;
  flow.held = abi::Address{};
  flow.refresh_source_key();
  invalidate_senders(worker, flow);
  flow.confirm_candidate = 0xff;
  state.latched = abi::Address{};
  state.confirmed_candidate = 0xff;
  for (auto& candidate : state.candidates) candidate = abi::CandidateSource{};
  worker.flows->candidates(flow.flow_index) = CandidateMemory{};
}

}  // namespace sallyport::dataplane
