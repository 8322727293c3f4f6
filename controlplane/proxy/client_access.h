// SPDX-License-Identifier: Apache-2.0
#pragma once
// ClientAccess: E's public SIP side: what becomes of a connection on 5061. Each TLS connection is a flow in the sense of
// RFC 5626: it lives while it is registered and kept alive; one that never registers is closed soon. One thread.

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/proxy/edge_router.h"
#include "controlplane/proxy/proxy.h"
#include "controlplane/proxy/stream_hop.h"
#include "controlplane/tls/connection_keeper.h"

namespace sallyport::proxy {

struct ClientAccessSettings {
  std::string via_head;               // our Via towards clients
  uint32_t unregistered_idle_ms = 32'000;
  sip::FramerLimits limits;
};

class ClientAccess final : public MessageSink {
 public:
  ClientAccess(ClientAccessSettings settings, boost::asio::io_context& io, Proxy& proxy, EdgeRouter& router);

  void on_stream(uint64_t hop_id, tls::StreamPtr stream);
  // `client` is one of flows().
  void on_registered(Hop& client, uint32_t granted_s, uint32_t flow_timer_s);
  // Towards another process: no flow is read any more; has_stilled() once every one can be given away. give() gives those that can.
  void hold_all();
  bool has_stilled() const;
  struct KeptFlow {
    int fd = -1;  // of the keeper, for the plain bytes
    uint64_t hop_id = 0;
    tls::SocketAddress local, remote;
  };
  std::vector<KeptFlow> give(tls::ConnectionKeeper& keeper);
  // Of a flow that was taken over: it may be silent as long as it could before.
  void on_restored(const Registration& known, uint32_t flow_timer_s, uint64_t now_ms);
  size_t flows() const { return flows_.size(); }
  // SIGTERM: no new flows; those that idle longest end by themselves, the rest when the process does.
  void close_all(std::string_view reason);

 private:
  void on_message(const std::shared_ptr<Hop>& hop, std::string_view text) override { proxy_.on_message(hop, text); }
  void on_refused(const std::shared_ptr<Hop>& hop, std::string_view head, const sip::Verdict& verdict) override {
    proxy_.on_refused(hop, head, verdict);
  }
  void on_closed(const std::shared_ptr<Hop>& hop, std::string_view reason) override;

  const ClientAccessSettings settings_;
  boost::asio::io_context& io_;
  Proxy& proxy_;
  EdgeRouter& router_;
  std::unordered_map<uint64_t, std::shared_ptr<StreamHop>> flows_;
};

}  // namespace sallyport::proxy
