// SPDX-License-Identifier: Apache-2.0
#include "controlplane/calls/call_table.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>

#include "controlplane/sip/body.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/response.h"

namespace sallyport::calls {

using media::From;
using media::SdpKind;
using sip::HeaderId;
using sip::Method;

const char* name_of(CallState state) {
  static constexpr const char* names[] = {"early", "confirmed", "ended"};
  return names[static_cast<size_t>(state)];
}

// What a transaction of a call carries along.
struct CallTable::Context final : proxy::TransactionContext {
  std::shared_ptr<Call> call;
  bool had_offer = false;   // the request carried one, so SDP in its responses is the answer
  bool begins_call = false;
};

namespace {

std::string tag_of(const sip::Message& message, HeaderId id) {
  const auto value = sip::parse_name_addr(message.value(id));
  return value ? std::string(value->tag()) : std::string{};
}

std::string uri_of(const sip::Message& message, HeaderId id) {
  const auto value = sip::parse_name_addr(message.value(id));
  return value ? std::string(value->uri.text.substr(0, 256)) : std::string{};
}

}  // namespace

CallTable::CallTable(CallSettings settings, media::MediaPlane& plane, std::function<uint64_t(uint64_t)> link_of, std::function<uint64_t()> now_ms)
    : settings_(std::move(settings)), plane_(plane), link_of_(std::move(link_of)), now_ms_(std::move(now_ms)) {}

CallTable::CallPtr CallTable::find_dialog(const sip::Message& message, bool from_near) const {
  const std::string from_tag = tag_of(message, HeaderId::from);
  const std::string to_tag = tag_of(message, HeaderId::to);
  const auto [first, last] = by_call_id_.equal_range(std::string(message.value(HeaderId::call_id)));
  for (auto entry = first; entry != last; ++entry) {
    const CallPtr& call = entry->second;
    // The caller speaks from the side the call began on, the callee from the other.
    const bool by_caller = call->caller_tag == from_tag;
    const bool by_callee = call->caller_tag == to_tag;
    if ((by_caller && call->began_near == from_near) || (by_callee && call->began_near != from_near)) return call;
  }
  return nullptr;
}

CallTable::CallPtr CallTable::begin(const sip::Message& request, bool from_near, uint64_t link_id) {
  if (const CallPtr known = find_dialog(request, from_near)) return known;
  if (running_ >= settings_.capacity) return nullptr;
  auto call = std::make_shared<Call>();
  uint64_t tag = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&tag), sizeof tag);
  call->id = fmt::format("{:08x}", static_cast<uint32_t>(tag));
  call->call_id = request.value(HeaderId::call_id);
  call->caller_tag = tag_of(request, HeaderId::from);
  call->from = uri_of(request, HeaderId::from);
  call->to = uri_of(request, HeaderId::to);
  call->began_near = from_near;
  call->started_ms = now_ms_();
  call->session = std::make_unique<media::MediaSession>(plane_, link_id, tag);
  by_call_id_.emplace(call->call_id, call);
  ++running_;
  ++counters_.begun;
  return call;
}

void CallTable::end(const CallPtr& call, std::string reason) {
  if (call->state == CallState::ended) return;
  call->last_streams = call->session->snapshot();
  call->session.reset();
  call->state = CallState::ended;
  call->ended_ms = now_ms_();
  call->end_reason = std::move(reason);
  const auto [first, last] = by_call_id_.equal_range(call->call_id);
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second != call) continue;
    by_call_id_.erase(entry);
    break;
  }
  --running_;
  ++counters_.ended;
  // A challenged or failed attempt without media is no call worth remembering.
  if (call->answered_ms == 0 && call->last_streams.empty()) return;
  ended_.push_front(call);
  if (ended_.size() > settings_.remembered) ended_.pop_back();
}

proxy::AnchorVerdict CallTable::rewrite(Call& call, From from, SdpKind kind, const sip::Message& message, sip::Edit& edit, std::string_view near_source) {
  const auto sdp = sip::find_sdp(message);
  if (!sdp || call.session == nullptr) return {};
  media::Rewritten result = call.session->rewrite(from, kind, *sdp, near_source);
  if (result.status == 0) {
    edit.replace_body_part(*sdp, result.sdp);
    sip::wipe(result.sdp);
    return {};
  }
  ++counters_.refused;
  std::string lines = fmt::format("Warning: {}\r\n", sip::warning_value(result.status == 488 ? 304 : 399, settings_.agent, result.reason));
  if (result.status == 503) lines += "Retry-After: 5\r\n";
  return {result.status, result.status == 488 ? "Not Acceptable Here" : result.reason, std::move(lines)};
}

proxy::AnchorVerdict CallTable::on_request(proxy::RelayTransaction* transaction, const sip::Message& request, const proxy::Hop& source,
                                           const proxy::Hop& target, sip::Edit& edit) {
  const Method method = request.method();
  const bool concerns_calls = method == Method::invite || method == Method::ack || method == Method::prack || method == Method::update || method == Method::bye;
  if (!concerns_calls) return {};
  const bool from_near = source.side != proxy::Side::traversal;
  const From from = from_near ? From::near : From::far;
  const bool has_sdp = sip::find_sdp(request).has_value();
  const std::string near_source = source.side == proxy::Side::client ? source.remote.ip() : std::string{};

  CallPtr call;
  const bool begins = method == Method::invite && tag_of(request, HeaderId::to).empty();
  if (begins) {
    if (!plane_.is_ready()) {
      ++counters_.refused;
      return {503, "Media relay is not available",
              fmt::format("Retry-After: 5\r\nWarning: {}\r\n", sip::warning_value(399, settings_.agent, plane_.not_ready_text()))};
    }
    call = begin(request, from_near, link_of_(from_near ? target.id : source.id));
    if (call == nullptr) return {503, "Too many calls", "Retry-After: 30\r\n"};
  } else {
    call = find_dialog(request, from_near);
    if (call == nullptr) return {};  // a dialog from before, or one without media: signalling passes
  }
  auto context = std::make_unique<Context>();
  context->call = call;
  context->begins_call = begins;
  context->had_offer = has_sdp && (method == Method::invite || method == Method::update || (method == Method::prack && !call->late_offer_open));
  proxy::AnchorVerdict verdict;
  if (has_sdp) {
    const bool is_answer = (method == Method::ack || method == Method::prack) && call->late_offer_open;
    if (is_answer || method != Method::ack) verdict = rewrite(*call, from, is_answer ? SdpKind::answer : SdpKind::offer, request, edit, near_source);
    if (is_answer && verdict.status == 0) call->late_offer_open = false;
  }
  if (transaction != nullptr) transaction->context = std::move(context);
  return verdict;
}

proxy::AnchorVerdict CallTable::on_response(proxy::RelayTransaction& transaction, const sip::Message& response, proxy::Side side, sip::Edit& edit) {
  auto* context = static_cast<Context*>(transaction.context.get());
  if (context == nullptr) return {};
  const CallPtr call = context->call;
  const int status = response.status();
  const From from = side == proxy::Side::traversal ? From::far : From::near;
  proxy::AnchorVerdict verdict;
  if (status < 300 && status > 100 && call->session != nullptr && sip::find_sdp(response)) {
    const std::string near_source = side == proxy::Side::client && transaction.client_hop() != nullptr ? transaction.client_hop()->remote.ip() : std::string{};
    verdict = rewrite(*call, from, context->had_offer ? SdpKind::answer : SdpKind::offer, response, edit, near_source);
    if (!context->had_offer && verdict.status == 0) call->late_offer_open = true;
  }
  if (transaction.method() == Method::bye && status >= 200) {
    end(call, "BYE");
  } else if (transaction.method() == Method::invite && status >= 200) {
    if (status < 300 && verdict.status == 0) {
      if (call->state == CallState::early) {
        call->state = CallState::confirmed;
        call->answered_ms = now_ms_();
        ++counters_.confirmed;
      }
    } else {
      on_failed(transaction, verdict.status != 0 ? verdict.status : status);
    }
  } else if (transaction.method() == Method::update && status >= 300 && call->session != nullptr) {
    call->session->reject();
  }
  return verdict;
}

void CallTable::on_failed(proxy::RelayTransaction& transaction, int status) {
  auto* context = static_cast<Context*>(transaction.context.get());
  if (context == nullptr) return;
  const CallPtr call = context->call;
  if (transaction.method() == Method::bye) return end(call, "BYE");
  if (context->begins_call && call->state == CallState::early) return end(call, fmt::format("{} {}", status, sip::reason_phrase(status)));
  if (call->session != nullptr) call->session->reject();
}

uint64_t CallTable::last_packet_ms(const Call& call) const {
  uint64_t latest_ns = 0;
  abi::FlowRecord record;
  for (const uint32_t index : call.session->flow_indices())
    if (plane_.dataplane().read_flow(index, record)) latest_ns = std::max(latest_ns, record.state.last_packet_ns);
  return latest_ns / 1'000'000;
}

void CallTable::sweep() {
  const uint64_t now_ms = now_ms_();
  timespec clock{};
  clock_gettime(CLOCK_MONOTONIC, &clock);
  const uint64_t clock_ms = static_cast<uint64_t>(clock.tv_sec) * 1000 + static_cast<uint64_t>(clock.tv_nsec) / 1'000'000;
  std::vector<std::pair<CallPtr, std::string>> over;
  for (const auto& [id, call] : by_call_id_) {
    if (call->state == CallState::early && now_ms - call->started_ms > settings_.early_limit_ms) over.emplace_back(call, "never answered");
    if (call->state != CallState::confirmed || now_ms - call->answered_ms < settings_.silent_limit_ms) continue;
    const uint64_t last_ms = last_packet_ms(*call);
    if (clock_ms - std::min(clock_ms, last_ms) > settings_.silent_limit_ms) over.emplace_back(call, "no media for an hour");
  }
  for (auto& [call, reason] : over) {
    ++counters_.swept;
    end(call, reason);
  }
}

std::vector<const Call*> CallTable::list() const {
  std::vector<const Call*> all;
  for (const auto& [id, call] : by_call_id_) all.push_back(call.get());
  std::sort(all.begin(), all.end(), [](const Call* a, const Call* b) { return a->started_ms > b->started_ms; });
  for (const CallPtr& call : ended_) all.push_back(call.get());
  return all;
}

const Call* CallTable::find(std::string_view id) const {
  for (const Call* call : list())
    if (call->id == id || call->call_id == id) return call;
  return nullptr;
}

std::vector<media::StreamSnapshot> CallTable::streams(const Call& call) const {
  return call.session != nullptr ? call.session->snapshot() : call.last_streams;
}

}  // namespace sallyport::calls
