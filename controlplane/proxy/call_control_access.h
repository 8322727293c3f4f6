// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallControlAccess: C's way to the call control nodes: one UDP socket, and a TCP or TLS connection to each node that wants
// one, made anew when it breaks; OPTIONS to each node tells whether it is up. Messages from addresses that are no call control
// node are refused. One thread; run() is a coroutine that ends with stop().

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/dns/resolver.h"
#include "controlplane/proxy/call_control.h"
#include "controlplane/proxy/proxy.h"
#include "controlplane/proxy/stream_hop.h"
#include "controlplane/tls/dial.h"
#include "controlplane/tls/listener.h"
#include "controlplane/tls/udp_socket.h"

namespace sallyport::proxy {

struct CallControlAccessSettings {
  tls::SocketAddress local;     // address and SIP port of C's inner face, UDP and TCP
  std::string inner_host;       // as in Via, Contact, Path
  std::string agent;
  uint32_t probe_interval_ms = 30'000;
  uint32_t probe_interval_down_ms = 5'000;
  uint32_t probe_patience_ms = 4'000;  // no answer to OPTIONS for so long: down
  std::shared_ptr<tls::TlsPolicy> tls;         // towards nodes with transport tls
  std::shared_ptr<tls::TlsPolicy> server_tls;  // for what such nodes open to us, on the port after local's; none: no such node
  sip::FramerLimits limits;
};

class CallControlAccess final : public MessageSink {
 public:
  CallControlAccess(CallControlAccessSettings settings, tls::StreamEngine& engine, dns::Resolver& resolver, Proxy& proxy,
                    CallControl& nodes, std::function<uint64_t()> next_hop_id, std::function<uint64_t()> now_ms);

  Outcome<> open();
  void stop();
  // For the next control plane: connections wait in its sockets' queues; datagrams are received here until this process ends.
  void release_sockets(std::vector<int>& sockets);
  // A request found the node dead: probe now instead of at the next interval.
  void suspect(CallControlNode& node);
  std::function<void(const std::string& line)> log;
  uint64_t refused_sources() const { return refused_sources_; }

 private:
  boost::asio::awaitable<void> receive_datagrams();
  boost::asio::awaitable<void> watch(size_t index);
  boost::asio::awaitable<void> serve(std::shared_ptr<StreamHop> hop);
  boost::asio::awaitable<void> connect_node(size_t index);
  boost::asio::awaitable<bool> ask_options(size_t index);
  Outcome<std::unique_ptr<tls::Listener>> listen(std::shared_ptr<tls::TlsPolicy> policy);
  void on_stream(tls::StreamPtr stream);
  void set_state(CallControlNode& node, bool is_down, std::string text);
  std::string via_head(Transport transport) const;

  void on_message(const std::shared_ptr<Hop>& hop, std::string_view text) override { proxy_.on_message(hop, text); }
  void on_refused(const std::shared_ptr<Hop>& hop, std::string_view head, const sip::Verdict& verdict) override {
    proxy_.on_refused(hop, head, verdict);
  }
  void on_closed(const std::shared_ptr<Hop>& hop, std::string_view reason) override;

  const CallControlAccessSettings settings_;
  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  Proxy& proxy_;
  CallControl& nodes_;
  std::function<uint64_t()> next_hop_id_;
  std::function<uint64_t()> now_ms_;
  std::unique_ptr<tls::UdpSocket> udp_;
  std::unique_ptr<tls::Listener> listener_, tls_listener_;
  std::vector<std::unique_ptr<boost::asio::steady_timer>> timers_;  // one a node; cancelled to probe at once
  uint32_t cseq_ = 0;
  uint64_t refused_sources_ = 0;
  bool stopped_ = false;
};

}  // namespace sallyport::proxy
