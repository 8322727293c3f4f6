// SPDX-License-Identifier: Apache-2.0
// The stream multiplex of a zone: C dials, both certificates and the zone's user are judged, facts cross, and E opens channels.

#include <boost/asio/detached.hpp>

#include "controlplane/zones/multiplex_client.h"
#include "controlplane/zones/multiplex_server.h"
#include "tests/unit/zones/zone_pair.h"

namespace sallyport::zones {
namespace {

using boost::asio::awaitable;

class MultiplexTest : public tls_test::EngineTest {
 public:
  void SetUp() override {
    EngineTest::SetUp();
    names = std::make_unique<dns::NameServer>(context);
    names->add(edge_name, dns::type_a, std::string("\x7f\x00\x00\x01", 4));
    dns::ResolverOptions options;
    options.servers = {names->address()};
    auto made = dns::Resolver::create(context, options);
    ASSERT_TRUE(made);
    resolver = std::move(*made);
    wheel = std::make_unique<proxy::TimerWheel>(context);
    zone.name = settings.zone = "Traversal zone";
    zone.username = settings.username = zone_user;
    zone.realm = zone_realm;
    zone.subject_names = {cluster_name};
    settings.password = zone_password;
    settings.peer = edge_name;
    settings.backoff_min_ms = 20;
    settings.backoff_max_ms = 80;
  }
  void TearDown() override {
    for (const auto& client : clients) client->stop();
    port = nullptr;
    if (server != nullptr) server->close_all("the test is over");
    run_until([&] {
      return (server == nullptr || !has_connections()) && std::all_of(clients.begin(), clients.end(), [](const auto& client) { return client.use_count() == 1; });
    });
    EngineTest::TearDown();
    clients.clear();
    server = nullptr;
    resolver = nullptr;
  }

  bool has_connections() const {
    const auto peers = server->peers();
    return std::any_of(peers.begin(), peers.end(), [](const MultiplexPeer& peer) { return peer.session != nullptr; });
  }

  void start_server(bool tls13_only = true) {
    if (server == nullptr) {
      server = std::make_unique<MultiplexServer>(
          context, *wheel, session_settings, [this] { return std::vector<MultiplexZone>{zone}; },
          [](std::string_view user, sip::DigestAlgorithm algorithm) { return user == zone_user ? sip::digest_ha1(algorithm, user, zone_realm, zone_password) : std::string{}; });
      server->log = [this](const std::string& line) { lines.push_back("E " + line); };
      server->set_facts({"edge", edge_name, "E", "1.0", {"example.com"}});
      edge_credentials = store(certificates.leaf("edge", {.common_name = edge_name, .subject_alt_names = "DNS:edge.example.com"}), trusted());
    }
    tls::ListenerOptions options;
    options.name = "multiplex";
    options.address = *tls::SocketAddress::parse("127.0.0.1", settings.port == 2222 ? 0 : settings.port);
    tls::TlsPolicyOptions policy_options;
    policy_options.tls13_only = tls13_only;
    options.tls = policy(tls::TlsRole::server_verifies_client, edge_credentials, policy_options);
    auto opened = tls::Listener::open(
        *engine, std::move(options), [this](tls::StreamPtr stream) { server->on_stream(std::move(stream)); },
        [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { server->on_handshake_failure(source, failure); });
    ASSERT_TRUE(opened) << opened.fault().text();
    port = std::move(*opened);
    settings.port = port->address().port();
  }

  MultiplexClient& start_client(const std::string& names_of_c = "DNS:c1.inside.example.com,DNS:c-cluster.inside.example.com", const std::string& issuer = "ca") {
    const std::string number = std::to_string(clients.size());
    const auto credentials = store(certificates.leaf("core" + number, {.common_name = core_name, .subject_alt_names = names_of_c}, issuer), trusted());
    MultiplexClientSettings own = settings;
    own.number = static_cast<uint32_t>(clients.size() % 8 + 1);
    auto client = std::make_shared<MultiplexClient>(own, *engine, *resolver, policy(tls::TlsRole::client, credentials), *wheel);
    client->log = [this](const std::string& line) { lines.push_back("C " + line); };
    client->set_facts({"core" + number, node_name.empty() ? "c" + number + ".inside.example.com" : node_name, "C", "1.0", {}});
    clients.push_back(client);
    boost::asio::co_spawn(context, MultiplexClient::run(client), boost::asio::detached);
    return *client;
  }
  void await_state(const MultiplexClient& client, PeerState state) {
    run_until([&] { return client.status().state == state; });
    ASSERT_EQ(client.status().state, state) << client.status().reason;
  }
  std::string last_failure() const {
    const auto peers = server->peers();
    return peers.empty() ? "" : peers.back().status.reason;
  }

  static awaitable<void> echo(multiplex::ChannelPtr channel) {
    for (;;) {
      const auto bytes = co_await channel->receive();
      if (!bytes || bytes->empty()) break;
      channel->send(*bytes);
    }
    channel->finish();
  }
  // C echoes; what comes back of "hello", or why nothing does.
  std::string ask() {
    std::string heard;
    run([](MultiplexTest& test, std::string& answer) -> awaitable<void> {
      const std::string zone_name = test.zone.name;
      const multiplex::Fields none;
      const auto opened = co_await test.server->open(zone_name, "xmpp-client", "example.com", none, multiplex::Weight::interactive);
      if (!opened) {
        answer = opened.fault().text();
        co_return;
      }
      (*opened)->send("hello");
      const auto bytes = co_await (*opened)->receive();
      answer = bytes ? std::string(*bytes) : bytes.fault().text();
      (*opened)->finish();
    }(*this, heard));
    return heard;
  }

  std::unique_ptr<dns::NameServer> names;
  std::unique_ptr<dns::Resolver> resolver;
  std::unique_ptr<proxy::TimerWheel> wheel;
  multiplex::SessionSettings session_settings;
  MultiplexZone zone;
  MultiplexClientSettings settings;
  std::shared_ptr<tls::CredentialStore> edge_credentials;
  std::unique_ptr<MultiplexServer> server;
  std::unique_ptr<tls::Listener> port;
  std::vector<std::shared_ptr<MultiplexClient>> clients;
  // A C that echoes on all of its connections.
  void start_connections(size_t count) {
    node_name = "c1.inside.example.com";
    for (size_t number = 0; number < count; ++number) {
      MultiplexClient& client = start_client();
      asked.push_back(0);
      client.on_channel = [this, &client, number](const multiplex::ChannelPtr& channel) {
        ++asked[number];
        const_cast<multiplex::Session*>(client.session())->accept(channel);
        boost::asio::co_spawn(context, echo(channel), boost::asio::detached);
      };
    }
    run_until([&] { return active_connections() == count && server->facts().size() == 1; });
  }
  size_t active_connections() const {
    const auto peers = server->peers();
    return static_cast<size_t>(std::count_if(peers.begin(), peers.end(), [](const MultiplexPeer& peer) { return peer.session != nullptr && !peer.facts.fqdn.empty(); }));
  }
  awaitable<multiplex::ChannelPtr> open_channel() {
    const std::string zone_name = zone.name;
    const multiplex::Fields none;
    const auto opened = co_await server->open(zone_name, "xmpp-client", "example.com", none, multiplex::Weight::interactive);
    EXPECT_TRUE(opened) << (opened ? "" : opened.fault().text());
    co_return opened ? *opened : nullptr;
  }
  PeerFacts facts_of_c(std::vector<std::string> domains, uint64_t revision) const {
    PeerFacts facts{"core", node_name, "C", "1.0", {}};
    facts.registration_domains = std::move(domains);
    facts.run = "run";
    facts.revision = revision;
    return facts;
  }

  std::vector<std::string> lines;
  std::string node_name;
  std::vector<int> asked;  // of each connection: how many channels it was given
};
INSTANTIATE_FOR_BOTH_BACKENDS(MultiplexTest);

TEST_P(MultiplexTest, BothLearnTheFactsOfTheOtherAndWhatChanges) {
  start_server();
  MultiplexClient& client = start_client();
  await_state(client, PeerState::active);
  run_until([&] { return client.peer_facts().fqdn == edge_name && !server->peers().empty() && server->peers()[0].facts.node == "core0"; });
  EXPECT_EQ(client.peer_facts().sip_domains, std::vector<std::string>{"example.com"});
  EXPECT_EQ(client.status().tls_version, "TLSv1.3");
  EXPECT_EQ(server->peers()[0].zone, zone.name);
  EXPECT_EQ(server->peers()[0].status.peer, "c0.inside.example.com");
  server->set_facts({"edge", edge_name, "E", "1.1", {"example.com", "example.org"}});
  run_until([&] { return client.peer_facts().sip_domains.size() == 2; });
  client.set_facts({"core0", "renamed.inside.example.com", "C", "1.1", {}});
  run_until([&] { return server->peers()[0].facts.version == "1.1"; });
}

TEST_P(MultiplexTest, ChannelsReachC) {
  start_server();
  MultiplexClient& client = start_client();
  await_state(client, PeerState::active);
  run_until([&] { return !server->peers()[0].facts.fqdn.empty(); });
  EXPECT_NE(ask().find("404: nothing here takes channels for xmpp-client"), std::string::npos);
  client.on_channel = [&](const multiplex::ChannelPtr& channel) {
    const_cast<multiplex::Session*>(client.session())->accept(channel);
    boost::asio::co_spawn(context, echo(channel), boost::asio::detached);
  };
  EXPECT_EQ(ask(), "hello");
}

// A26
TEST_P(MultiplexTest, WrongPasswordIsToldOnBothSides) {
  settings.password = "wrong";
  start_server();
  MultiplexClient& client = start_client();
  await_state(client, PeerState::failed);
  EXPECT_EQ(client.status().reason, "authentication failed: user exampleauth; check user name and password on both nodes");
  EXPECT_EQ(last_failure(), client.status().reason);
  EXPECT_EQ(server->peers().back().status.refused_by, "digest");
  EXPECT_NE(ask().find("no C of zone Traversal zone is connected"), std::string::npos);
  run_until([&] { return server->counters().wrong_credential >= 3; });
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("E ") && line.find("authentication failed") != std::string::npos; }), 1)
      << "one line however often it tries";
}

TEST_P(MultiplexTest, UnknownUserGetsTheSameAnswer) {
  settings.username = "nobody";
  start_server();
  await_state(start_client(), PeerState::failed);
  EXPECT_EQ(clients[0]->status().reason, "authentication failed: user nobody; check user name and password on both nodes");
}

// A19, A28
TEST_P(MultiplexTest, CertificateWithoutTheSubjectNameIsRefusedByName) {
  start_server();
  MultiplexClient& client = start_client("DNS:c1.inside.example.com");
  await_state(client, PeerState::failed);
  EXPECT_NE(client.status().reason.find("TLS verify subject name: no zone accepts"), std::string::npos) << client.status().reason;
  EXPECT_NE(client.status().reason.find("c1.inside.example.com"), std::string::npos);
  EXPECT_EQ(server->peers().back().status.refused_by, "san");
}

TEST_P(MultiplexTest, CertificateOfAnUnknownAuthorityIsRefusedByTls) {
  start_server();
  MultiplexClient& client = start_client("DNS:c-cluster.inside.example.com", "other");
  await_state(client, PeerState::failed);
  EXPECT_NE(client.status().reason.find("TLS"), std::string::npos) << client.status().reason;
  EXPECT_EQ(server->peers().back().status.refused_by, "tls");
}

TEST_P(MultiplexTest, ComesBackWhenEDoes) {
  start_server();
  MultiplexClient& client = start_client();
  await_state(client, PeerState::active);
  port = nullptr;
  server->close_all("E restarts");
  await_state(client, PeerState::failed);
  start_server();
  await_state(client, PeerState::active);
}

TEST_P(MultiplexTest, RetiringCGetsNoNewChannelsAndDialsNoMore) {
  settings.retire_deadline = 500ms;
  start_server();
  MultiplexClient& first = start_client();
  await_state(first, PeerState::active);
  MultiplexClient& second = start_client();
  await_state(second, PeerState::active);
  int asked_first = 0, asked_second = 0;
  for (auto [client, asked] : {std::pair{&first, &asked_first}, {&second, &asked_second}}) {
    client->on_channel = [this, client, asked](const multiplex::ChannelPtr& channel) {
      ++*asked;
      const_cast<multiplex::Session*>(client->session())->accept(channel);
      boost::asio::co_spawn(context, echo(channel), boost::asio::detached);
    };
  }
  run_until([&] { return server->counters().authenticated == 2; });
  first.retire("the node restarts");
  run_until([&] {
    const auto peers = server->peers();
    return std::count_if(peers.begin(), peers.end(), [](const MultiplexPeer& peer) { return peer.session != nullptr && peer.session->takes_channels(); }) == 1;
  });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(), "hello");
  EXPECT_EQ(asked_first, 0);
  EXPECT_EQ(asked_second, 3);
  // Nothing is left on it but the facts; then it stays away.
  run_until([&] { return first.status().state == PeerState::idle; });
  EXPECT_EQ(first.status().attempts, 1u);
  EXPECT_EQ(server->counters().authenticated, 2u);
}

TEST_P(MultiplexTest, SeveralConnectionsShareTheChannels) {
  start_server();
  start_connections(3);
  run([](MultiplexTest& test) -> awaitable<void> {
    std::vector<multiplex::ChannelPtr> open;
    for (int i = 0; i < 9; ++i) {
      multiplex::ChannelPtr channel = co_await test.open_channel();
      open.push_back(channel);
    }
    EXPECT_EQ(test.asked, (std::vector<int>{3, 3, 3}));
    for (const auto& channel : open) channel->finish();
  }(*this));
  const auto peers = server->peers();
  std::vector<uint32_t> numbers;
  for (const MultiplexPeer& peer : peers) numbers.push_back(peer.number);
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(numbers, (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("C ") && line.find("connection 3") != std::string::npos; }));
}

TEST_P(MultiplexTest, LosingOneConnectionLeavesTheStreamsOfTheOthersAndItComesBack) {
  start_server();
  start_connections(2);
  run([](MultiplexTest& test) -> awaitable<void> {
    multiplex::ChannelPtr one = co_await test.open_channel();
    multiplex::ChannelPtr two = co_await test.open_channel();
    EXPECT_EQ(test.asked, (std::vector<int>{1, 1}));
    // The first opened is on either; what C closes is its first connection.
    const_cast<multiplex::Session*>(test.clients[0]->session())->close("cut");
    const bool one_ended = co_await test.eventually([&] { return one->is_open() != two->is_open(); });
    EXPECT_TRUE(one_ended);
    multiplex::ChannelPtr living = one->is_open() ? one : two;
    EXPECT_TRUE(living->send("still here"));
    const auto heard = co_await living->receive();
    EXPECT_TRUE(heard && *heard == "still here");
    EXPECT_EQ(test.server->facts().size(), 1u) << "the other connection still stands for them";
    multiplex::ChannelPtr next = co_await test.open_channel();
    EXPECT_EQ(test.asked[0] + test.asked[1], 3) << "found a connection at once";
    const bool is_back = co_await test.eventually([&] { return test.active_connections() == 2; });
    EXPECT_TRUE(is_back);
    EXPECT_EQ(test.clients[1]->status().attempts, 1u) << "and the other was never touched";
    living->finish();
    next->finish();
  }(*this));
}

TEST_P(MultiplexTest, FactsOfAnyConnectionCountAndTheNewestHold) {
  start_server();
  start_connections(2);
  const auto domains = [&] { return server->facts().empty() ? std::vector<std::string>{} : server->facts()[0].facts.registration_domains; };
  clients[0]->set_facts(facts_of_c({"new.example.com"}, 7));
  run_until([&] { return domains() == std::vector<std::string>{"new.example.com"}; });
  // What was made before and comes later, over the other connection, changes nothing; what is made later does.
  clients[1]->set_facts(facts_of_c({"old.example.com"}, 6));
  clients[1]->set_facts(facts_of_c({"newest.example.com"}, 8));
  run_until([&] { return domains() == std::vector<std::string>{"newest.example.com"}; });
  clients[0]->set_facts(facts_of_c({"old.example.com"}, 6));
  run_until([&] {
    const auto peers = server->peers();
    return std::any_of(peers.begin(), peers.end(), [](const MultiplexPeer& peer) { return peer.facts.revision == 6; });
  });
  EXPECT_EQ(domains(), std::vector<std::string>{"newest.example.com"});
  clients[1]->stop();
  run_until([&] { return active_connections() == 1; });
  EXPECT_EQ(domains(), std::vector<std::string>{"newest.example.com"}) << "nothing is withdrawn while one is left";
  clients[0]->stop();
  run_until([&] { return server->facts().empty(); });
}

TEST_P(MultiplexTest, ConnectionsOfOnePeerAreLimited) {
  start_server();
  start_connections(8);
  MultiplexClient& ninth = start_client();
  await_state(ninth, PeerState::failed);
  EXPECT_EQ(ninth.status().reason, "c1.inside.example.com has 8 connections of the stream multiplex already, and no more are taken");
  EXPECT_GE(server->counters().too_many, 1u);
  EXPECT_EQ(server->peers().back().status.refused_by, "limit");
  EXPECT_EQ(active_connections(), 8u);
  // Another C has places of its own, and one that ends gives its place away.
  node_name = "c2.inside.example.com";
  await_state(start_client(), PeerState::active);
  clients[0]->retire("fewer connections are wanted");
  await_state(ninth, PeerState::active);
}

TEST_P(MultiplexTest, RetiredConnectionEndsWithItsLastChannel) {
  start_server();
  start_connections(2);
  run([](MultiplexTest& test) -> awaitable<void> {
    multiplex::ChannelPtr one = co_await test.open_channel();
    multiplex::ChannelPtr two = co_await test.open_channel();
    test.clients[0]->retire("fewer connections are wanted");
    const bool is_known = co_await test.eventually([&] {
      const auto peers = test.server->peers();
      return std::count_if(peers.begin(), peers.end(), [](const MultiplexPeer& peer) { return peer.session != nullptr && peer.session->takes_channels(); }) == 1;
    });
    EXPECT_TRUE(is_known);
    std::vector<multiplex::ChannelPtr> both;
    both.push_back(one);
    both.push_back(two);
    for (const auto& channel : both) {
      EXPECT_TRUE(channel->send("still here"));
      const auto heard = co_await channel->receive();
      EXPECT_TRUE(heard && *heard == "still here");
    }
    EXPECT_FALSE(test.clients[0]->has_ended());
    one->finish();
    two->finish();
    const bool has_ended = co_await test.eventually([&] { return test.clients[0]->has_ended(); });
    EXPECT_TRUE(has_ended) << "long before the deadline of 30 s";
    EXPECT_FALSE(test.clients[1]->has_ended());
    EXPECT_EQ(test.server->facts().size(), 1u);
  }(*this));
}

TEST_P(MultiplexTest, EachNodeKnowsHowFarTheOthersClockIsAhead) {
  start_server();
  MultiplexClient& client = start_client();
  server->clock = [] { return int64_t{2'000'000'000}; };
  client.clock = [] { return int64_t{2'000'000'095}; };
  run_until([&] { return client.status().clock_skew_s != 0 && server->peers().size() == 1 && server->peers()[0].status.clock_skew_s != 0; });
  EXPECT_EQ(client.status().clock_skew_s, -95);
  EXPECT_EQ(server->peers().at(0).status.clock_skew_s, 95);
  // Told again, measured again.
  client.clock = [] { return int64_t{2'000'000'001}; };
  client.set_facts(client.peer_facts());
  run_until([&] { return server->peers().at(0).status.clock_skew_s == 1; });
}

TEST(PeerFacts, AreBoundedAndCheckedAndTolerateWhatIsNew) {
  const PeerFacts facts{"edge", "edge.example.com", "E", "1.0", {"example.com", "\"quoted\".example"}, {"users.example.com"}, {"fed.example.com"}, {"chat1.example.com"}, {"chat.example.com"}, "-----BEGIN CERTIFICATE-----", "00ff", 12, 1'795'000'000};
  std::string line = format_facts(facts);
  ASSERT_TRUE(line.ends_with('\n'));
  line.pop_back();
  const auto parsed = parse_facts(line);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, facts);
  EXPECT_TRUE(parse_facts(R"({"node":"x","something_new":[1,2,{"a":3}]})"));
  for (const std::string& bad : {std::string("[]"), std::string("{"), std::string(R"({"node":7})"), std::string(R"({"sip_domains":"example.com"})"),
                                 R"({"node":")" + std::string(300, 'x') + "\"}", std::string(R"({"sip_domains":[7]})"), std::string(R"({"revision":"x"})"), std::string(R"({"revision":-1})"), std::string(R"({"clock":"now"})"), std::string(R"({"clock":-1})"), std::string(R"({"clock":9223372036854775807})"), std::string(5000, '[')})
    EXPECT_FALSE(parse_facts(bad)) << bad.substr(0, 40);
  FactsLines lines;
  std::vector<std::string> taken;
  const auto take = [&](std::string_view whole) { taken.emplace_back(whole); };
  EXPECT_TRUE(lines.feed("one\ntw", take));
  EXPECT_TRUE(lines.feed("o\n", take));
  EXPECT_EQ(taken, (std::vector<std::string>{"one", "two"}));
  EXPECT_FALSE(lines.feed(std::string(70'000, 'x'), take));
}

}  // namespace
}  // namespace sallyport::zones
