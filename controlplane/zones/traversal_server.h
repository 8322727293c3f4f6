// SPDX-License-Identifier: Apache-2.0
#pragma once
// TraversalServer: E's end of one UC traversal zone. It listens for C (TLS with a client certificate whose SAN names the zone's
// TLS verify subject), challenges its first OPTIONS by digest (SHA-256 and MD5, local credential database) and only then takes
// SIP from it. It never opens a connection. One thread. Requirements A16 to A28.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "controlplane/proxy/proxy.h"
#include "controlplane/proxy/stream_hop.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/nonce.h"
#include "controlplane/tls/listener.h"
#include "controlplane/zones/traversal_peer.h"

namespace sallyport::zones {

struct TraversalServerSettings {
  std::string zone;
  std::string realm;              // of the challenge: the zone's name
  std::string username;           // the only one this zone takes
  std::string via_head;           // our Via towards C
  uint32_t authentication_ms = 15'000;  // a connection that has not authenticated by then is closed
  uint32_t idle_ms = 90'000;      // three of C's keep-alives
  sip::FramerLimits limits;
};

struct TraversalServerCounters {
  uint64_t challenged = 0, authenticated = 0, wrong_credential = 0, unknown_user = 0, not_authenticated = 0, stale = 0;
};

class TraversalServer final : public proxy::MessageSink {
 public:
  // HA1 of a user of the local credential database, by algorithm; empty when there is none.
  using FindHa1 = std::function<std::string(std::string_view username, sip::DigestAlgorithm)>;

  TraversalServer(TraversalServerSettings settings, proxy::TimerWheel& wheel, proxy::Proxy& proxy, FindHa1 find_ha1);

  void on_stream(uint64_t hop_id, tls::StreamPtr stream, boost::asio::io_context& io);
  void on_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure);
  // OPTIONS of the zone, and everything before authentication: true when the request was answered here.
  bool take(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);

  std::function<Outcome<LinkOffer>(const std::string& peer_host)> offer_link;
  std::function<void(const std::shared_ptr<proxy::Hop>&, const std::string& peer_host)> on_active;
  std::function<void(const std::shared_ptr<proxy::Hop>&, const std::string& peer_host)> on_lost;
  std::function<void(const std::string& line)> log;

  std::vector<PeerStatus> status() const;
  const TraversalServerCounters& counters() const { return counters_; }
  const TraversalServerSettings& settings() const { return settings_; }
  bool owns(uint64_t hop_id) const { return peers_.contains(hop_id); }
  // The zone's credential or names changed: connections live on, the next authentication uses the new ones.
  void configure(TraversalServerSettings settings) { settings_ = std::move(settings); }
  void close_all(std::string_view reason);

 private:
  struct Peer {
    std::shared_ptr<proxy::StreamHop> hop;
    PeerStatus status;
    bool is_authenticated = false;
  };
  void on_message(const std::shared_ptr<proxy::Hop>& hop, std::string_view text) override { proxy_.on_message(hop, text); }
  void on_refused(const std::shared_ptr<proxy::Hop>& hop, std::string_view head, const sip::Verdict& verdict) override {
    proxy_.on_refused(hop, head, verdict);
  }
  void on_closed(const std::shared_ptr<proxy::Hop>& hop, std::string_view reason) override;
  void challenge(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop, bool stale);
  void authenticate(Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);
  void admit(Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);
  void remember_failure(PeerStatus status);
  uint64_t now_us() const;

  TraversalServerSettings settings_;
  proxy::TimerWheel& wheel_;
  proxy::Proxy& proxy_;
  FindHa1 find_ha1_;
  sip::Nonces nonces_;
  std::map<uint64_t, Peer> peers_;       // by hop id
  std::vector<PeerStatus> failures_;     // the last few that did not get in, newest last
  TraversalServerCounters counters_;
};

}  // namespace sallyport::zones
