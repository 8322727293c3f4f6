// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/proxy.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <functional>
#include <utility>

#include "controlplane/proxy/callback_hop.h"
#include "controlplane/proxy/callee_release.h"
#include "controlplane/sip/cseq.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/response.h"
#include "controlplane/sip/validate.h"
#include "controlplane/sip/via.h"

namespace sallyport::proxy {

using sip::HeaderId;
using sip::Message;
using sip::Method;

namespace {

std::string random_hex(size_t bytes) {
  std::string raw(bytes, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes));
  std::string text;
  for (const char byte : raw) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// What identifies the server transaction of a request (RFC 3261 17.2.3). The hop belongs to it: two clients that choose the
// same branch and sent-by never meet. ACK and CANCEL name the INVITE's.
std::string server_key(const Message& message, const sip::Via& via, const Hop& hop) {
  const bool invite = message.method() == Method::ack || message.method() == Method::cancel;
  const std::string_view method = invite ? "INVITE" : message.method_text();
  if (via.is_rfc3261()) {
    std::string key;
    key.reserve(sizeof hop.id + sizeof via.port + via.branch.size() + via.host.size() + method.size() + 2);
    key.append(reinterpret_cast<const char*>(&hop.id), sizeof hop.id).append(reinterpret_cast<const char*>(&via.port), sizeof via.port);
    return key.append(via.branch).append("|").append(via.host).append("|").append(method);
  }
  const auto cseq = sip::parse_cseq(message.value(HeaderId::cseq));
  const sip::NameAddr* from = message.from();
  return fmt::format("{}|2543|{}|{}|{}|{}|{}", hop.id, message.value(HeaderId::call_id), cseq ? cseq->number : 0,
                     from ? from->tag() : "", message.request_uri(), method);
}

void mix(uint64_t& hash, std::string_view text) {
  hash = (hash ^ std::hash<std::string_view>{}(text)) * 0x9e3779b97f4a7c15u;
  hash ^= hash >> 29;
}

// A number in our branches, as hex of fixed width.
template <size_t width>
std::string_view write_hex(std::array<char, width>& digits, uint64_t value) {
  for (size_t at = width; at-- > 0; value >>= 4) digits[at] = "0123456789abcdef"[value & 15];
  return {digits.data(), width};
}

// RFC 3261 16.6 step 8: what decides where a request goes; equal again in our own Via means a loop, different means a spiral.
uint32_t loop_hash(const Message& message) {
  uint64_t hash = 0;
  mix(hash, message.request_uri());
  for (const HeaderId id : {HeaderId::from, HeaderId::to, HeaderId::call_id, HeaderId::cseq, HeaderId::proxy_require}) mix(hash, message.value(id));
  for (const sip::Header* route = message.first(HeaderId::route); route != nullptr; route = message.next(*route))
    mix(hash, route->value);
  return static_cast<uint32_t>(hash);
}

constexpr size_t max_datagram_bytes = 65'507;  // what UDP over IPv4 can carry
constexpr size_t id_digits = 16;
constexpr size_t loop_digits = 8;

}  // namespace

Proxy::Proxy(TimerWheel& wheel, const TimerSettings& settings, size_t transaction_capacity, Router& router, Anchor& anchor)
    : table_(wheel, settings, transaction_capacity),
      router_(router),
      anchor_(anchor),
      own_to_tag_("sp" + random_hex(6)),
      branch_start_("z9hG4bK" + random_hex(4)) {}

void Proxy::on_message(const std::shared_ptr<Hop>& hop, std::string_view text) {
  table_.reap();
  // Kept between messages: the header vector is the parser's only allocation.
  thread_local Message message;
  sip::Via via;
  const sip::Verdict verdict = sip::parse(text, message);
  if (message.is_response()) {
    ++counters_.responses;
    if (!verdict.ok() || !sip::validate_response(message, via).ok()) {
      ++counters_.malformed_responses;
      return;
    }
    on_response(hop, message, via);
    return;
  }
  ++counters_.requests;
  const sip::Verdict judged = verdict.ok() ? sip::validate_request(message, via) : verdict;
  if (!judged.ok()) {
    ++counters_.malformed_requests;
    tell_refusal(*hop, judged.status, judged.reason);
    if (message.is_request() && message.method() != Method::ack) answer(hop, message, judged.status, judged.reason);
    return;
  }
  ++counters_.by_method[static_cast<size_t>(message.method()) & 15];
  on_request(hop, message, via);
}

void Proxy::on_refused(const std::shared_ptr<Hop>& hop, std::string_view head, const sip::Verdict& verdict) {
  ++counters_.malformed_requests;
  tell_refusal(*hop, verdict.status, verdict.reason);
  Message message;
  if (head.empty()) return;
  (void)sip::parse(head, message);  // the head alone, with a Content-Length that is not there: what was understood suffices
  if (message.is_request() && message.method() != Method::ack) answer(hop, message, verdict.status, verdict.reason);
}

void Proxy::tell_refusal(const Hop& hop, int status, std::string_view reason) const {
  if (log) log(fmt::format("sip: message from {} refused: {} {}", hop.name, status, reason));
}

void Proxy::on_request(const std::shared_ptr<Hop>& hop, const Message& message, const sip::Via& via) {
  if (message.method() == Method::ack) return on_ack(hop, message, via);
  if (message.method() == Method::cancel) return on_cancel(hop, message, via);
  std::string key = server_key(message, via, *hop);
  if (RelayTransaction* known = table_.find_server(key)) {
    ++counters_.retransmissions;
    known->on_request_again();
    return;
  }
  if (router_.take(message, hop)) {
    ++counters_.local_answers;
    return;
  }
  RelayTransaction* transaction = table_.create(*this, message.method(), hop, std::move(key), std::string(message.text()));
  if (transaction == nullptr) {
    ++counters_.table_full;
    answer(hop, message, 503, "Too many transactions", "Retry-After: 5\r\n");
    return;
  }
  start(*transaction, message, via);
}

void Proxy::start(RelayTransaction& transaction, const Message& message, const sip::Via& via) {
  // Absent means 70 (RFC 3261 16.6 step 3 inserts it); present it is a valid number, or validate_request had refused.
  const std::string_view hops = message.value(HeaderId::max_forwards);
  if (hops == "0") {
    ++counters_.too_many_hops;
    return refuse(transaction, message, 483, {}, {});
  }
  transaction.loop_hash = loop_hash(message);
  if (is_loop(message, transaction.loop_hash)) {
    ++counters_.loops;
    return refuse(transaction, message, 482, {}, {});
  }
  if (const sip::Header* wanted = message.first(HeaderId::proxy_require)) {
    // RFC 3261 16.3 step 5: this proxy implements no option that needs its consent.
    return refuse(transaction, message, 420, {}, fmt::format("Unsupported: {}\r\n", wanted->value));
  }
  if (draining_ && message.method() == Method::invite && !message.is_in_dialog()) {
    ++counters_.drained;
    return refuse(transaction, message, 503, "This node is being stopped", "Retry-After: 10\r\n");
  }
  if (message.method() == Method::invite) transaction.promise_response();
  attempt(transaction, message, via);
}

void Proxy::on_trying_due(RelayTransaction& transaction) {
  Message message;
  if (sip::parse(transaction.request(), message).ok()) transaction.respond(100, local_response(*transaction.server_hop(), message, 100, "Trying", {}));
}

void Proxy::attempt(RelayTransaction& transaction, const Message& message, const sip::Via& via) {
  edit_.reset(message);
  Inbound inbound{message, transaction.server_hop(), edit_, transaction.attempts, &transaction};
  const Route route = router_.route(inbound);
  if (route.target == nullptr) return refuse(transaction, message, route.status, route.reason, route.extra_lines);
  const AnchorVerdict anchored = anchor_.on_request(&transaction, message, *transaction.server_hop(), *route.target, edit_);
  if (anchored.status != 0) return refuse(transaction, message, anchored.status, anchored.reason, anchored.extra_lines);
  prepare(inbound, via, *route.target, transaction.id(), transaction.loop_hash);
  std::string out;
  edit_.serialise(out);
  send_attempt(transaction, route.target, std::move(out));
}

void Proxy::send_attempt(RelayTransaction& transaction, const std::shared_ptr<Hop>& target, std::string text) {
  if (!target->is_reliable() && text.size() > max_datagram_bytes) {
    ++counters_.oversized;
    Message message;
    if (sip::parse(transaction.request(), message).ok()) refuse(transaction, message, 513, "Message too large for UDP to the next hop", {});
    return;
  }
  ++counters_.forwarded_requests;
  if (transaction.forward(target, std::move(text))) return;
  ++counters_.send_failed;
  on_client_failure(transaction, ClientFailure::hop_lost);
}

bool Proxy::originate(std::shared_ptr<Hop> target, std::string_view request, std::function<void(const Message&)> done) {
  table_.reap();
  const auto sender = std::make_shared<CallbackHop>(0, std::move(done));
  // The sender's own Via, under ours, so that the response is popped and delivered like that of any client.
  const size_t line_end = request.find("\r\n");
  std::string text(request.substr(0, line_end + 2));
  text.append("Via: SIP/2.0/TLS localhost;branch=z9hG4bKown\r\n").append(request.substr(line_end + 2));
  Message message;
  if (!sip::parse(text, message).ok()) return false;
  RelayTransaction* transaction = table_.create(*this, message.method(), sender, {}, text);
  if (transaction == nullptr) return false;
  transaction->is_local = true;
  sip::Edit edit(message);
  edit.push_front(HeaderId::via, fmt::format("{}{}{:016x}{:08x};rport", target->via_head, branch_start_, transaction->id(), 0));
  send_attempt(*transaction, target, edit.serialise());
  return true;
}

void Proxy::prepare(Inbound& inbound, const sip::Via& via, const Hop& target, uint64_t branch_id, uint32_t loop_hash) {
  const Message& message = inbound.message;
  sip::stamp_source(inbound.edit, via, inbound.hop->remote_ip(), inbound.hop->remote.port());
  if (const sip::Header* header = message.first(HeaderId::max_forwards)) {
    unsigned hops = 70;
    std::from_chars(header->value.data(), header->value.data() + header->value.size(), hops);
    char digits[4];
    const auto end = std::to_chars(digits, digits + sizeof digits, hops > 0 ? hops - 1 : 0).ptr;
    inbound.edit.replace(*header, {digits, static_cast<size_t>(end - digits)});
  } else {
    inbound.edit.push_back(HeaderId::max_forwards, "70");
  }
  std::array<char, id_digits> id;
  std::array<char, loop_digits> loop;
  inbound.edit.push_front(HeaderId::via, {target.via_head, branch_start_, write_hex(id, branch_id), write_hex(loop, loop_hash), ";rport"});
}

bool Proxy::is_loop(const Message& message, uint32_t hash) const {
  std::array<char, loop_digits> digits;
  const std::string_view mark = write_hex(digits, hash);
  for (const sip::HeaderValue& value : sip::values(message, HeaderId::via)) {
    const size_t at = value.text.find(branch_start_);
    if (at == std::string_view::npos) continue;
    const size_t end = at + branch_start_.size() + id_digits;
    if (value.text.substr(std::min(end, value.text.size()), loop_digits) == mark) return true;
  }
  return false;
}

void Proxy::on_ack(const std::shared_ptr<Hop>& hop, const Message& message, const sip::Via& via) {
  RelayTransaction* transaction = table_.find_server(server_key(message, via, *hop));
  if (transaction != nullptr && transaction->server_state() != ServerState::accepted) {
    transaction->on_ack();
    return;
  }
  // The ACK of a 2xx travels end to end, outside any transaction (RFC 3261 16.10, 13.2.2.4).
  const uint32_t hash = loop_hash(message);
  if (message.value(HeaderId::max_forwards) == "0" || is_loop(message, hash)) return;
  edit_.reset(message);
  Inbound inbound{message, hop, edit_, 0, nullptr};
  const Route route = router_.route(inbound);
  if (route.target == nullptr) return;
  if (anchor_.on_request(nullptr, message, *hop, *route.target, edit_).status != 0) return;
  prepare(inbound, via, *route.target, 0, hash);
  ++counters_.forwarded_requests;
  if (!route.target->send(edit_.serialise())) ++counters_.send_failed;
}

void Proxy::on_cancel(const std::shared_ptr<Hop>& hop, const Message& message, const sip::Via& via) {
  RelayTransaction* transaction = table_.find_server(server_key(message, via, *hop));
  if (transaction == nullptr) return answer(hop, message, 481);
  answer(hop, message, 200);
  if (!transaction->has_final()) transaction->cancel();
}

void Proxy::on_response(const std::shared_ptr<Hop>& hop, const Message& message, const sip::Via& via) {
  uint64_t id = 0;
  if (!via.branch.starts_with(branch_start_) || via.branch.size() != branch_start_.size() + id_digits + loop_digits) {
    ++counters_.stray_responses;
    return;
  }
  const char* digits = via.branch.data() + branch_start_.size();
  std::from_chars(digits, digits + id_digits, id, 16);
  RelayTransaction* transaction = id == 0 ? nullptr : table_.find_client(id);
  if (transaction == nullptr) {
    ++counters_.stray_responses;  // RFC 6026 8.9: responses without a transaction are not forwarded
    return;
  }
  const std::shared_ptr<Hop> asked = transaction->client_hop();
  // Only whom we asked may answer; call control may answer from another of its sockets.
  if (asked == nullptr || asked->side != hop->side || (hop->side == Side::client && asked->id != hop->id)) {
    ++counters_.forged_responses;
    return;
  }
  // The answer to our CANCEL carries the branch of its INVITE and ends here (RFC 3261 9.1): only the CSeq tells them apart.
  if (message.method() != transaction->method()) return;
  if (!transaction->on_response(message)) return;
  edit_.reset(message);
  edit_.remove(*sip::first_value(message, HeaderId::via));
  if (transaction->is_local) return transaction->respond(message.status(), edit_.serialise());
  const bool accepts = message.status() >= 200 && message.status() < 300 && transaction->method() == Method::invite;
  if (accepts && transaction->has_final() && transaction->server_state() != ServerState::accepted) {
    // The caller has been told that the call failed, or is gone: the callee must not go on alone.
    anchor_.on_failed(*transaction, 487);
    return release(*transaction, message);
  }
  router_.on_response(*transaction, message, edit_);
  const AnchorVerdict anchored = anchor_.on_response(*transaction, message, hop->side, edit_);
  if (anchored.status != 0) return refuse_answer(*transaction, message, anchored);
  std::string out;
  edit_.serialise(out);
  ++counters_.forwarded_responses;
  transaction->respond(message.status(), std::move(out));
}

// The answer cannot be carried (no keys, no ports): the caller is told so, the callee's side is taken down.
void Proxy::refuse_answer(RelayTransaction& transaction, const Message& response, const AnchorVerdict& verdict) {
  Message request;
  if (!sip::parse(transaction.request(), request).ok()) return;
  ++counters_.local_answers;
  transaction.respond(verdict.status, local_response(*transaction.server_hop(), request, verdict.status, verdict.reason, verdict.extra_lines));
  if (transaction.method() != Method::invite) return;
  if (response.status() < 200) transaction.cancel();
  else release(transaction, response);
}

// Last of all: making the BYE may bury transactions that are over.
void Proxy::release(RelayTransaction& transaction, const Message& response) {
  const std::shared_ptr<Hop> hop = transaction.client_hop();
  Message sent, ack;
  if (hop == nullptr || !sip::parse(transaction.forwarded(), sent).ok()) return;
  const CalleeRelease texts = release_callee(sent, response);
  if (!sip::parse(texts.ack, ack).ok()) return;
  sip::Edit edit(ack);
  edit.push_front(HeaderId::via, fmt::format("{}{}{:016x}{:08x};rport", hop->via_head, branch_start_, 0, loop_hash(ack)));
  if (!hop->send(edit.serialise())) ++counters_.send_failed;
  // A refused answer within a dialog changes nothing of what was agreed before: only a call that begins ends here.
  if (sent.is_in_dialog() || std::exchange(transaction.callee_released, true)) return;
  ++counters_.callees_released;
  originate(hop, texts.bye, [](const Message&) {});
}

void Proxy::refuse(RelayTransaction& transaction, const Message& message, int status, std::string_view reason,
                   std::string_view extra_lines) {
  ++counters_.local_answers;
  if (!transaction.is_local) anchor_.on_failed(transaction, status);
  transaction.respond(status, local_response(*transaction.server_hop(), message, status, reason, extra_lines));
}

void Proxy::on_client_failure(RelayTransaction& transaction, ClientFailure failure) {
  if (failure == ClientFailure::timeout) ++counters_.timeouts;
  Message message;
  if (!sip::parse(transaction.request(), message).ok()) return;
  const auto via = sip::parse_via(sip::first_value(message, HeaderId::via)->text);
  if (via && !transaction.is_local && !transaction.is_cancelled() && router_.may_retry(transaction, failure)) return attempt(transaction, message, *via);
  // RFC 3261 16.7 step 4, RFC 5626 5.3.1: a flow that is gone is 430, a silent next hop is 408, a broken one 503.
  const bool cancelled = transaction.is_cancelled();
  const int status = cancelled ? 487 : failure == ClientFailure::timeout ? 408 : transaction.server_hop()->side == Side::traversal ? 430 : 503;
  refuse(transaction, message, status, status == 430 ? "Flow Failed" : "", status == 503 ? "Retry-After: 5\r\n" : "");
}

void Proxy::answer(const std::shared_ptr<Hop>& hop, const Message& request, int status, std::string_view reason,
                   std::string_view extra_lines) {
  ++counters_.local_answers;
  if (!hop->send(local_response(*hop, request, status, reason, extra_lines))) ++counters_.send_failed;
}

std::string Proxy::local_response(const Hop& hop, const Message& request, int status, std::string_view reason,
                                  std::string_view extra_lines) const {
  // RFC 3581 4: the answer carries where the request really came from.
  const auto top = sip::first_value(request, HeaderId::via);
  const std::string via = top ? sip::stamped_via(top->text, hop.remote_ip(), hop.remote.port()) : std::string{};
  sip::ResponseSpec spec;
  spec.status = status;
  spec.reason = reason;
  spec.to_tag = own_to_tag_;
  spec.extra_lines = extra_lines;
  std::string out;
  sip::write_response(request, spec, out, via);
  return out;
}

}  // namespace sallyport::proxy
