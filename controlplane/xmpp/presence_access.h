// SPDX-License-Identifier: Apache-2.0
#pragma once
// PresenceAccess: C's side of clients' XMPP streams. For each channel that E opens it dials a presence server of the domain (the lowest
// priority first, a failing one is passed over for a while), turns the connection to TLS with SAN check, and only then takes the channel:
// E hears otherwise why not. Nodes that nobody uses are reached now and then, so that it is known what they are worth. Then bytes pass in both directions, but for the features, which are shown without what cannot hold through a
// TLS that ends at E (features_filter.h). One thread, the engine's; close_all() first.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/dns/resolver.h"
#include "controlplane/multiplex/channel.h"
#include "controlplane/tls/dial.h"

namespace sallyport::xmpp {

struct PresenceNode {
  std::string name, host;
  uint16_t port = 5222;        // 0: host is looked up by SRV
  bool is_direct_tls = false;  // XEP-0368; else STARTTLS
  uint32_t priority = 10;
  std::vector<std::string> domains;  // lower case
};

struct PresenceNodeView {
  PresenceNode node;
  bool is_failing = false;
  std::string text;  // of the last attempt
  uint64_t streams = 0, connects = 0, failures = 0;  // connects: probes too
  std::chrono::system_clock::time_point changed{};   // failing or not
};

struct PresenceStreamView {
  std::string id;  // the same on E
  std::string domain, node, source, tls;
  bool is_established = false;  // authenticated
  int64_t since_ms = 0;         // age
  uint64_t from_client_bytes = 0, to_client_bytes = 0;
};

struct PresenceCounters {
  uint64_t accepted = 0, authenticated = 0, refused_domain = 0, refused_unreachable = 0, ended = 0, mechanisms_hidden = 0;
};

class PresenceAccess {
 public:
  PresenceAccess(std::vector<PresenceNode> nodes, tls::StreamEngine& engine, dns::Resolver& resolver, std::shared_ptr<tls::TlsPolicy> policy, std::shared_ptr<tls::TlsPolicy> direct_policy, tls::ConnectOptions dialling);
  ~PresenceAccess();

  void on_channel(const multiplex::ChannelPtr& channel);  // of client_purpose
  // For this node's own use: a stream to the server of that name, TLS up, with nothing said in it.
  boost::asio::awaitable<Outcome<tls::StreamPtr>> connect(std::string server, std::string domain);
  // Once: nodes that were not reached for so long are dialled, up to TLS and no further.
  void watch_nodes(std::chrono::milliseconds interval);
  void close_all(std::string_view reason);
  std::vector<std::string> domains() const;  // that some node serves

  std::vector<PresenceNodeView> nodes() const;
  bool is_unserved(const PresenceNode& node) const;  // some domain of it has no server that answers
  std::vector<PresenceStreamView> streams(size_t limit) const;
  size_t count() const { return links_.size(); }
  size_t established() const { return established_; }
  const PresenceCounters& counters() const { return counters_; }
  std::function<void(const std::string& line)> log;

 private:
  struct Node;
  struct Link;
  using NodePtr = std::shared_ptr<Node>;
  using LinkPtr = std::shared_ptr<Link>;
  boost::asio::awaitable<void> serve(LinkPtr link);
  boost::asio::awaitable<Outcome<tls::StreamPtr>> reach(std::string domain, NodePtr node);
  boost::asio::awaitable<Outcome<tls::StreamPtr>> reach_at(std::string domain, NodePtr node, std::string host, uint16_t port);
  boost::asio::awaitable<Outcome<>> start_tls(std::string domain, NodePtr node, tls::StreamPtr stream);
  boost::asio::awaitable<void> probe(std::chrono::milliseconds interval);
  void note(Node& node, const Outcome<tls::StreamPtr>& reached);
  boost::asio::awaitable<void> relay_up(LinkPtr link);
  boost::asio::awaitable<void> relay_down(LinkPtr link);
  std::vector<NodePtr> candidates(const std::string& domain) const;
  Outcome<std::string> take_down(Link& link, std::string_view run);
  void end(Link& link, std::string_view reason);

  std::vector<NodePtr> nodes_;
  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  std::shared_ptr<tls::TlsPolicy> policy_, direct_policy_;
  const tls::ConnectOptions dialling_;
  std::list<LinkPtr> links_;
  size_t established_ = 0;
  boost::asio::steady_timer probe_timer_;
  const std::shared_ptr<bool> is_over_ = std::make_shared<bool>(false);
  PresenceCounters counters_;
};

}  // namespace sallyport::xmpp
