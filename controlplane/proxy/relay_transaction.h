// SPDX-License-Identifier: Apache-2.0
#pragma once
// RelayTransaction: one request on its way through this node: a server transaction towards the sender and a client
// transaction towards one target (RFC 3261 17, RFC 6026). The pair never forks; forks made downstream pass as several responses.
// Owned by TransactionTable, which destroys it when both sides have terminated. One thread; never blocks.

#include <cstdint>
#include <memory>
#include <string>

#include "controlplane/proxy/hop.h"
#include "controlplane/sip/message.h"
#include "controlplane/proxy/timer_wheel.h"

namespace sallyport::proxy {

using sip::Message;
using sip::Method;

struct TimerSettings {
  uint32_t t1_ms = 500;
  uint32_t t2_ms = 4000;
  uint32_t t4_ms = 5000;
  uint32_t trying_ms = 150;       // RFC 3261 17.2.1: 100 is due unless another response comes within 200 ms
  uint32_t timer_c_ms = 190'000;  // RFC 3261 16.6 step 11: above three minutes
  uint32_t transaction_ms() const { return 64 * t1_ms; }  // timers B, F, H, J, L, M
};

enum class ServerState : uint8_t { trying, proceeding, completed, confirmed, accepted, terminated };
enum class ClientState : uint8_t { idle, calling, proceeding, completed, accepted, terminated };
enum class ClientFailure : uint8_t { timeout, hop_lost };

class RelayTransaction;

// What the proxy is told. It may answer or forward again from within; the transaction outlives the call.
class TransactionOwner {
 public:
  virtual ~TransactionOwner() = default;
  // No final response came (timer B, F, C) or the hop closed; retry elsewhere with forward() or answer with respond().
  virtual void on_client_failure(RelayTransaction& transaction, ClientFailure failure) = 0;
  virtual void on_terminated(RelayTransaction& transaction) = 0;
  // An INVITE whose sender has heard nothing yet: respond() with 100.
  virtual void on_trying_due(RelayTransaction& transaction) = 0;
};

// What an INVITE or another request carries along for its role: media call, bindings. Opaque to the transaction.
struct TransactionContext {
  virtual ~TransactionContext() = default;
};

class RelayTransaction {
 public:
  RelayTransaction(uint64_t id, TransactionOwner& owner, TimerWheel& wheel, const TimerSettings& settings, Method method,
                   std::shared_ptr<Hop> server_hop, std::string server_key, std::string request);

  // Server side.
  void promise_response();                         // of an INVITE: 100 goes if nothing else does in time
  void respond(int status, std::string response);  // sends and moves the server state; any number of 1xx, then one final (2xx may repeat)
  void on_request_again();                         // a retransmission: repeat the last response
  void on_ack();                                   // for a non-2xx final response
  bool has_final() const { return server_state_ >= ServerState::completed; }

  // Client side. `forwarded` is the complete request as sent, with our Via on top.
  bool forward(std::shared_ptr<Hop> hop, std::string forwarded);
  // True when the response is to go upstream (not a retransmission, not absorbed).
  bool on_response(const Message& response);
  void cancel();
  void on_hop_lost(uint64_t hop_id);
  // Like a lost hop for a request that has got no answer at all; one that is being worked on goes on.
  void on_hop_silent(uint64_t hop_id);

  uint64_t id() const { return id_; }
  Method method() const { return method_; }
  const std::string& request() const { return request_; }
  const std::string& forwarded() const { return forwarded_; }  // kept for INVITE and over UDP
  const std::string& server_key() const { return server_key_; }
  const std::shared_ptr<Hop>& server_hop() const { return server_hop_; }
  std::shared_ptr<Hop> client_hop() const { return client_hop_.lock(); }
  ServerState server_state() const { return server_state_; }
  ClientState client_state() const { return client_state_; }
  bool uses_hop(uint64_t hop_id) const { return server_hop_->id == hop_id || client_hop_id_ == hop_id; }
  bool is_cancelled() const { return cancel_wanted_; }
  bool is_over() const { return server_state_ == ServerState::terminated && (client_state_ == ClientState::terminated || client_state_ == ClientState::idle); }

  std::unique_ptr<TransactionContext> context;  // the Anchor's
  std::unique_ptr<TransactionContext> routing;  // the Router's
  uint32_t attempts = 0;   // targets tried
  uint32_t loop_hash = 0;  // of the request, for our Via
  bool callee_released = false;  // its 2xx could not go upstream, and it was told BYE
  bool is_local = false;  // made by this node: no routing, no media

 private:
  struct Timer final : TimerNode {
    using Action = void (RelayTransaction::*)();
    Timer(RelayTransaction& owner, Action action) : owner(owner), action(action) {}
    void on_timer() override { (owner.*action)(); }
    RelayTransaction& owner;
    Action action;
  };
  void server_retransmit();   // timer G, and before a response the 100
  void server_expire();       // timers H, I, J, L
  void client_retransmit();   // timers A, E
  void client_expire();       // timers B, C, D, F, K, M
  void end_server();
  void end_client();
  void finish_if_over();
  void send_cancel();
  void send_ack(const Message& response);
  void fail_client(ClientFailure failure);

  const uint64_t id_;
  TransactionOwner& owner_;
  TimerWheel& wheel_;
  const TimerSettings& settings_;
  const Method method_;
  ServerState server_state_;
  ClientState client_state_ = ClientState::idle;
  bool cancel_wanted_ = false;
  bool cancel_sent_ = false;
  bool ended_reported_ = false;
  uint32_t server_interval_ms_ = 0;
  uint32_t client_interval_ms_ = 0;
  std::shared_ptr<Hop> server_hop_;
  std::weak_ptr<Hop> client_hop_;
  uint64_t client_hop_id_ = 0;
  std::string server_key_;
  std::string request_;        // as received; local responses and CANCEL matching need it
  std::string forwarded_;      // as sent: retransmission over UDP, CANCEL and ACK
  std::string last_response_;  // repeated to retransmissions
  Timer server_retransmit_timer_{*this, &RelayTransaction::server_retransmit};
  Timer server_expire_timer_{*this, &RelayTransaction::server_expire};
  Timer client_retransmit_timer_{*this, &RelayTransaction::client_retransmit};
  Timer client_expire_timer_{*this, &RelayTransaction::client_expire};
};

}  // namespace sallyport::proxy
