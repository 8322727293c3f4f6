// SPDX-License-Identifier: Apache-2.0
#pragma once
// Dns01Rfc2136: proves a name by DNS, wildcards too: adds the TXT record by dynamic update (RFC 2136) signed with TSIG, then waits
// until every authoritative server of the zone answers with it. A CNAME at _acme-challenge.NAME is followed, so that the record may
// live in a zone of its own. It removes exactly what it added. On the engine's thread.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/acme/challenge.h"
#include "controlplane/acme/tsig.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/tls/connect.h"

namespace sallyport::acme {

struct Dns01Rfc2136Options {
  tls::SocketAddress server;  // the primary: takes updates, knows the zone
  TsigKey key;
  std::string zone;           // empty: asked of the server
  std::string alias;          // where _acme-challenge.NAME points by CNAME, if the server does not know; empty: it does
  std::vector<tls::SocketAddress> check_servers;  // that must show the record; empty: those the zone's NS records name
  uint16_t check_port = 53;   // of the servers that NS records name
  uint32_t ttl_s = 60;
  std::chrono::milliseconds question_deadline{5000};
  std::chrono::milliseconds propagation{180000};  // for all servers to show it
  std::chrono::milliseconds look_again{2000};
};

class Dns01Rfc2136 final : public Solver {
 public:
  Dns01Rfc2136(tls::StreamEngine& engine, dns::Resolver& resolver, Dns01Rfc2136Options options);
  ChallengeKind kind() const override { return ChallengeKind::dns01; }
  boost::asio::awaitable<Outcome<>> present(ChallengeTask task) override;
  boost::asio::awaitable<Outcome<>> cleanup(ChallengeTask task) override;

 private:
  struct NameServer {
    std::string name;
    std::vector<tls::SocketAddress> addresses;  // one that answers is enough
  };
  boost::asio::awaitable<Outcome<DnsMessage>> ask(tls::SocketAddress server, std::string name, DnsType type);
  boost::asio::awaitable<Outcome<std::string>> follow(std::string name);
  boost::asio::awaitable<Outcome<std::string>> find_zone(std::string name);
  boost::asio::awaitable<Outcome<>> update(DnsChange change);
  boost::asio::awaitable<Outcome<std::vector<NameServer>>> name_servers(std::string zone);
  boost::asio::awaitable<Outcome<>> wait_visible(DnsChange change);
  // Empty: it shows the record. Otherwise what it does instead.
  boost::asio::awaitable<std::string> look(const NameServer& server, const DnsChange& change);

  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  Dns01Rfc2136Options options_;
  std::map<std::string, DnsChange> added_;  // by key authorization
};

}  // namespace sallyport::acme
