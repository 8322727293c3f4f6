// SPDX-License-Identifier: Apache-2.0
#pragma once
// Proxy: the core both roles share: parse, validate, match transactions, keep RFC 3261 16 (Via, Max-Forwards, loops, CANCEL, ACK),
// let the Router route and the Anchor rewrite SDP, send. Unknown headers and methods pass unchanged and in order.
// One thread; on_message() never blocks and never throws. Messages are views of the transport's buffer during the call.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/proxy/router.h"
#include "controlplane/proxy/transaction_table.h"

namespace sallyport::proxy {

struct ProxyCounters {
  uint64_t requests = 0, responses = 0, forwarded_requests = 0, forwarded_responses = 0;
  uint64_t local_answers = 0, retransmissions = 0, stray_responses = 0, malformed_requests = 0, malformed_responses = 0;
  uint64_t callees_released = 0;  // 2xx that could not go to the caller
  uint64_t loops = 0, too_many_hops = 0, table_full = 0, drained = 0, oversized = 0, send_failed = 0, timeouts = 0, forged_responses = 0;
  std::array<uint64_t, 16> by_method{};  // index: sip::Method
};

class Proxy final : public TransactionOwner {
 public:
  Proxy(TimerWheel& wheel, const TimerSettings& settings, size_t transaction_capacity, Router& router, Anchor& anchor);

  void on_message(const std::shared_ptr<Hop>& hop, std::string_view text);
  // A stream that cannot be framed any more: answers the head if it can be; the transport closes the hop afterwards.
  void on_refused(const std::shared_ptr<Hop>& hop, std::string_view head, const sip::Verdict& verdict);
  void on_hop_lost(const Hop& hop) { table_.on_hop_lost(hop); }
  // Over UDP nothing breaks: probes tell that nobody is there, and requests without any answer go elsewhere.
  void on_hop_silent(const Hop& hop) { table_.on_hop_silent(hop); }

  // A request of this node itself: `request` has everything but a Via. `done` gets the final response, also one made here
  // when none came (408) or the target is gone (503). False when the transaction table is full.
  bool originate(std::shared_ptr<Hop> target, std::string_view request, std::function<void(const sip::Message&)> done);

  const ProxyCounters& counters() const { return counters_; }
  size_t transactions() const { return table_.size(); }
  // Answers outside a transaction: errors of requests that made none.
  void answer(const std::shared_ptr<Hop>& hop, const sip::Message& request, int status, std::string_view reason = {},
              std::string_view extra_lines = {});
  // From now on a request that would begin a call gets 503; what runs goes on.
  void refuse_new_calls() { draining_ = true; }
  // Messages that were refused for their form: from whom and why.
  std::function<void(const std::string& line)> log;

 private:
  // `via` is the message's top Via.
  void on_request(const std::shared_ptr<Hop>& hop, const sip::Message& message, const sip::Via& via);
  void on_response(const std::shared_ptr<Hop>& hop, const sip::Message& message, const sip::Via& via);
  void on_ack(const std::shared_ptr<Hop>& hop, const sip::Message& message, const sip::Via& via);
  void on_cancel(const std::shared_ptr<Hop>& hop, const sip::Message& message, const sip::Via& via);
  void start(RelayTransaction& transaction, const sip::Message& message, const sip::Via& via);
  void attempt(RelayTransaction& transaction, const sip::Message& message, const sip::Via& via);
  void tell_refusal(const Hop& hop, int status, std::string_view reason) const;
  void refuse(RelayTransaction& transaction, const sip::Message& message, int status, std::string_view reason,
              std::string_view extra_lines);
  void refuse_answer(RelayTransaction& transaction, const sip::Message& response, const AnchorVerdict& verdict);
  void release(RelayTransaction& transaction, const sip::Message& response);
  void send_attempt(RelayTransaction& transaction, const std::shared_ptr<Hop>& target, std::string text);
  bool is_loop(const sip::Message& message, uint32_t loop_hash) const;
  void prepare(Inbound& inbound, const sip::Via& via, const Hop& target, uint64_t branch_id, uint32_t loop_hash);
  std::string local_response(const Hop& hop, const sip::Message& request, int status, std::string_view reason,
                             std::string_view extra_lines) const;

  void on_client_failure(RelayTransaction& transaction, ClientFailure failure) override;
  void on_terminated(RelayTransaction& transaction) override { table_.remove(transaction); }
  void on_trying_due(RelayTransaction& transaction) override;

  TransactionTable table_;
  Router& router_;
  Anchor& anchor_;
  ProxyCounters counters_;
  bool draining_ = false;
  std::string own_to_tag_;   // of local answers; one a process suffices, dialogs are never made here
  sip::Message none_;
  sip::Edit edit_{none_};    // of the message in hand, kept for its memory; free again once the message was sent
  std::string branch_start_; // magic cookie and a process-random mark: tells our Vias in loops and responses
};

}  // namespace sallyport::proxy
