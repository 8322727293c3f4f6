// SPDX-License-Identifier: Apache-2.0
// How a node ends: drained, or with a successor over exec() that takes its sockets and the phones' connections (node/handover.h).
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "controlplane/node/node.h"

namespace sallyport::node {

namespace {

constexpr auto drain_look_interval = std::chrono::milliseconds(200);
constexpr auto quiet_look_interval = std::chrono::milliseconds(20);
constexpr auto still_look_interval = std::chrono::milliseconds(2);
constexpr auto still_patience = std::chrono::milliseconds(200);

}  // namespace

void Node::drain(std::chrono::milliseconds deadline, std::function<void()> done) {
  if (client_listener_ != nullptr) client_listener_->stop_accepting();
  for (const auto& listener : zone_listeners_) listener->stop_accepting();
  for (const auto& listener : xmpp_listeners_) listener->stop_accepting();
  if (multiplex_listener_ != nullptr) multiplex_listener_->stop_accepting();
  if (onboarding_listener_ != nullptr) onboarding_listener_->stop_accepting();
  // Clients that are told so come back to another node and resume there (XEP-0198).
  if (client_streams_ != nullptr) client_streams_->close_all("this node is drained");
  if (multiplex_server_ != nullptr) multiplex_server_->retire("the node is drained", deadline);
  for (const auto& client : multiplex_clients_) client->retire("the node is drained");
  proxy_->refuse_new_calls();
  drained_ = std::move(done);
  watch_drain(std::chrono::steady_clock::now() + deadline);
}

void Node::watch_drain(std::chrono::steady_clock::time_point end) {
  if (calls_.running() == 0 || std::chrono::steady_clock::now() >= end) {
    if (drained_) std::exchange(drained_, nullptr)();
    return;
  }
  drain_timer_.expires_after(drain_look_interval);
  drain_timer_.async_wait([this, end](const boost::system::error_code& error) {
    if (!error) watch_drain(end);
  });
}

std::vector<int> Node::hand_over(std::chrono::milliseconds deadline, std::function<void()> done) {
  std::vector<int> sockets;
  if (client_listener_ != nullptr) sockets.push_back(client_listener_->release_socket());
  for (const auto& listener : zone_listeners_) sockets.push_back(listener->release_socket());
  for (const auto& listener : xmpp_listeners_) sockets.push_back(listener->release_socket());
  if (multiplex_listener_ != nullptr) sockets.push_back(multiplex_listener_->release_socket());
  // The successor opens it anew when C has told its facts again.
  if (onboarding_listener_ != nullptr) onboarding_listener_->stop_accepting();
  if (call_control_access_ != nullptr) call_control_access_->release_sockets(sockets);
  std::erase(sockets, -1);
  proxy_->refuse_new_calls();
  drained_ = std::move(done);
  watch_quiet(std::chrono::steady_clock::now() + deadline);
  return sockets;
}

bool Node::is_quiet() const {
  uint32_t handshakes = client_listener_ == nullptr ? 0 : client_listener_->handshakes_running();
  for (const auto& listener : zone_listeners_) handshakes += listener->handshakes_running();
  return handshakes == 0 && proxy_->transactions() == 0;
}

void Node::watch_quiet(std::chrono::steady_clock::time_point end) {
  drain_timer_.expires_after(quiet_look_interval);
  drain_timer_.async_wait([this, end](const boost::system::error_code& error) {
    if (error) return;
    if (!is_quiet() && std::chrono::steady_clock::now() < end) return watch_quiet(end);
    if (clients_ != nullptr) clients_->hold_all();
    if (client_streams_ != nullptr) client_streams_->close_all("this node is upgraded; come back at once");
    watch_still(std::chrono::steady_clock::now() + still_patience);
  });
}

void Node::watch_still(std::chrono::steady_clock::time_point end) {
  drain_timer_.expires_after(still_look_interval);
  drain_timer_.async_wait([this, end](const boost::system::error_code& error) {
    if (error) return;
    if (clients_ != nullptr && !clients_->has_stilled() && std::chrono::steady_clock::now() < end) return watch_still(end);
    if (drained_) std::exchange(drained_, nullptr)();
  });
}

void Node::give_flows(tls::ConnectionKeeper& keeper, Handover& handover) {
  if (clients_ == nullptr) return;
  handover.registrations = registrations_.list(wheel_.now_ms());
  handover.flows = clients_->give(keeper);
  log_(fmt::format("handover: {} connections of phones go on", handover.flows.size()));
}

void Node::take_flows(const Handover& handover) {
  for (const proxy::ClientAccess::KeptFlow& flow : handover.flows) {
    if (clients_ == nullptr) {
      ::close(flow.fd);
      continue;
    }
    auto stream = engine_->adopt(flow.fd);
    if (!stream) continue;  // closed: the phone connects anew
    (*stream)->stand_in(flow.local, flow.remote);
    clients_->on_stream(flow.hop_id, *stream);
  }
  for (const proxy::Registration& known : handover.registrations) {
    registrations_.restore(known, wheel_.now_ms());
    if (clients_ != nullptr) clients_->on_restored(known, config_.sip.flow_timer_s, wheel_.now_ms());
  }
}

}  // namespace sallyport::node
