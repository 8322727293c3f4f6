// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/call_capture.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "controlplane/media/flow_specs.h"
#include "controlplane/media/pcapng.h"

namespace sallyport::media {
namespace {

constexpr std::chrono::milliseconds tick_interval{10};
constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t lease_ns = 2 * second_ns;
constexpr uint64_t linger_ns = second_ns;
constexpr size_t waiting_limit_bytes = 8u << 20;
constexpr uint32_t face_interface = 0, link_interface = 1;

uint64_t now_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * second_ns + static_cast<uint64_t>(now.tv_nsec);
}

bool goes_up(uint32_t stream_tag) {
  const FlowRole role = role_of(stream_tag);
  return role == FlowRole::up_rtp || role == FlowRole::up_rtcp;
}

void append_head(const CaptureWish& wish, Role role, std::string& out) {
  const std::string decrypted = wish.decrypted ? ", DECRYPTED" : "";
  append_section(out, "Sallyport", wish.title + decrypted);
  const char* face = role == Role::e ? "client" : "inside";
  append_interface(out, face, std::string("leg ") + face + decrypted, abi::capture_frame_bytes);
  append_interface(out, "traversal", "leg traversal, between C and E" + decrypted, abi::capture_frame_bytes);
}

}  // namespace

CallCapture::~CallCapture() {
  OPENSSL_cleanse(state_->waiting.data(), state_->waiting.size());
  // Once it has ended, the call may be another capture's.
  if (const auto set = set_.lock(); set != nullptr && !state_->has_ended) set->end(state_->wish.call_tag, "its reader has gone");
}

CaptureSet::CaptureSet(boost::asio::io_context& context, DataplaneLink& dataplane, Role role, Mark mark)
    : timer_(context), dataplane_(dataplane), role_(role), mark_(std::move(mark)) {}

Outcome<std::unique_ptr<CallCapture>> CaptureSet::begin(CaptureWish wish) {
  if (running_.size() >= max_captures) {
    return Fault{FaultCode::exhausted, "capture", std::to_string(max_captures) + " run on this node already", "wait for one of them, or end it"};
  }
  for (const auto& state : running_) {
    if (state->wish.call_tag == wish.call_tag) return Fault{FaultCode::conflict, "capture", "this call is being captured already", "end that capture first"};
  }
  if (!dataplane_.is_connected()) return dataplane_.fault();
  const uint64_t now_ns = now_of(CLOCK_MONOTONIC);
  // What an earlier capture, or a control plane before us, left behind is of no concern to this one.
  if (running_.empty()) drain();
  allow(now_ns + lease_ns);
  const uint16_t flags = abi::flow_capture | (wish.decrypted ? abi::flow_capture_clear : 0);
  if (!mark_(wish.call_tag, flags)) return Fault{FaultCode::missing, "capture", "the call has no media here", "list the calls that run with `sallyport calls --active`"};
  auto state = std::make_shared<CaptureState>();
  state->wish = std::move(wish);
  state->end_ns = now_ns + std::min(state->wish.seconds, max_capture_seconds) * second_ns;
  state->wall_offset_ns = static_cast<int64_t>(now_of(CLOCK_REALTIME)) - static_cast<int64_t>(now_ns);
  state->lost_before = lost_in_dataplane();
  append_head(state->wish, role_, state->waiting);
  running_.push_back(state);
  schedule();
  return std::make_unique<CallCapture>(weak_from_this(), state);
}

void CaptureSet::end(uint64_t call_tag, const std::string& why) {
  const auto found = std::find_if(running_.begin(), running_.end(), [&](const auto& state) { return state->wish.call_tag == call_tag; });
  if (found != running_.end()) finish(*found, why);
}

void CaptureSet::stop() {
  while (!running_.empty()) finish(running_.back(), "the control plane ends");
  allow(0);
  timer_.cancel();
}

void CaptureSet::finish(const std::shared_ptr<CaptureState>& ended, const std::string& why) {
  const std::shared_ptr<CaptureState> state = ended;
  std::erase(running_, state);
  const uint64_t now_ns = now_of(CLOCK_MONOTONIC);
  state->has_ended = true;
  state->outcome = why;
  const uint64_t lost_now = lost_in_dataplane();  // less than before: of a new region
  const uint64_t lost = state->lost + lost_now - (lost_now >= state->lost_before ? state->lost_before : 0);
  append_statistics(state->waiting, face_interface, static_cast<uint64_t>(static_cast<int64_t>(now_ns) + state->wall_offset_ns), lost, why);
  linger_until_ns_ = now_ns + linger_ns;
  mark_(state->wish.call_tag, 0);
  if (state->on_ready) state->on_ready();
}

// No read beyond what the dataplane may write; it believes no time that is further ahead than its limit.
void CaptureSet::allow(uint64_t until_ns) {
  allowed_until_ns_ = until_ns;
  RegionMap* region = dataplane_.region();
  for (uint32_t worker = 0; region != nullptr && worker < region->worker_count(); ++worker) {
    region->worker(worker).capture.until_ns.store(until_ns, std::memory_order_relaxed);
  }
}

void CaptureSet::schedule() {
  if (std::exchange(is_scheduled_, true)) return;
  timer_.expires_after(tick_interval);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->is_scheduled_ = false;
    if (!error) self->tick();
  });
}

void CaptureSet::tick() {
  const uint64_t now_ns = now_of(CLOCK_MONOTONIC);
  drain();
  if (!running_.empty() && now_ns > allowed_until_ns_) {
    // The workers have taken their flows' flags by now.
    while (!running_.empty()) finish(running_.back(), "the control plane was held up for too long");
  }
  const auto before = running_;
  for (const auto& state : before) {
    if (state->packets >= state->wish.packets) finish(state, "all packets that were asked for");
    else if (now_ns >= state->end_ns) finish(state, "the time is over");
    else if (!state->waiting.empty() && state->on_ready) state->on_ready();
  }
  if (!running_.empty()) allow(now_ns + lease_ns);
  if (!running_.empty() || now_ns < linger_until_ns_) schedule();
}

void CaptureSet::drain() {
  RegionMap* region = dataplane_.region();
  abi::CapturedFrame frame;
  for (uint32_t worker = 0; region != nullptr && worker < region->worker_count(); ++worker) {
    auto& ring = region->worker(worker).capture.frames;
    for (uint32_t taken = 0; taken < abi::capture_ring_capacity && ring.pop_and_wipe(frame); ++taken) keep(frame);
  }
  OPENSSL_cleanse(&frame, sizeof frame);
}

void CaptureSet::keep(const abi::CapturedFrame& frame) {
  if (frame.kept_bytes > sizeof frame.frame) return;
  const bool is_clear = frame.point == abi::CapturePoint::clear;
  const auto found = std::find_if(running_.begin(), running_.end(), [&](const auto& state) { return state->wish.call_tag == frame.call_tag; });
  // Of a capture of before, which may have been of the other kind.
  if (found == running_.end() || (*found)->wish.decrypted != is_clear) return;
  CaptureState& state = **found;
  if (state.packets >= state.wish.packets) return;
  if (state.waiting.size() > waiting_limit_bytes) {
    ++state.lost;
    return;
  }
  const bool is_received = frame.point == abi::CapturePoint::received;
  PcapngPacket packet;
  packet.interface = goes_up(frame.stream_tag) == is_received ? face_interface : link_interface;
  packet.unix_ns = static_cast<uint64_t>(static_cast<int64_t>(frame.time_ns) + state.wall_offset_ns);
  packet.outbound = !is_received;
  packet.frame_bytes = frame.frame_bytes;
  packet.kept = {frame.frame, frame.kept_bytes};
  append_packet(state.waiting, packet);
  ++state.packets;
}

uint64_t CaptureSet::lost_in_dataplane() const {
  const RegionMap* region = dataplane_.region();
  uint64_t lost = 0;
  for (uint32_t worker = 0; region != nullptr && worker < region->worker_count(); ++worker) lost += region->counters(worker).captures_lost;
  return lost;
}

}  // namespace sallyport::media
