// SPDX-License-Identifier: Apache-2.0
#pragma once
// MultiplexClient: one connection of C's stream multiplex to one E peer of a UC traversal zone: dial, TLS 1.3 with SAN check, then E's challenge is answered
// with the zone's user and password, and the facts of both are exchanged; after a failure again with capped, jittered back-off. run() is
// one coroutine that lives as long as the zone has the peer; stop() ends it. One thread. Requirements A16 to A31 for port 2222.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/dns/resolver.h"
#include "controlplane/multiplex/session.h"
#include "controlplane/proxy/timer_wheel.h"
#include "controlplane/tls/dial.h"
#include "controlplane/zones/peer_facts.h"
#include "controlplane/zones/traversal_peer.h"

namespace sallyport::zones {

struct MultiplexClientSettings {
  std::string zone;
  std::string peer;  // FQDN of E
  uint16_t port = 2222;
  uint32_t number = 1;  // among the connections to this peer
  std::string username, password;
  tls::SocketAddress local;
  uint16_t local_port_low = 0, local_port_high = 0;
  uint32_t backoff_min_ms = 500, backoff_max_ms = 30'000;
  std::chrono::milliseconds retire_deadline{30'000};
  multiplex::SessionSettings session;
};

class MultiplexClient final : public std::enable_shared_from_this<MultiplexClient> {
 public:
  MultiplexClient(MultiplexClientSettings settings, tls::StreamEngine& engine, dns::Resolver& resolver, std::shared_ptr<tls::TlsPolicy> policy,
                  proxy::TimerWheel& wheel);

  static boost::asio::awaitable<void> run(std::shared_ptr<MultiplexClient> self);
  void stop();
  // For connections from now on; one that waits after a failure is tried at once.
  void use_tls(std::shared_ptr<tls::TlsPolicy> policy);
  // Running channels go on for a while, new ones find another connection; it does not dial again.
  void retire(std::string_view reason);
  bool is_retired() const { return stopped_; }
  bool has_ended() const { return stopped_ && session_ == nullptr; }  // and so is of no use any more

  multiplex::Session::OnChannel on_channel;  // what E opens beside authentication and facts; none: refused
  std::function<void(const std::string& line)> log;
  std::function<int64_t()> clock = unix_time_s;  // told with the facts

  void set_facts(PeerFacts facts);
  const PeerFacts& peer_facts() const { return peer_facts_; }
  const PeerStatus& status() const { return status_; }
  const MultiplexClientSettings& settings() const { return settings_; }
  const multiplex::Session* session() const { return session_.get(); }  // null: not connected
  multiplex::Session* session() { return session_.get(); }

 private:
  boost::asio::awaitable<bool> connect_once();
  boost::asio::awaitable<void> wait(uint32_t delay_ms);
  void on_opening(const multiplex::ChannelPtr& channel);
  void authenticate(const multiplex::ChannelPtr& channel);
  std::string name() const;  // in log lines
  static boost::asio::awaitable<void> read_facts(std::shared_ptr<MultiplexClient> self, multiplex::ChannelPtr channel);
  void enter(PeerState state, std::string reason = {});
  void fail(std::string reason);
  void on_end(const std::string& reason);

  MultiplexClientSettings settings_;
  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  std::shared_ptr<tls::TlsPolicy> policy_;
  proxy::TimerWheel& wheel_;
  boost::asio::steady_timer timer_;
  multiplex::SessionPtr session_;
  multiplex::ChannelPtr facts_channel_;
  PeerFacts own_facts_, peer_facts_;
  PeerStatus status_;
  std::string last_logged_;
  uint32_t failures_in_row_ = 0;
  bool stopped_ = false;  // no new connection
};

}  // namespace sallyport::zones
