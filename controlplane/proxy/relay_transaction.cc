// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/relay_transaction.h"

#include <algorithm>

#include "controlplane/sip/response.h"

namespace sallyport::proxy {

RelayTransaction::RelayTransaction(uint64_t id, TransactionOwner& owner, TimerWheel& wheel, const TimerSettings& settings,
                                   Method method, std::shared_ptr<Hop> server_hop, std::string server_key, std::string request)
    : id_(id),
      owner_(owner),
      wheel_(wheel),
      settings_(settings),
      method_(method),
      server_state_(method == Method::invite ? ServerState::proceeding : ServerState::trying),
      server_hop_(std::move(server_hop)),
      server_key_(std::move(server_key)),
      request_(std::move(request)) {}

// ---- server side -------------------------------------------------------------------------------------------------

// Over UDP at once, which stops the sender's repetitions; over a stream most calls ring or fail before a 100 would help anyone.
void RelayTransaction::promise_response() {
  if (!server_hop_->is_reliable()) return owner_.on_trying_due(*this);
  wheel_.arm(server_retransmit_timer_, settings_.trying_ms);
}

void RelayTransaction::respond(int status, std::string response) {
  // RFC 6026 7.1: in Accepted further 2xx of forks and of retransmissions go through, nothing else does.
  if (server_state_ == ServerState::accepted) {
    if (status >= 200 && status < 300) server_hop_->send(std::move(response));
    return;
  }
  if (has_final()) return;
  server_retransmit_timer_.cancel();  // of promise_response()
  const bool reliable = server_hop_->is_reliable();
  const bool accepts = method_ == Method::invite && status >= 200 && status < 300;
  if (!accepts && (!reliable || method_ == Method::invite)) last_response_ = response;
  server_hop_->send(std::move(response));
  if (status < 200) {
    server_state_ = ServerState::proceeding;
    return;
  }
  if (accepts) {
    server_state_ = ServerState::accepted;
    wheel_.arm(server_expire_timer_, settings_.transaction_ms());  // timer L
    // Nothing is repeated or cancelled any more, and thousands of answered calls stay here for half a minute.
    for (std::string* text : {&request_, &last_response_, &forwarded_}) std::string().swap(*text);
    return;
  }
  server_state_ = ServerState::completed;
  if (method_ == Method::invite) {
    wheel_.arm(server_expire_timer_, settings_.transaction_ms());  // timer H
    if (!reliable) {
      server_interval_ms_ = settings_.t1_ms;
      wheel_.arm(server_retransmit_timer_, server_interval_ms_);  // timer G
    }
    return;
  }
  if (reliable) {
    end_server();  // timer J is zero
  } else {
    wheel_.arm(server_expire_timer_, settings_.transaction_ms());
  }
}

void RelayTransaction::on_request_again() {
  if (server_state_ == ServerState::accepted || server_state_ == ServerState::confirmed) return;
  if (!last_response_.empty()) server_hop_->send(last_response_);
  else if (server_retransmit_timer_.is_armed()) owner_.on_trying_due(*this);
}

void RelayTransaction::on_ack() {
  if (server_state_ != ServerState::completed || method_ != Method::invite) return;
  server_retransmit_timer_.cancel();
  server_state_ = ServerState::confirmed;
  if (server_hop_->is_reliable()) {
    end_server();
  } else {
    wheel_.arm(server_expire_timer_, settings_.t4_ms);  // timer I
  }
}

void RelayTransaction::server_retransmit() {
  if (!has_final()) return owner_.on_trying_due(*this);
  server_hop_->send(last_response_);
  server_interval_ms_ = std::min(server_interval_ms_ * 2, settings_.t2_ms);
  wheel_.arm(server_retransmit_timer_, server_interval_ms_);
}

void RelayTransaction::server_expire() { end_server(); }

void RelayTransaction::end_server() {
  server_retransmit_timer_.cancel();
  server_expire_timer_.cancel();
  server_state_ = ServerState::terminated;
  finish_if_over();
}

// ---- client side -------------------------------------------------------------------------------------------------

bool RelayTransaction::forward(std::shared_ptr<Hop> hop, std::string forwarded) {
  client_retransmit_timer_.cancel();
  client_hop_ = hop;
  // A client hop counts its transactions upwards only: it is a hint that a search is worth while, not a sum.
  ++hop->transactions;
  client_hop_id_ = hop->id;
  client_state_ = ClientState::calling;
  ++attempts;
  const bool keep = method_ == Method::invite || !hop->is_reliable();
  if (keep) forwarded_ = forwarded;
  if (!hop->send(std::move(forwarded))) {
    client_state_ = ClientState::idle;
    return false;
  }
  if (!hop->is_reliable()) {
    client_interval_ms_ = settings_.t1_ms;
    wheel_.arm(client_retransmit_timer_, client_interval_ms_);  // timers A, E
  }
  wheel_.arm(client_expire_timer_, settings_.transaction_ms());  // timers B, F
  return true;
}

bool RelayTransaction::on_response(const Message& response) {
  const int status = response.status();
  if (client_state_ == ClientState::completed) {
    if (method_ == Method::invite && status >= 300) send_ack(response);
    return false;
  }
  if (client_state_ == ClientState::accepted) return status >= 200 && status < 300;
  if (client_state_ == ClientState::terminated || client_state_ == ClientState::idle) return false;
  if (status < 200) {
    client_state_ = ClientState::proceeding;
    if (method_ == Method::invite) {
      client_retransmit_timer_.cancel();
      if (!cancel_sent_) wheel_.arm(client_expire_timer_, settings_.timer_c_ms);
      if (cancel_wanted_ && !cancel_sent_) send_cancel();
    } else if (client_retransmit_timer_.is_armed()) {
      client_interval_ms_ = settings_.t2_ms;
      wheel_.arm(client_retransmit_timer_, client_interval_ms_);
    }
    return status != 100;
  }
  client_retransmit_timer_.cancel();
  const std::shared_ptr<Hop> hop = client_hop_.lock();
  const bool reliable = hop == nullptr || hop->is_reliable();
  if (method_ == Method::invite && status < 300) {
    client_state_ = ClientState::accepted;
    wheel_.arm(client_expire_timer_, settings_.transaction_ms());  // timer M
    return true;
  }
  if (method_ == Method::invite) send_ack(response);
  client_state_ = ClientState::completed;
  if (reliable) {
    // Timers D and K are zero. The owner still has the response in hand, so only the state moves here.
    client_expire_timer_.cancel();
    client_state_ = ClientState::terminated;
  } else {
    wheel_.arm(client_expire_timer_, method_ == Method::invite ? 32'000 : settings_.t4_ms);
  }
  return true;
}

void RelayTransaction::client_retransmit() {
  const std::shared_ptr<Hop> hop = client_hop_.lock();
  if (hop == nullptr) return;
  hop->send(forwarded_);
  client_interval_ms_ *= 2;
  if (method_ != Method::invite) client_interval_ms_ = std::min(client_interval_ms_, settings_.t2_ms);
  wheel_.arm(client_retransmit_timer_, client_interval_ms_);
}

void RelayTransaction::client_expire() {
  if (client_state_ == ClientState::calling) {
    fail_client(ClientFailure::timeout);
  } else if (client_state_ == ClientState::proceeding) {
    // Timer C: RFC 3261 16.8 cancels first and gives the callee 64*T1 to answer it.
    if (method_ == Method::invite && !cancel_sent_) {
      cancel_wanted_ = true;
      send_cancel();
    } else {
      fail_client(ClientFailure::timeout);
    }
  } else {
    end_client();
  }
}

void RelayTransaction::fail_client(ClientFailure failure) {
  client_retransmit_timer_.cancel();
  client_expire_timer_.cancel();
  client_state_ = ClientState::idle;
  if (!has_final()) owner_.on_client_failure(*this, failure);
  finish_if_over();
}

void RelayTransaction::on_hop_lost(uint64_t hop_id) {
  if (hop_id == client_hop_id_ && (client_state_ == ClientState::calling || client_state_ == ClientState::proceeding)) {
    fail_client(ClientFailure::hop_lost);
    return;
  }
  // The sender is gone: nobody waits for the answer. A callee that rings is stopped.
  if (server_hop_->id == hop_id && !has_final()) {
    if (method_ == Method::invite) cancel();
    server_state_ = ServerState::completed;
    end_server();
  }
}

void RelayTransaction::on_hop_silent(uint64_t hop_id) {
  if (hop_id == client_hop_id_ && client_state_ == ClientState::calling) fail_client(ClientFailure::hop_lost);
}

void RelayTransaction::cancel() {
  if (cancel_wanted_ || method_ != Method::invite) return;
  cancel_wanted_ = true;
  // RFC 3261 9.1: CANCEL may go only after a provisional response.
  if (client_state_ == ClientState::proceeding) send_cancel();
}

void RelayTransaction::send_cancel() {
  cancel_sent_ = true;
  wheel_.arm(client_expire_timer_, settings_.transaction_ms());
  const std::shared_ptr<Hop> hop = client_hop_.lock();
  Message sent;
  if (hop == nullptr || !sip::parse(forwarded_, sent).ok()) return;
  std::string text;
  sip::write_cancel(sent, text);
  hop->send(std::move(text));
}

void RelayTransaction::send_ack(const Message& response) {
  const std::shared_ptr<Hop> hop = client_hop_.lock();
  Message sent;
  if (hop == nullptr || !sip::parse(forwarded_, sent).ok()) return;
  std::string text;
  sip::write_ack(sent, response, text);
  hop->send(std::move(text));
}

void RelayTransaction::end_client() {
  client_retransmit_timer_.cancel();
  client_expire_timer_.cancel();
  client_state_ = ClientState::terminated;
  finish_if_over();
}

void RelayTransaction::finish_if_over() {
  if (!is_over() || ended_reported_) return;
  ended_reported_ = true;
  owner_.on_terminated(*this);
}

}  // namespace sallyport::proxy
