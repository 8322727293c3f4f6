// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "controlplane/zones/options_request.h"
#include "controlplane/zones/traversal_probe.h"
#include "tests/unit/zones/zone_pair.h"

namespace sallyport::zones {
namespace {

using boost::asio::awaitable;
using sip::DigestAlgorithm;
using testing::HasSubstr;
using testing::Not;

class TraversalServerTest : public ZonePair {
 public:
  // A C that says what the test writes.
  awaitable<tls::StreamPtr> connect_core() {
    core_certificate = certificates.leaf("core", core_wish, core_issuer);
    core_credentials = store(core_certificate, trusted());
    auto result = co_await dial(*port, policy(tls::TlsRole::client, core_credentials), std::string(edge_name));
    EXPECT_TRUE(result) << (result ? "" : result.failure->text);
    co_return result.stream;
  }

  std::string options(const std::string& extra_lines) {
    OptionsWish wish;
    wish.peer = edge_name;
    wish.username = zone_user;
    wish.own_host = core_name;
    wish.cseq = ++cseq_;
    wish.extra_lines = extra_lines;
    std::string text = write_options(wish);
    return text.insert(text.find("\r\n") + 2, fmt::format("Via: {}z9hG4bK{}\r\n", client_settings.via_head, random_token()));
  }

  // Sends, and returns what comes back up to the end of the head; "" when the connection ends.
  awaitable<std::string> ask(tls::StreamPtr stream, std::string request) {
    stream->send(request);
    std::string answer;
    while (answer.find("\r\n\r\n") == std::string::npos) {
      const auto part = co_await stream->receive();
      if (!part || part->empty()) co_return std::string{};
      answer += *part;
    }
    co_return answer;
  }

  static std::vector<sip::DigestChallenge> challenges(const std::string& answer) {
    sip::Message message;
    std::vector<sip::DigestChallenge> list;
    if (!sip::parse(answer, message).ok()) return list;
    for (const sip::Header* header = message.first(sip::HeaderId::www_authenticate); header != nullptr; header = message.next(*header))
      if (const auto challenge = sip::parse_challenge(header->value)) list.push_back(*challenge);
    return list;
  }

  std::string credentials(const sip::DigestChallenge& challenge, const std::string& user, const std::string& password, uint32_t count = 1) {
    const auto answer = sip::answer_challenge(challenge, user, password, "OPTIONS", "sip:edge.example.com:7001;transport=tls", "cafe", count);
    return "Authorization: " + sip::format_credentials(answer) + "\r\n";
  }

  // The whole dialogue with one of the challenges (0: SHA-256, 1: MD5); the last answer.
  awaitable<std::string> authenticate(tls::StreamPtr stream, size_t number, std::string user, std::string password) {
    const std::string first = options("");
    const std::string challenged = co_await ask(stream, first);
    const auto offered = challenges(challenged);
    EXPECT_EQ(offered.size(), 2u) << challenged;
    if (offered.size() != 2) co_return std::string{};
    const std::string second = options(credentials(offered[number], user, password));
    const std::string answer = co_await ask(stream, second);
    co_return answer;
  }

 private:
  uint32_t cseq_ = 0;
};
INSTANTIATE_FOR_BOTH_BACKENDS(TraversalServerTest);

TEST_P(TraversalServerTest, A26_ChallengesBySha256FirstAndMd5) {
  start_server();
  run([&]() -> awaitable<void> {
    const auto stream = co_await connect_core();
    const std::string request = options("");
    const std::string answer = co_await ask(stream, request);
    EXPECT_TRUE(answer.starts_with("SIP/2.0 401 ")) << answer;
    const auto offered = challenges(answer);
    EXPECT_EQ(offered.size(), 2u);
    EXPECT_EQ(offered.front().algorithm, DigestAlgorithm::sha256);
    EXPECT_EQ(offered.back().algorithm, DigestAlgorithm::md5);
    EXPECT_EQ(offered.front().realm, zone_realm);
    EXPECT_EQ(server->status().back().state, PeerState::authentication);
  }());
}

TEST_P(TraversalServerTest, A26_Sha256AndMd5AreBothAccepted) {
  start_server();
  for (const size_t number : {0u, 1u}) {
    run([&]() -> awaitable<void> {
      const auto stream = co_await connect_core();
      const std::string answer = co_await authenticate(stream, number, zone_user, zone_password);
      EXPECT_TRUE(answer.starts_with("SIP/2.0 200 ")) << answer;
      EXPECT_THAT(answer, HasSubstr("X-Sallyport-Link: 1;"));
    }());
  }
  EXPECT_EQ(active_on_e, 2);
  EXPECT_EQ(server->counters().authenticated, 2u);
}

TEST_P(TraversalServerTest, A26_WrongPasswordUnknownUserAndUnknownHashAllGetTheSameAnswer) {
  known_hashes = {DigestAlgorithm::sha256};
  start_server();
  std::vector<std::string> answers;
  run([&]() -> awaitable<void> {
    const auto first = co_await connect_core();
    const std::string wrong_password = co_await authenticate(first, 0, zone_user, "wrong");
    const auto second = co_await connect_core();
    const std::string wrong_user = co_await authenticate(second, 0, "stranger", zone_password);
    const auto third = co_await connect_core();
    const std::string no_hash = co_await authenticate(third, 1, zone_user, zone_password);
    answers.push_back(wrong_password);
    answers.push_back(wrong_user);
    answers.push_back(no_hash);
  }());
  for (const std::string& answer : answers) EXPECT_TRUE(answer.starts_with("SIP/2.0 403 Authentication failed\r\n")) << answer;
  EXPECT_EQ(server->counters().wrong_credential, 1u);
  EXPECT_EQ(server->counters().unknown_user, 2u);
  EXPECT_EQ(active_on_e, 0);
}

TEST_P(TraversalServerTest, ForeignNonceIsStaleAndGetsANewChallenge) {
  start_server();
  run([&]() -> awaitable<void> {
    const auto stream = co_await connect_core();
    sip::DigestChallenge made_up;
    made_up.realm = zone_realm;
    made_up.nonce = "bm90IG91cnM";
    made_up.algorithm = DigestAlgorithm::sha256;
    made_up.offers_auth = true;
    const std::string request = options(credentials(made_up, zone_user, zone_password));
    const std::string answer = co_await ask(stream, request);
    EXPECT_TRUE(answer.starts_with("SIP/2.0 401 ")) << answer;
    EXPECT_TRUE(challenges(answer).front().is_stale);
  }());
  EXPECT_EQ(server->counters().stale, 1u);
  EXPECT_EQ(server->counters().wrong_credential, 0u);
}

TEST_P(TraversalServerTest, CredentialsAreGoodOnce) {
  start_server();
  run([&]() -> awaitable<void> {
    const auto stream = co_await connect_core();
    const std::string first = options("");
    const std::string challenged = co_await ask(stream, first);
    const std::string line = credentials(challenges(challenged).front(), zone_user, zone_password);
    const std::string second = options(line);
    const std::string accepted = co_await ask(stream, second);
    EXPECT_TRUE(accepted.starts_with("SIP/2.0 200 ")) << accepted;
    const auto thief = co_await connect_core();
    const std::string third = options(line);
    const std::string replayed = co_await ask(thief, third);
    EXPECT_TRUE(replayed.starts_with("SIP/2.0 403 ")) << replayed;
  }());
  EXPECT_EQ(active_on_e, 1);
}

TEST_P(TraversalServerTest, NothingButTheZonesOptionsIsTakenBeforeAuthentication) {
  start_server();
  run([&]() -> awaitable<void> {
    const auto stream = co_await connect_core();
    std::string request = options("");
    request.replace(0, 7, "MESSAGE");
    request.replace(request.find(" OPTIONS\r\n"), 10, " MESSAGE\r\n");
    const std::string answer = co_await ask(stream, request);
    EXPECT_TRUE(answer.starts_with("SIP/2.0 403 Authenticate the traversal zone first")) << answer;
  }());
  EXPECT_EQ(server->counters().not_authenticated, 1u);
}

TEST_P(TraversalServerTest, A28_NameThatIsOnlyTheCnIsRefusedAndTheAnswerSaysWhichWasExpected) {
  core_wish.common_name = cluster_name;
  core_wish.subject_alt_names = "DNS:c3.inside.example.com";
  start_server();
  run([&]() -> awaitable<void> {
    const auto stream = co_await connect_core();
    const std::string request = options("");
    const std::string answer = co_await ask(stream, request);
    EXPECT_TRUE(answer.starts_with("SIP/2.0 403 Certificate Name Not Accepted\r\n")) << answer;
    sip::Message message;
    EXPECT_TRUE(sip::parse(answer, message).ok());
    const std::string text = warning_text(message.value(sip::HeaderId::warning));
    EXPECT_THAT(text, HasSubstr("serial " + core_certificate.serial + ", issued by \"CN=Test CA ca\", lacks the name c-cluster.inside.example.com in its SAN"));
    EXPECT_THAT(text, HasSubstr("its names are: DNS:c3.inside.example.com"));
    EXPECT_THAT(text, HasSubstr("the CN, which does not count"));
    EXPECT_THAT(answer, Not(HasSubstr("WWW-Authenticate")));
    const auto end = co_await stream->receive();
    EXPECT_TRUE(!end || end->empty()) << "the connection stays open";
  }());
  EXPECT_THAT(server_failure(), HasSubstr("TLS verify subject name"));
  EXPECT_EQ(server->counters().wrong_name, 1u);
  EXPECT_EQ(server->counters().challenged, 0u);
}

TEST_P(TraversalServerTest, A28_OneNameOfTheListIsEnough) {
  core_wish.subject_alt_names = "DNS:c1.inside.example.com";
  server_settings.subject_names = {cluster_name, core_name};
  start();
  await_state(PeerState::active);
}

TEST_P(TraversalServerTest, A28_OfThreeClusterMembersTheOneWithoutTheNameIsRefusedByName) {
  start_server();
  for (const char* name : {"c1", "c2", "c3"}) {
    core_wish.common_name = name;
    core_wish.subject_alt_names = std::string("DNS:") + name + ".inside.example.com" + (std::string(name) == "c3" ? "" : ",DNS:c-cluster.inside.example.com");
    run([&]() -> awaitable<void> {
      const auto stream = co_await connect_core();
      const std::string request = options("");
      const std::string answer = co_await ask(stream, request);
      EXPECT_TRUE(answer.starts_with(std::string(name) == "c3" ? "SIP/2.0 403 " : "SIP/2.0 401 ")) << name << ": " << answer;
    }());
  }
  EXPECT_THAT(server_failure(), HasSubstr("its names are: DNS:c3.inside.example.com"));
}

TEST_P(TraversalServerTest, A28_NamesThatChangeCountForTheNextConnection) {
  start();
  await_state(PeerState::active);
  TraversalServerSettings changed = server->settings();
  changed.subject_names = {"other.inside.example.com"};
  server->configure(changed);
  const uint64_t answered = client->status().keepalives_answered;
  await([&] { return client->status().keepalives_answered >= answered + 2; });
  EXPECT_EQ(lost_on_c, 0);
  server->close_all("next connection");
  await([&] { return client->status().reason.find("lacks the name other.inside.example.com") != std::string::npos; });
}

TEST_P(TraversalServerTest, ClientWithoutCertificateIsToldAsThat) {
  start_server();
  run([&]() -> awaitable<void> {
    const auto result = co_await dial(*port, policy(tls::TlsRole::client, trust_only(trusted())), std::string(edge_name));
    EXPECT_TRUE(co_await eventually([&] { return !server_failure().empty(); }));
  }());
  EXPECT_THAT(server_failure(), HasSubstr("presented no certificate"));
  EXPECT_FALSE(server->status().front().has_certificate);
}

TEST_P(TraversalServerTest, SilentConnectionIsClosedAtItsDeadline) {
  server_settings.authentication_ms = 300;
  start_server();
  run([&]() -> awaitable<void> {
    const auto stream = co_await connect_core();
    const auto end = co_await stream->receive();
    EXPECT_TRUE(!end || end->empty());
  }());
  await([&] { return server->status().empty(); });
}

TEST_P(TraversalServerTest, TestOfTheLayersAuthenticatesAndLeavesTheRunningConnectionAlone) {
  start();
  await_state(PeerState::active);
  run([&]() -> awaitable<void> {
    auto result = co_await dial(*port, policy(tls::TlsRole::client, core_credentials), std::string(edge_name));
    const ProbeVerdict verdict = co_await probe_zone(result.stream, client->settings(), 5000ms);
    EXPECT_EQ(verdict.refused_by, ProbeVerdict::Layer::none) << verdict.text;
    EXPECT_EQ(verdict.text, "user exampleauth is accepted by SHA-256");
  }());
  EXPECT_EQ(active_on_e, 1);
  EXPECT_EQ(links_offered, 1);
  EXPECT_EQ(server->counters().tested, 1u);
  EXPECT_EQ(client->status().state, PeerState::active);
  EXPECT_EQ(lost_on_c, 0);
}

TEST_P(TraversalServerTest, TestOfTheLayersTellsWhichOneRefused) {
  start_server();
  const auto probe = [&](TraversalClientSettings settings) {
    ProbeVerdict verdict;
    run([&]() -> awaitable<void> {
      core_certificate = certificates.leaf("core", core_wish, core_issuer);
      auto result = co_await dial(*port, policy(tls::TlsRole::client, store(core_certificate, trusted())), std::string(edge_name));
      verdict = co_await probe_zone(result.stream, settings, 5000ms);
    }());
    return verdict;
  };
  TraversalClientSettings settings = client_settings;
  settings.password = "wrong";
  ProbeVerdict verdict = probe(settings);
  EXPECT_EQ(verdict.refused_by, ProbeVerdict::Layer::digest);
  EXPECT_THAT(verdict.text, HasSubstr("authentication failed"));
  core_wish.subject_alt_names = "DNS:c3.inside.example.com";
  verdict = probe(client_settings);
  EXPECT_EQ(verdict.refused_by, ProbeVerdict::Layer::name);
  EXPECT_THAT(verdict.text, HasSubstr("lacks the name c-cluster.inside.example.com"));
  core_wish.extended_key_usage = "serverAuth";
  verdict = probe(client_settings);
  EXPECT_EQ(verdict.refused_by, ProbeVerdict::Layer::tls);
  EXPECT_THAT(verdict.text, HasSubstr("lacks clientAuth"));
}

TEST_P(TraversalServerTest, CIsAskedForItsMediaReportOverItsOwnConnection) {
  start();
  core_router.on_request = [&](const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
    core_proxy->answer(hop, request, 200, {}, fmt::format("{}: {}\r\n", media_header, format_media_report({310, 295})));
    return true;
  };
  await_state(PeerState::active);
  std::string report, nobody;
  run([&]() -> awaitable<void> {
    report = co_await server->ask_media(core_name, 5000ms);
    nobody = co_await server->ask_media("c9.inside.example.com", 5000ms);
  }());
  EXPECT_EQ(report, "1;rtp=310;rtcp=295");
  EXPECT_EQ(nobody, "");
}

}  // namespace
}  // namespace sallyport::zones
