// SPDX-License-Identifier: Apache-2.0
#pragma once
// TraversalClient: C's connection to one E peer of a UC traversal zone: resolve, connect, TLS with SAN check, digest, then
// OPTIONS as keep-alive; after a failure again with capped, jittered back-off. run() is one coroutine that lives as long as
// the zone has the peer; stop() ends it. A peer that refuses says why in a Warning, or by a TLS alert. One thread. No clock of the other side is compared. Requirements A16 to A31.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/dns/resolver.h"
#include "controlplane/proxy/proxy.h"
#include "controlplane/proxy/stream_hop.h"
#include "controlplane/tls/dial.h"
#include "controlplane/zones/options_request.h"
#include "controlplane/zones/traversal_peer.h"

namespace sallyport::zones {

struct TraversalClientSettings {
  std::string zone;
  std::string peer;             // FQDN of E; an IP address works only with an iPAddress SAN and gives a warning (A30)
  uint16_t port = 7001;
  std::string username, password;
  std::string own_host;         // node FQDN, in Contact: E returns dialogs to it
  std::string via_head;
  tls::SocketAddress local;     // address to bind; unset: the kernel chooses
  uint16_t local_port_low = 25000, local_port_high = 29999;
  uint32_t keepalive_ms = 30'000;
  uint32_t answer_ms = 10'000;  // for the answers to OPTIONS that authenticate
  uint32_t backoff_min_ms = 500, backoff_max_ms = 30'000;
  sip::FramerLimits limits;
};

class TraversalClient final : public proxy::MessageSink, public std::enable_shared_from_this<TraversalClient> {
 public:
  TraversalClient(TraversalClientSettings settings, tls::StreamEngine& engine, dns::Resolver& resolver,
                  std::shared_ptr<tls::TlsPolicy> policy, proxy::TimerWheel& wheel, proxy::Proxy& proxy, std::function<uint64_t()> next_hop_id);

  static boost::asio::awaitable<void> run(std::shared_ptr<TraversalClient> self);
  void stop();
  // For connections from now on; one that waits after a failure is tried at once.
  void use_tls(std::shared_ptr<tls::TlsPolicy> policy);

  std::function<void(uint64_t link_id, const std::shared_ptr<proxy::Hop>&, const LinkOffer&)> on_active;
  std::function<void(uint64_t link_id, const std::shared_ptr<proxy::Hop>&)> on_lost;
  std::function<void(const PeerStatus&)> on_state;  // at each change
  std::function<void(const std::string& line)> log;

  const PeerStatus& status() const { return status_; }
  const TraversalClientSettings& settings() const { return settings_; }
  tls::StreamEngine& engine() { return engine_; }
  dns::Resolver& resolver() { return resolver_; }
  uint64_t link_id() const { return link_id_; }
  // How connections of this peer are made; the layered test uses the same.
  tls::ConnectOptions connect_options() const;

 private:
  void on_message(const std::shared_ptr<proxy::Hop>& hop, std::string_view text) override { proxy_.on_message(hop, text); }
  void on_refused(const std::shared_ptr<proxy::Hop>& hop, std::string_view head, const sip::Verdict& verdict) override {
    proxy_.on_refused(hop, head, verdict);
  }
  void on_closed(const std::shared_ptr<proxy::Hop>& hop, std::string_view reason) override;
  void enter(PeerState state, std::string reason = {});
  boost::asio::awaitable<bool> connect_once();
  boost::asio::awaitable<void> keep_alive();
  boost::asio::awaitable<void> wait(uint32_t delay_ms);
  void send_options(const std::string& authorization);
  void on_options_answer(const sip::Message& response, bool was_authorised);
  void on_refused_by_peer(const sip::Message& response);
  void fail(std::string reason);
  void let_go(std::string_view reason);
  OptionsWish options_wish() const;

  TraversalClientSettings settings_;
  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  std::shared_ptr<tls::TlsPolicy> policy_;
  proxy::TimerWheel& wheel_;
  proxy::Proxy& proxy_;
  std::function<uint64_t()> next_hop_id_;
  const uint64_t link_id_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<proxy::StreamHop> hop_;
  PeerStatus status_;
  std::string last_logged_;
  uint32_t failures_in_row_ = 0;
  uint32_t cseq_ = 0;
  bool options_pending_ = false;
  bool waits_on_link_ = false;  // keep_alive() waits: the end of the connection wakes it, and never cuts a back-off short
  bool stopped_ = false;
};

}  // namespace sallyport::zones
