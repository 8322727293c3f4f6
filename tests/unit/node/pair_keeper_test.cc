// SPDX-License-Identifier: Apache-2.0
// Two nodes become a pair over real TLS: a token joins once, the certificates serve and renew, and who was removed stays out.

#include "controlplane/node/pair_keeper.h"

#include <gmock/gmock.h>

#include <boost/asio/detached.hpp>

#include "controlplane/node/node_credentials.h"
#include "controlplane/store/site_store.h"
#include "tests/unit/store/state_folder.h"
#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::node {
namespace {

using boost::asio::awaitable;
using certificates::PairStore;
using testing::HasSubstr;

// A node's stores, and its keeper.
struct Side {
  Side(config::Role role, const std::string& fqdn) {
    auto opened = store::SiteStore::open({.state_dir = folder.path(), .role = role, .node_name = fqdn});
    EXPECT_TRUE(opened);
    site = std::move(*opened);
    auto made = PairStore::open(folder.path(), fqdn);
    EXPECT_TRUE(made);
    pairs = std::move(*made);
    settings.is_e = role == config::Role::edge;
    settings.fqdn = fqdn;
    settings.own_names = {fqdn, "127.0.0.1"};
  }
  store::StateFolder folder;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<PairStore> pairs;
  PairKeeperSettings settings;
  std::shared_ptr<PairKeeper> keeper;
  NodeCredentials credentials;
};

class PairKeeperTest : public tls_test::EngineTest {
 public:
  void SetUp() override {
    EngineTest::SetUp();
    resolver = std::move(*dns::Resolver::create(context, {}));
    zones = {{"Traversal zone", "exampleauth", 7001, {"c-cluster.inside.example.com"}, {"example.com"}}, {"Other zone", "other", 7002, {"c9.inside.example.com"}, {"example.org"}}};
    edge.emplace(config::Role::edge, "edge.example.com");
    core.emplace(config::Role::core, "c1.inside.example.com");
    listen_on_edge();
    for (Side* side : {&*edge, &*core}) make_keeper(*side);
  }
  void TearDown() override {
    for (Side* side : {&*edge, &*core}) side->keeper->stop();
    listener = nullptr;
    EngineTest::TearDown();
    context.restart();
    context.poll();
    edge.reset();
    core.reset();
    resolver = nullptr;
  }
  void make_keeper(Side& side) {
    const char* name = side.settings.is_e ? "E " : "C ";
    side.keeper = std::make_shared<PairKeeper>(context, *engine, *resolver, *side.pairs, side.settings, [this] { return zones; }, [this, name](const std::string& line) { lines.push_back(name + line); });
  }
  void listen_on_edge() {
    const auto own = certificates.leaf("edge", {.common_name = "edge.example.com", .subject_alt_names = "DNS:edge.example.com"});
    edge_files.certificate = own.certificate_path;
    edge_files.key = own.key_path;
    edge_files.ca_file = certificates.ca();
    auto loaded = NodeCredentials::load(edge_files, {}, *edge->pairs->snapshot());
    ASSERT_TRUE(loaded) << loaded.fault().text();
    edge->credentials = std::move(*loaded);
    edge->pairs->set_listener([this] { ASSERT_TRUE(edge->credentials.reload(edge_files, {}, *edge->pairs->snapshot())); });
    pair_server = std::make_unique<zones::PairServer>(context, [this](const zones::PairRequest& request, const tls::TlsFacts& facts, const tls::SocketAddress& source) { return edge->keeper->answer(request, facts, source); });
    tls::TlsPolicyOptions options;
    options.role = tls::TlsRole::server_verifies_client;
    options.tls13_only = true;
    options.alpn = {"h2"};
    options.pairing_protocol = zones::pair_protocol;
    tls::ListenerOptions wanted;
    wanted.name = "stream multiplex";
    wanted.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    wanted.tls = *tls::TlsPolicy::create(std::move(options), edge->credentials.listeners());
    auto opened = tls::Listener::open(
        *engine, std::move(wanted),
        [this](tls::StreamPtr stream) {
          if (stream->tls_facts().alpn == zones::pair_protocol) return pair_server->on_stream(std::move(stream));
          shown.push_back(stream->tls_facts());
        },
        [this](const tls::SocketAddress&, const tls::HandshakeFailure& failure) { refused.push_back(failure.text); });
    ASSERT_TRUE(opened) << opened.fault().text();
    listener = std::move(*opened);
    edge->settings.multiplex_port = listener->address().port();
  }
  zones::JoinToken token(const std::string& zone = "Traversal zone", std::int64_t life_s = 600) {
    auto made = edge->keeper->make_token(zone, life_s, "127.0.0.1", "uid 0");
    EXPECT_TRUE(made) << made.fault().text();
    return made ? *made : zones::JoinToken{};
  }
  // "" or why it did not join.
  std::string join(const zones::JoinToken& with) {
    std::string result = "no answer";
    run([](PairKeeperTest& test, zones::JoinToken token, std::string& result) -> awaitable<void> {
      std::string actor = "uid 0";
      auto joined = co_await test.core->keeper->join(std::move(token), std::move(actor));
      result = joined ? "" : joined.fault().text();
    }(*this, with, result));
    return result;
  }
  void begin_renewals(Side& side) { boost::asio::co_spawn(context, PairKeeper::run(side.keeper), boost::asio::detached); }
  // How C dials now, as the node's zone does.
  tls::ConnectResult dial_as_core() {
    auto loaded = NodeCredentials::load(core_files, {}, *core->pairs->snapshot());
    EXPECT_TRUE(loaded) << loaded.fault().text();
    const auto paired = loaded->paired("127.0.0.1");
    tls::TlsPolicyOptions options;
    options.role = tls::TlsRole::client;
    options.alpn = {"h2"};
    options.named_authorities = {core->pairs->snapshot()->find("127.0.0.1")->authority};
    auto policy = *tls::TlsPolicy::create(std::move(options), paired);
    tls::ConnectResult result;
    run([](PairKeeperTest& test, std::shared_ptr<tls::TlsPolicy> policy, tls::ConnectResult& result) -> awaitable<void> {
      tls::ConnectOptions wanted;
      wanted.remote = test.listener->address();
      wanted.tls = std::move(policy);
      result = co_await tls::connect(*test.engine, std::move(wanted));
    }(*this, std::move(policy), result));
    return result;
  }
  std::string core_serial() const { return core->pairs->snapshot()->find("127.0.0.1")->description.serial; }

  std::unique_ptr<dns::Resolver> resolver;
  std::vector<PairZone> zones;
  config::TlsSection edge_files, core_files;
  std::optional<Side> edge, core;
  std::unique_ptr<zones::PairServer> pair_server;
  std::unique_ptr<tls::Listener> listener;
  std::vector<tls::TlsFacts> shown;  // of connections that got in
  std::vector<std::string> refused, lines;
};

TEST_P(PairKeeperTest, AJoinedNodeIsLetInAndKnowsTheOther) {
  EXPECT_EQ(join(token()), "");
  const tls::ConnectResult connected = dial_as_core();
  ASSERT_TRUE(connected) << connected.failure->text;
  run_until([&] { return !shown.empty(); });
  const std::string authority = tls::describe_certificate(edge->pairs->snapshot()->authority.get()).fingerprint_sha256;
  EXPECT_EQ(connected.stream->tls_facts().authority, authority) << "E shows the pair's certificate to whoever asks for it";
  EXPECT_EQ(shown.back().authority, authority);
  EXPECT_EQ(shown.back().peer->names_text(), "DNS:c1.inside.example.com, DNS:c-cluster.inside.example.com") << "the zone's names, so that A28 holds";
  // Who does not ask is shown what he was before.
  const auto manual = certificates.leaf("core", {.common_name = "c1.inside.example.com", .subject_alt_names = "DNS:c1.inside.example.com"});
  tls::ConnectResult other;
  run([](PairKeeperTest& test, std::shared_ptr<tls::TlsPolicy> policy, tls::ConnectResult& result) -> awaitable<void> {
    std::string name = "edge.example.com";
    result = co_await test.dial(*test.listener, std::move(policy), std::move(name));
  }(*this, policy(tls::TlsRole::client, store(manual, trusted()), {.alpn = {"h2"}}), other));
  ASSERT_TRUE(other) << other.failure->text;
  EXPECT_NE(other.stream->tls_facts().authority, authority);
}

TEST_P(PairKeeperTest, ATokenJoinsOnce) {
  const zones::JoinToken once = token();
  EXPECT_EQ(join(once), "");
  const std::string serial = core_serial();
  EXPECT_THAT(join(once), HasSubstr("is not known here: it was used, is over, or is another node's"));
  EXPECT_EQ(core_serial(), serial);
  zones::JoinToken guessed = token();
  guessed.secret[3] ^= 1;
  EXPECT_THAT(join(guessed), HasSubstr("is not known here"));
  EXPECT_EQ(edge->keeper->counters().refused, 2u);
  EXPECT_EQ(edge->keeper->counters().joined, 1u);
}

TEST_P(PairKeeperTest, CKnowsEByTheTokenAlone) {
  zones::JoinToken other = token();
  other.authority_key[0] ^= 1;  // as if another node stood there
  EXPECT_THAT(join(other), HasSubstr("the join token"));
  EXPECT_EQ(edge->keeper->counters().joined, 0u);
  EXPECT_EQ(edge->pairs->snapshot()->tokens.size(), 1u) << "its secret went nowhere";
  EXPECT_EQ(core->pairs->snapshot()->find("127.0.0.1"), nullptr);
}

TEST_P(PairKeeperTest, WithoutATokenNobodyPairs) {
  zones::JoinToken invented{.host = "127.0.0.1", .port = listener->address().port()};
  EXPECT_NE(join(invented), "") << "E has no pair authority";
  EXPECT_THAT(refused, testing::Contains(HasSubstr("a node wants to join, but this node pairs with none")));
}

TEST_P(PairKeeperTest, RenewalTakesANewKeyAndTheNextHandshakeShowsIt) {
  ASSERT_EQ(join(token()), "");
  const std::string serial = core_serial(), key = tls::key_digest(core->pairs->snapshot()->find("127.0.0.1")->certificate.get());
  begin_renewals(*core);
  ASSERT_TRUE(core->keeper->renew_now("127.0.0.1"));
  run_until([&] { return core->keeper->counters().renewed == 1; });
  EXPECT_NE(core_serial(), serial);
  EXPECT_NE(tls::key_digest(core->pairs->snapshot()->find("127.0.0.1")->certificate.get()), key);
  const tls::ConnectResult connected = dial_as_core();
  ASSERT_TRUE(connected) << connected.failure->text;
  run_until([&] { return !shown.empty(); });
  EXPECT_EQ(shown.back().peer->serial, core_serial());
  EXPECT_FALSE(core->keeper->renew_now("other.example.com"));
}

TEST_P(PairKeeperTest, BothRenewByThemselvesAtTwoThirdsOfALife) {
  edge->settings.certificate_life_s = 3;
  make_keeper(*edge);
  ASSERT_EQ(join(token()), "");
  std::string serial = core_serial();
  begin_renewals(*edge);
  begin_renewals(*core);
  std::uint64_t before = 0;  // renewals of C until it joined the last time
  const auto have_renewed = [&] { return core->keeper->counters().renewed >= before + 2 && edge->keeper->counters().renewed >= 2; };
  // A machine that stands still for a second lets so short a life end: then it joins once more.
  for (int attempt = 0; attempt < 10 && !have_renewed(); ++attempt) {
    run_until([&] { return have_renewed() || !core->keeper->alarms().empty(); });
    if (have_renewed()) break;
    ASSERT_EQ(join(token()), "");
    serial = core_serial();
    before = core->keeper->counters().renewed;
  }
  EXPECT_TRUE(have_renewed());
  EXPECT_NE(core_serial(), serial);
  EXPECT_TRUE(dial_as_core());
  EXPECT_TRUE(core->keeper->alarms().empty());
}

TEST_P(PairKeeperTest, WhoIsRemovedIsRefusedAndNotRenewed) {
  ASSERT_EQ(join(token()), "");
  ASSERT_TRUE(dial_as_core());
  ASSERT_TRUE(edge->pairs->withdraw_node("c1.inside.example.com", "uid 0"));
  refused.clear();
  dial_as_core();  // with TLS 1.3 a client learns of it later
  run_until([&] { return !refused.empty(); });
  EXPECT_THAT(refused.back(), HasSubstr("was withdrawn here"));
  begin_renewals(*core);
  ASSERT_TRUE(core->keeper->renew_now("127.0.0.1"));
  run_until([&] { return core->keeper->counters().failed == 1; });
  ASSERT_EQ(core->keeper->alarms().size(), 1u);
  EXPECT_EQ(core->keeper->alarms().front().kind, "pair_renewal_failed");
  EXPECT_THAT(core->keeper->alarms().front().text, HasSubstr("next attempt"));
  // A new token takes it in again.
  EXPECT_EQ(join(token()), "");
  EXPECT_TRUE(dial_as_core());
}

TEST_P(PairKeeperTest, ANodeOfAnotherZoneCannotTakeItsName) {
  core->settings.fqdn = "c9.inside.example.com";
  make_keeper(*core);
  EXPECT_THAT(join(token()), HasSubstr("is a TLS verify subject name of another zone, \"Other zone\""));
  EXPECT_EQ(edge->pairs->snapshot()->tokens.size(), 1u) << "a refusal does not use it up";
  EXPECT_EQ(join(token("Other zone")), "");
}

TEST_P(PairKeeperTest, ANodeCannotTakeTheNameOfE) {
  core->settings.fqdn = "edge.example.com";
  make_keeper(*core);
  EXPECT_THAT(join(token()), HasSubstr("is a name of E itself"));
}

TEST_P(PairKeeperTest, ENamedAnewShowsItsNewNameSoon) {
  ASSERT_EQ(join(token()), "");
  edge->settings.own_names.push_back("edge-new.example.com");
  make_keeper(*edge);
  begin_renewals(*edge);
  run_until([&] { return edge->keeper->counters().renewed == 1; });
  EXPECT_THAT(edge->pairs->snapshot()->find("")->description.names_text(), HasSubstr("edge-new.example.com"));
}

TEST_P(PairKeeperTest, WhoSendsNoWholeRequestIsNotWaitedForForever) {
  token();
  pair_server = std::make_unique<zones::PairServer>(context, [](const zones::PairRequest&, const tls::TlsFacts&, const tls::SocketAddress&) { return Fault{FaultCode::internal, "test", "was asked", ""}; }, std::chrono::milliseconds(200));
  tls::TlsPolicyOptions options;
  options.pairing_protocol = zones::pair_protocol;
  options.verify_peer = false;
  std::string ended;
  run([](PairKeeperTest& test, std::shared_ptr<tls::TlsPolicy> policy, std::string& ended) -> awaitable<void> {
    tls::ConnectOptions wanted;
    wanted.remote = test.listener->address();
    wanted.tls = std::move(policy);
    const tls::ConnectResult connected = co_await tls::connect(*test.engine, std::move(wanted));
    if (!connected) co_return;
    connected.stream->send("{");
    const auto bytes = co_await connected.stream->receive();
    ended = !bytes ? "closed" : bytes->empty() ? "ended" : std::string(*bytes);
  }(*this, policy(tls::TlsRole::client, *tls::CredentialStore::load({}), options), ended));
  EXPECT_THAT(ended, testing::AnyOf("closed", "ended"));
}

TEST_P(PairKeeperTest, WhatCannotBeIsSaid) {
  const auto refused_for = [&](const std::string& zone, std::int64_t life_s, const std::string& host) {
    const auto made = edge->keeper->make_token(zone, life_s, host, "uid 0");
    return made ? std::string("made") : made.fault().text();
  };
  EXPECT_THAT(refused_for("", 600, ""), HasSubstr("this node has several traversal zones; name one"));
  EXPECT_THAT(refused_for("None", 600, ""), HasSubstr("zone \"None\": does not exist on this node"));
  EXPECT_THAT(refused_for("Other zone", 0, ""), HasSubstr("cannot live so long"));
  EXPECT_THAT(refused_for("Other zone", 4000, ""), HasSubstr("cannot live so long"));
  EXPECT_THAT(refused_for("Other zone", 600, "other.example.com"), HasSubstr("is no name or address of this node; give one of: edge.example.com, 127.0.0.1"));
  zones.clear();
  EXPECT_THAT(refused_for("", 600, ""), HasSubstr("there is no traversal zone to join"));
  EXPECT_THAT(core->keeper->make_token("", 600, "", "uid 0").fault().text(), HasSubstr("is made on E; this node is C"));
}

INSTANTIATE_TEST_SUITE_P(Backends, PairKeeperTest, testing::Values(tls::EngineBackend::io_uring, tls::EngineBackend::epoll), [](const auto& info) { return tls_test::backend_name(info); });

}  // namespace
}  // namespace sallyport::node
