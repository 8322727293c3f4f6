// SPDX-License-Identifier: Apache-2.0
#include "controlplane/calls/call_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "controlplane/media/sdp_anchor.h"
#include "controlplane/sip/body.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/response.h"

namespace sallyport::calls {

using sip::HeaderId;
using sip::Method;

// What a transaction of a call carries along.
struct CallTable::Context final : proxy::TransactionContext {
  // Not its owner: an answered INVITE stays for half a minute (RFC 6026 timer L), and most calls that end in that time need not.
  std::weak_ptr<Call> call;
  media::Side from = media::Side::face;  // of the request
  bool by_caller = true;
  bool begins = false;                   // the initial INVITE
  Method method = Method::other;
  std::string method_text;
  uint32_t cseq = 0;
  std::string branch;                    // callee's tag; empty for the initial INVITE
};

namespace {

constexpr uint64_t session_grace_ms = 32'000;  // RFC 4028 10: the BYE of a party goes before the session is over

media::Side side_of(proxy::Side side) { return side == proxy::Side::traversal ? media::Side::traversal : media::Side::face; }

bool concerns_calls(Method method) {
  return method == Method::invite || method == Method::ack || method == Method::prack || method == Method::update || method == Method::bye;
}

// A request that would change or describe media, in a dialog that we do not know: nothing of it may pass unanchored.
bool needs_call(const sip::Message& request) {
  const Method method = request.method();
  return method == Method::invite || (method != Method::bye && sip::find_sdp(request).has_value());
}

std::string uri_of(const sip::NameAddr* party) {
  return party != nullptr ? std::string(party->uri.text.substr(0, 256)) : std::string{};
}

abi::Address source_of(const proxy::Hop* hop) {
  if (hop == nullptr || hop->side != proxy::Side::client) return {};
  return media::parse_address(hop->remote.ip(), hop->remote.port()).value_or(abi::Address{});
}

uint64_t clock_ms() {
  timespec clock{};
  clock_gettime(CLOCK_MONOTONIC, &clock);
  return static_cast<uint64_t>(clock.tv_sec) * 1000 + static_cast<uint64_t>(clock.tv_nsec) / 1'000'000;
}

std::string id_of(uint64_t call_tag) { return fmt::format("{:08x}", static_cast<uint32_t>(call_tag)); }

// A challenge is no end of anything: the sender asks again with credentials (RFC 3261 22).
bool is_challenge(int status) { return status == 401 || status == 407; }

}  // namespace

CallTable::CallTable(CallSettings settings, media::MediaPlane& plane, PeerOf peer_of, std::function<uint64_t()> now_ms)
    : settings_(std::move(settings)), plane_(plane), peer_of_(std::move(peer_of)), now_ms_(std::move(now_ms)), calls_(settings_.remembered) {}

proxy::AnchorVerdict CallTable::refuse(int status, int warn_code, std::string_view reason) {
  ++counters_.refused;
  std::string lines = fmt::format("Warning: {}\r\n", sip::warning_value(warn_code, settings_.agent, reason));
  if (status == 503) lines += "Retry-After: 5\r\n";
  return {status, {}, std::move(lines)};
}

Outcome<CallPtr> CallTable::begin(const sip::Message& request, bool from_near, std::string peer) {
  media::SessionStart start;
  start.call_id = request.value(HeaderId::call_id);
  start.from_tag = tag_of(request, HeaderId::from);
  start.peer = std::move(peer);
  start.began = from_near ? media::Side::face : media::Side::traversal;
  start.from = uri_of(request.from());
  start.to = uri_of(request.to());
  auto session = plane_.open(start);
  if (!session) return session.fault();
  const CallPtr call(new Call);  // apart from its control block, which a transaction may keep
  call->id = id_of((*session)->call_tag());
  call->call_id = std::move(start.call_id);
  call->caller_tag = std::move(start.from_tag);
  call->from = std::move(start.from);
  call->to = std::move(start.to);
  call->began_near = from_near;
  call->started_ms = now_ms_();
  call->session = std::move(*session);
  calls_.add(call);
  ++counters_.begun;
  return call;
}

void CallTable::end(const CallPtr& call, std::string reason, bool keep) {
  if (call->state == CallState::ended) return;
  calls_.end(call, std::move(reason), now_ms_(), keep);
  ++counters_.ended;
}

proxy::AnchorVerdict CallTable::place(Context& context, const sip::Message& request, const proxy::Hop& source, const proxy::Hop& target) {
  const bool from_near = source.side != proxy::Side::traversal;
  const auto cseq = sip::parse_cseq(request.value(HeaderId::cseq));
  context.from = side_of(source.side);
  context.method = request.method();
  context.method_text = request.method_text();
  context.cseq = cseq ? cseq->number : 0;
  context.begins = context.method == Method::invite && tag_of(request, HeaderId::to).empty();
  if (!context.begins) {
    DialogMatch match = calls_.find_dialog(request, from_near);
    if (match.call == nullptr) return needs_call(request) && context.method != Method::ack ? refuse(481, 399, "No such call here") : proxy::AnchorVerdict{};
    context.call = match.call;
    context.by_caller = match.by_caller;
    context.branch = std::move(match.callee_tag);
    if (!from_near) match.call->far_cseq = std::max(match.call->far_cseq, context.cseq);
    return {};
  }
  // Also without an offer: ringing for a call that cannot have media is of no use.
  if (!plane_.dataplane().is_connected()) return refuse(503, 399, "Media relay is not running");
  auto call = begin(request, from_near, peer_of_(from_near ? target.id : source.id));
  if (!call) return refuse(503, 399, call.fault().cause);
  context.call = *call;
  if (!from_near) (*call)->far_cseq = context.cseq;
  return {};
}

proxy::AnchorVerdict CallTable::rewrite(const Context& context, const sip::Message& message, media::SdpMessage shape, sip::Edit& edit) {
  const auto sdp = sip::find_sdp(message);
  const CallPtr call = sdp ? context.call.lock() : nullptr;
  if (call == nullptr || call->session == nullptr) return {};
  shape.sdp = *sdp;
  shape.method = context.method_text;
  shape.request_from = context.from;
  shape.cseq = context.cseq;
  media::SdpResult result = call->session->rewrite(shape);
  if (!result.ok()) return refuse(result.status, result.warn_code == 0 ? 399 : result.warn_code, result.warning);
  edit.replace_body_part(*sdp, result.sdp);
  sip::wipe(result.sdp);
  return {};
}

proxy::AnchorVerdict CallTable::on_request(proxy::RelayTransaction* transaction, const sip::Message& request, const proxy::Hop& source,
                                           const proxy::Hop& target, sip::Edit& edit) {
  if (!concerns_calls(request.method())) return {};
  // A request that goes to another target after the first one failed has its call already.
  auto* context = transaction == nullptr ? nullptr : static_cast<Context*>(transaction->context.get());
  std::unique_ptr<Context> fresh;
  if (context == nullptr) {
    fresh = std::make_unique<Context>();
    proxy::AnchorVerdict verdict = place(*fresh, request, source, target);
    if (verdict.status != 0 || fresh->call.expired()) return verdict;
    context = fresh.get();
    if (transaction != nullptr) transaction->context = std::move(fresh);
  }
  media::SdpMessage shape;
  shape.from = context->from;
  shape.branch = context->branch;
  shape.source = source_of(&source);
  return rewrite(*context, request, shape, edit);
}

proxy::AnchorVerdict CallTable::on_response(proxy::RelayTransaction& transaction, const sip::Message& response, proxy::Side side, sip::Edit& edit) {
  auto* context = static_cast<Context*>(transaction.context.get());
  const int status = response.status();
  if (context == nullptr || status <= 100) return {};
  // The 200 to a CANCEL carries the branch of its INVITE: only the CSeq tells them apart.
  if (response.method_text() != context->method_text) return {};
  const std::string branch = context->by_caller ? tag_of(response, HeaderId::to) : context->branch;
  const CallPtr call = context->call.lock();
  if (call == nullptr) return {};
  if (context->begins && status < 300) call->add_callee(branch);
  if (context->begins && status >= 200 && status < 300 && call->near.target.empty()) call->near = NearDialog::learn(transaction, response, call->began_near);
  proxy::AnchorVerdict verdict;
  if (status < 300) {
    media::SdpMessage shape;
    shape.from = side_of(side);
    shape.status = static_cast<uint16_t>(status);
    shape.branch = branch;
    shape.source = source_of(transaction.client_hop().get());
    verdict = rewrite(*context, response, shape, edit);
  }
  const int effective = verdict.status != 0 ? verdict.status : status;
  if (effective < 200) return verdict;
  on_final(*context, effective, branch);
  if (effective < 300 && context->method != Method::bye) accept(*call, response);
  return verdict;
}

void CallTable::on_final(Context& context, int status, const std::string& branch) {
  const CallPtr call = context.call.lock();
  if (call == nullptr || call->state == CallState::ended) return;
  if (context.method == Method::bye) {
    if (is_challenge(status)) return;
    const bool was_last = !call->has_callee(branch) || call->session->end_branch(branch);
    if (was_last) end(call, context.by_caller ? "BYE of the caller" : "BYE of the callee");
    return;
  }
  call->session->on_final(context.from, context.cseq, context.method_text, branch, static_cast<uint16_t>(status));
  if (!context.begins) return;
  if (status >= 300) {
    // A second callee of a fork may still fail after the first has answered.
    if (call->state == CallState::early) end(call, fmt::format("{} {}", status, sip::reason_phrase(status)), !is_challenge(status));
  } else if (call->state == CallState::early) {
    call->state = CallState::confirmed;
    call->answered_ms = now_ms_();
    ++counters_.confirmed;
  }
}

// RFC 4028: proxies see the timer that the parties agreed on; each 2xx without one ends it.
void CallTable::accept(Call& call, const sip::Message& response) {
  const std::string_view text = response.value(HeaderId::session_expires);
  uint64_t seconds = 0;
  const bool timed = std::from_chars(text.data(), text.data() + text.size(), seconds).ec == std::errc() && seconds != 0;
  call.expires_ms = timed ? now_ms_() + std::min<uint64_t>(seconds, 86'400) * 1000 + session_grace_ms : 0;
  call.adopted_ms = 0;
}

void CallTable::on_failed(proxy::RelayTransaction& transaction, int status) {
  if (auto* context = static_cast<Context*>(transaction.context.get())) return on_final(*context, status, context->branch);
  if (transaction.method() != Method::bye) return;
  // Nowhere to go with it (its flow or link is gone): the sender has left all the same.
  sip::Message request;
  if (!sip::parse(transaction.request(), request).ok()) return;
  DialogMatch match = calls_.find_dialog(request, transaction.server_hop()->side != proxy::Side::traversal);
  if (match.call == nullptr) return;
  Context context;
  context.call = match.call;
  context.method = Method::bye;
  context.by_caller = match.by_caller;
  on_final(context, status, match.callee_tag);
}

void CallTable::adopt(std::vector<std::unique_ptr<media::MediaSession>> sessions) {
  const uint64_t now_ms = now_ms_();
  for (std::unique_ptr<media::MediaSession>& session : sessions) {
    const media::SessionSnapshot known = session->snapshot();
    const uint64_t age_ms = 1000 * (static_cast<uint64_t>(std::time(nullptr)) - std::min(static_cast<uint64_t>(std::time(nullptr)), known.started_unix_s));
    auto call = std::make_shared<Call>();
    call->id = id_of(known.call_tag);
    call->call_id = known.start.call_id;
    call->caller_tag = known.start.from_tag;
    call->add_callee(known.branch);
    call->from = known.start.from;
    call->to = known.start.to;
    call->began_near = known.start.began == media::Side::face;
    call->state = CallState::confirmed;
    call->started_ms = call->answered_ms = now_ms - std::min(now_ms, age_ms);
    call->adopted_ms = std::max<uint64_t>(now_ms, 1);
    call->session = std::move(session);
    calls_.add(call);
    ++counters_.adopted;
  }
}

void CallTable::fail(uint64_t call_tag, const Fault& fault) {
  if (const CallPtr call = calls_.find_tag(call_tag)) end(call, fault.text());
}

std::string CallTable::why_over(const Call& call, uint64_t now_ms) const {
  if (call.state == CallState::early) return now_ms - call.started_ms > settings_.early_limit_ms ? "never answered" : "";
  const uint64_t last_ms = call.session->last_packet_ns() / 1'000'000;
  const uint64_t since_answer_ms = now_ms - std::min(now_ms, call.answered_ms);
  const uint64_t silent_ms = last_ms == 0 ? since_answer_ms : clock_ms() - std::min(clock_ms(), last_ms);
  if (silent_ms > settings_.silent_limit_ms) return "no media for an hour";
  if (call.expires_ms != 0 && now_ms > call.expires_ms && silent_ms > settings_.expired_silent_ms) return "session timer expired";
  const bool forgotten = call.adopted_ms != 0 && now_ms - call.adopted_ms > settings_.adopted_silent_ms && silent_ms > settings_.adopted_silent_ms;
  return forgotten && !call.session->is_held() ? "ended while the control plane was away" : "";
}

// Of an answered call; one that is not sees its transactions fail.
bool CallTable::has_lost_link(const Call& call, uint64_t now_ms) const {
  if (settings_.link_loss_limit_ms == 0 || call.state != CallState::confirmed) return false;
  const uint64_t since_answer_ms = now_ms - std::min(now_ms, call.answered_ms);
  return std::min(plane_.links().down_ms(call.session->start().peer, clock_ms()), since_answer_ms) > settings_.link_loss_limit_ms;
}

// The other node does the same at its side. A party whose connection is gone too, or that was taken over from the control plane before this
// one, hears nothing from us: its own BYE will find no call.
void CallTable::release_near(Call& call, std::string_view reason) {
  const std::shared_ptr<proxy::Hop> hop = call.near.hop.lock();
  if (hop != nullptr && !call.near.target.empty() && send) send(hop, call.near.bye(call.call_id, call.far_cseq + 1, reason));
}

void CallTable::sweep() {
  const uint64_t now_ms = now_ms_();
  for (const CallPtr& call : calls_.running()) {
    if (has_lost_link(*call, now_ms)) {
      std::string lost = fmt::format("media link lost for more than {} s", settings_.link_loss_limit_ms / 1000);
      ++counters_.link_lost;
      release_near(*call, lost);
      end(call, std::move(lost));
      continue;
    }
    std::string reason = why_over(*call, now_ms);
    if (reason.empty()) continue;
    ++counters_.swept;
    end(call, std::move(reason));
  }
}

}  // namespace sallyport::calls
