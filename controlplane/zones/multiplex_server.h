// SPDX-License-Identifier: Apache-2.0
#pragma once
// MultiplexServer: E's end of the stream multiplex, for all zones of the node on one port. The listener's TLS policy has judged chain,
// validity and usage of C's certificate; here its SAN must hold a TLS verify subject name of a zone, then C answers a digest challenge as
// that zone's user, over a channel that E opens. Who fails is told why in GOAWAY, which a TLS alert could not. E opens no connection; other
// parts open their channels by open(). A C may have several connections, up to a limit: it is one peer by the name that it tells, and what
// it tells holds as long as one of them does. One thread. Requirements A16 to A28 for port 2222.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/multiplex/session.h"
#include "controlplane/proxy/timer_wheel.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/nonce.h"
#include "controlplane/tls/listener.h"
#include "controlplane/zones/peer_facts.h"
#include "controlplane/zones/traversal_peer.h"

namespace sallyport::zones {

// What E knows of a zone to judge who comes.
struct MultiplexZone {
  std::string name, username, realm;
  std::vector<std::string> subject_names;  // empty: any name
};

struct MultiplexPeer {
  std::string zone;  // empty: not known yet
  PeerStatus status;
  PeerFacts facts;  // as told over this connection
  uint32_t number = 0;  // among those of its C, by C's word; 0: not told
  multiplex::SessionPtr session;
};

struct MultiplexServerCounters {
  uint64_t authenticated = 0, wrong_name = 0, wrong_credential = 0, no_answer = 0, too_many = 0;
};

class MultiplexServer {
 public:
  using FindZones = std::function<std::vector<MultiplexZone>()>;
  using FindHa1 = std::function<std::string(std::string_view username, sip::DigestAlgorithm)>;

  MultiplexServer(boost::asio::io_context& io, proxy::TimerWheel& wheel, multiplex::SessionSettings settings, FindZones find_zones, FindHa1 find_ha1);

  void on_stream(tls::StreamPtr stream);
  void on_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure);
  // A channel to a C of the zone: over the session with the fewest. Fault: none is active, or it refused.
  boost::asio::awaitable<Outcome<multiplex::ChannelPtr>> open(std::string zone, std::string purpose, std::string name, multiplex::Fields fields,
                                                              multiplex::Weight weight);
  void set_facts(PeerFacts facts);
  void close_zone(const std::string& zone, std::string_view reason);
  void retire(std::string_view reason, std::chrono::milliseconds deadline);
  void close_all(std::string_view reason);

  std::function<void(const std::string& line)> log;
  std::function<int64_t()> clock = unix_time_s;  // told with the facts
  std::function<void()> on_facts;  // a C told its facts; they are in peers()

  // Active ones, and those on their way; then the last few that did not get in, newest last.
  std::vector<MultiplexPeer> peers() const;
  // What the C nodes that are connected told last, over whichever connection: one entry a node.
  struct ToldFacts {
    std::string zone;
    PeerFacts facts;
  };
  std::vector<ToldFacts> facts() const;
  const MultiplexServerCounters& counters() const { return counters_; }

 private:
  struct Connection {
    MultiplexPeer peer;
    multiplex::ChannelPtr facts;
    std::string node;  // C's name, once it is admitted
    bool is_active = false;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  boost::asio::awaitable<void> admit(ConnectionPtr connection);
  boost::asio::awaitable<void> exchange_facts(ConnectionPtr connection);
  std::vector<MultiplexZone> zones_for(const Connection& connection) const;
  Outcome<std::string> judge(const multiplex::Channel& answered, const std::vector<MultiplexZone>& zones, const std::string& realm);
  // Why C may not have this connection beside those that it has; empty: it may.
  std::string judge_number(const Connection& connection, const std::string& node);
  void forget_facts();
  void refuse(Connection& connection, const char* by, std::string reason);
  void remember_failure(MultiplexPeer failed);
  void on_end(const ConnectionPtr& connection, const std::string& reason);
  void take_facts(Connection& connection, std::string_view line);

  boost::asio::io_context& io_;
  proxy::TimerWheel& wheel_;
  const multiplex::SessionSettings settings_;
  FindZones find_zones_;
  FindHa1 find_ha1_;
  sip::Nonces nonces_;
  PeerFacts own_facts_;
  std::map<uint64_t, ConnectionPtr> connections_;  // by stream id
  std::map<std::pair<std::string, std::string>, PeerFacts> told_;  // by zone and node, while a connection of it is open
  std::vector<MultiplexPeer> failures_;
  MultiplexServerCounters counters_;
};

}  // namespace sallyport::zones
