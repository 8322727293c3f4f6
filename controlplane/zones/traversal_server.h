// SPDX-License-Identifier: Apache-2.0
#pragma once
// TraversalServer: E's end of one UC traversal zone. The listener's TLS policy has judged chain, validity and usage of C's
// certificate; here its SAN must hold one of the zone's TLS verify subject names, so that a refusal can tell C which (a TLS alert
// could not). Then the first OPTIONS is challenged by digest (SHA-256 and MD5, local credential database); only then SIP is taken.
// It never opens a connection. One thread. Requirements A16 to A28.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
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
  std::vector<std::string> subject_names;  // one must be in the SAN of C's certificate; the CN never counts (A19, A28)
  std::string agent;              // in Warning
  uint16_t port = 7001;
  std::string via_head;           // our Via towards C
  uint32_t authentication_ms = 15'000;  // a connection that has not authenticated by then is closed
  uint32_t idle_ms = 90'000;      // three keep-alives
  sip::FramerLimits limits;
};

struct TraversalServerCounters {
  uint64_t challenged = 0, authenticated = 0, wrong_credential = 0, unknown_user = 0, not_authenticated = 0, stale = 0, wrong_name = 0, tested = 0;
};

class TraversalServer final : public proxy::MessageSink {
 public:
  // HA1 of a user of the local credential database, by algorithm; empty when there is none.
  using FindHa1 = std::function<std::string(std::string_view username, sip::DigestAlgorithm)>;

  TraversalServer(TraversalServerSettings settings, boost::asio::io_context& io, proxy::TimerWheel& wheel, proxy::Proxy& proxy, FindHa1 find_ha1);

  void on_stream(uint64_t hop_id, tls::StreamPtr stream);
  void on_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure);
  // OPTIONS of the zone, and everything before authentication: true when the request was answered here.
  bool take(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);

  std::function<Outcome<LinkOffer>(const std::string& peer_host)> offer_link;
  std::function<void(const std::shared_ptr<proxy::Hop>&, const std::string& peer_host)> on_active;
  std::function<void(const std::shared_ptr<proxy::Hop>&, const std::string& peer_host)> on_lost;
  std::function<void(const std::string& line)> log;

  // Those connected, after the last few that did not get in.
  std::vector<PeerStatus> status() const;
  const TraversalServerCounters& counters() const { return counters_; }
  const TraversalServerSettings& settings() const { return settings_; }
  bool owns(uint64_t hop_id) const { return peers_.contains(hop_id); }
  bool has_connections() const { return !peers_.empty(); }
  // The zone's credential or names changed: connections live on, the next authentication uses the new ones.
  void configure(TraversalServerSettings settings) { settings_ = std::move(settings); }
  // Asks an active C by OPTIONS over its own connection, since E opens none: the value of media_header, "" when none comes in time.
  boost::asio::awaitable<std::string> ask_media(std::string peer, std::chrono::milliseconds deadline);
  void close_all(std::string_view reason);

 private:
  struct Peer {
    std::shared_ptr<proxy::StreamHop> hop;
    PeerStatus status;
    bool is_authenticated = false;
    std::string refusal;  // of its certificate's names: every request is answered with it
  };
  void on_message(const std::shared_ptr<proxy::Hop>& hop, std::string_view text) override { proxy_.on_message(hop, text); }
  void on_refused(const std::shared_ptr<proxy::Hop>& hop, std::string_view head, const sip::Verdict& verdict) override {
    proxy_.on_refused(hop, head, verdict);
  }
  void on_closed(const std::shared_ptr<proxy::Hop>& hop, std::string_view reason) override;
  void check_names(Peer& peer, const tls::PeerCertificate& certificate);
  void refuse_name(const Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);
  void refuse_credential(const Peer& peer, const sip::DigestCredentials& credentials, bool known, const sip::Message& request,
                         const std::shared_ptr<proxy::Hop>& hop);
  void challenge(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop, bool stale);
  void authenticate(Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);
  void admit(Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop);
  void remember_failure(PeerStatus status);
  uint64_t now_us() const;

  TraversalServerSettings settings_;
  boost::asio::io_context& io_;
  proxy::TimerWheel& wheel_;
  proxy::Proxy& proxy_;
  FindHa1 find_ha1_;
  sip::Nonces nonces_;
  std::map<uint64_t, Peer> peers_;       // by hop id
  std::vector<PeerStatus> failures_;     // the last few that did not get in, newest last
  TraversalServerCounters counters_;
};

}  // namespace sallyport::zones
