// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_client.h"

#include <gmock/gmock.h>

#include "tests/unit/zones/zone_pair.h"

namespace sallyport::zones {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class TraversalClientTest : public ZonePair {};
INSTANTIATE_FOR_BOTH_BACKENDS(TraversalClientTest);

TEST_P(TraversalClientTest, A16_EveryStateIsPassedOnTheWayToActive) {
  start();
  await_state(PeerState::active);
  EXPECT_THAT(states, ElementsAre(PeerState::resolving, PeerState::tcp, PeerState::tls, PeerState::authentication, PeerState::active));
  EXPECT_EQ(client->status().tls_version, "TLSv1.3");
  EXPECT_EQ(client->status().certificate_names, "DNS:edge.example.com");
  EXPECT_EQ(client->status().warning, "");
  EXPECT_EQ(active_on_e, 1);
}

TEST_P(TraversalClientTest, OptionsKeepTheZoneAlive) {
  start();
  await_state(PeerState::active);
  await([&] { return client->status().keepalives_answered >= 3; });
  EXPECT_EQ(client->status().attempts, 1u);
  EXPECT_GE(server->status().back().keepalives_answered, 3u);
  EXPECT_EQ(lost_on_c, 0);
}

TEST_P(TraversalClientTest, A04_UntrustedClientIssuerIsToldByBothWithIssuerSerialAndStore) {
  core_issuer = "stranger";
  start();
  const std::string reason = await_failure();
  EXPECT_THAT(reason, HasSubstr("refused our certificate serial " + core_certificate.serial));
  EXPECT_THAT(reason, HasSubstr("Test CA stranger"));
  EXPECT_THAT(reason, HasSubstr("unknown CA (alert 48)"));
  EXPECT_THAT(reason, Not(HasSubstr("OPTIONS")));
  EXPECT_THAT(server_failure(), HasSubstr("serial " + core_certificate.serial));
  EXPECT_THAT(server_failure(), HasSubstr("add the CA \"CN=Test CA stranger\" to this node's trusted CAs (" + certificates.ca() + ")"));
  EXPECT_EQ(active_on_e, 0);
}

TEST_P(TraversalClientTest, A04_UntrustedServerIssuerIsToldWithIssuerSerialAndStore) {
  edge_certificate = certificates.leaf("edge", edge_wish, "stranger");
  edge_credentials = store(edge_certificate, trusted());
  start();
  const std::string reason = await_failure();
  EXPECT_THAT(reason, HasSubstr("serial " + edge_certificate.serial));
  EXPECT_THAT(reason, HasSubstr("add the CA \"CN=Test CA stranger\" to this node's trusted CAs (" + certificates.ca() + ")"));
}

TEST_P(TraversalClientTest, ExpiredClientCertificateIsToldByBoth) {
  core_wish.not_before_s = -7200;
  core_wish.not_after_s = -3600;
  start();
  EXPECT_THAT(await_failure(), HasSubstr("certificate expired (alert 45); it is valid until 20"));
  EXPECT_THAT(server_failure(), HasSubstr("expired on 20"));
}

TEST_P(TraversalClientTest, A05_ClientCertificateWithoutClientAuthIsToldByBoth) {
  core_wish.extended_key_usage = "serverAuth";
  start();
  EXPECT_THAT(await_failure(), HasSubstr("its extended key usage lacks clientAuth"));
  EXPECT_THAT(server_failure(), HasSubstr("clientAuth is missing"));
}

TEST_P(TraversalClientTest, A18_ServerCertificateWithoutServerAuthIsRefused) {
  edge_wish.extended_key_usage = "clientAuth";
  start();
  EXPECT_THAT(await_failure(), HasSubstr("serverAuth is missing in its extended key usage"));
}

TEST_P(TraversalClientTest, A19_ServerNameInTheCnAloneDoesNotCount) {
  edge_wish.subject_alt_names = "DNS:other.example.com";
  start();
  const std::string reason = await_failure();
  EXPECT_THAT(reason, HasSubstr("lacks the name edge.example.com in its SAN; its names are: DNS:other.example.com"));
  EXPECT_THAT(reason, HasSubstr("the CN, which does not count"));
}

TEST_P(TraversalClientTest, A19_CertificatesWithoutCnAndWithTheRightSanAreGood) {
  edge_wish.common_name = core_wish.common_name = "x";
  start();
  await_state(PeerState::active);
}

TEST_P(TraversalClientTest, A26_WrongPasswordIsAnAuthenticationFailureAndNotUnreachable) {
  client_settings.password = "wrong";
  start();
  const std::string reason = await_failure();
  EXPECT_THAT(reason, HasSubstr("authentication failed"));
  EXPECT_THAT(reason, Not(HasSubstr("reach")));
  EXPECT_THAT(server_failure(), HasSubstr("authentication failed: wrong password for user exampleauth"));
  EXPECT_EQ(joined_log().find("wrong\n"), std::string::npos) << "no password in a log";
}

TEST_P(TraversalClientTest, A26_UnknownUserIsAnAuthenticationFailure) {
  client_settings.username = "stranger";
  start();
  EXPECT_THAT(await_failure(), HasSubstr("authentication failed: the peer refused user stranger"));
  EXPECT_THAT(server_failure(), HasSubstr("user stranger is not the user of this zone"));
}

TEST_P(TraversalClientTest, A27_RefusedPortIsNamed) {
  start_server();
  const std::string address = port->address().text();
  stop_server();
  start_client();
  EXPECT_THAT(await_failure(), HasSubstr("connection refused on " + address));
}

TEST_P(TraversalClientTest, UnknownPeerNameIsADnsFailure) {
  client_settings.peer = "nowhere.example.com";
  start();
  EXPECT_THAT(await_failure(), HasSubstr("nowhere.example.com"));
  EXPECT_EQ(states.front(), PeerState::resolving);
  EXPECT_EQ(std::count(states.begin(), states.end(), PeerState::tcp), 0);
}

TEST_P(TraversalClientTest, A30_IpPeerWithoutIpSanIsRefused) {
  client_settings.peer = "127.0.0.1";
  start();
  EXPECT_THAT(await_failure(), HasSubstr("lacks the name 127.0.0.1 in its SAN"));
}

TEST_P(TraversalClientTest, A30_IpPeerWithIpSanIsActiveWithAWarning) {
  client_settings.peer = "127.0.0.1";
  edge_wish.subject_alt_names = "DNS:edge.example.com,IP:127.0.0.1";
  start();
  await_state(PeerState::active);
  EXPECT_THAT(client->status().warning, HasSubstr("IP address"));
}

TEST_P(TraversalClientTest, ComesBackByItselfWhenEDoes) {
  start();
  await_state(PeerState::active);
  stop_server();
  await([&] { return client->status().failures >= 3; });  // the loss, and attempts in vain
  EXPECT_EQ(lost_on_c, 1);
  start_server();
  await_state(PeerState::active);
  EXPECT_EQ(active_on_c, 2);
}

TEST_P(TraversalClientTest, AttemptsInVainGiveOneLineForEachReason) {
  client_settings.password = "wrong";
  start();
  await([&] { return client->status().failures >= 4; });
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("C "); }), 1) << joined_log();
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("E "); }), 1) << joined_log();
  EXPECT_GE(server->status().front().failures, 3u);
}

TEST_P(TraversalClientTest, SilentPeerIsLeftWithThatReasonAndTheBackoffIsKept) {
  client_settings.answer_ms = 40;
  client_settings.backoff_min_ms = client_settings.backoff_max_ms = 60'000;
  start_server();
  edge_router.on_request = [](const sip::Message&, const std::shared_ptr<proxy::Hop>&) { return true; };  // taken, never answered
  start_client();
  EXPECT_THAT(await_failure(), HasSubstr("no answer to OPTIONS in 40 ms"));
  const uint64_t after_ms = wheel->now_ms() + 150;
  await([&] { return wheel->now_ms() >= after_ms; });
  EXPECT_EQ(client->status().attempts, 1u) << "the end of the old connection cut the pause short";
}

TEST_P(TraversalClientTest, PeerWithoutMediaLinkIsNotActive) {
  has_media = false;
  start();
  EXPECT_THAT(await_failure(), HasSubstr("503 No media link"));
  EXPECT_EQ(active_on_c, 0);
}

TEST_P(TraversalClientTest, StoppedClientIsLostOnceAndOpensNothingMore) {
  start();
  await_state(PeerState::active);
  client->stop();
  EXPECT_EQ(lost_on_c, 1);
  await([&] { return lost_on_e == 1; });
  EXPECT_EQ(lost_on_c, 1);
  EXPECT_EQ(client->status().attempts, 1u);
}

TEST_P(TraversalClientTest, A10_NewCertificatesOfBothEndsServeTheNextConnectionAndTheRunningOneStays) {
  start();
  await_state(PeerState::active);
  const std::string edge_before = edge_certificate.serial, core_before = core_certificate.serial;
  edge_certificate = certificates.leaf("edge", edge_wish);
  core_certificate = certificates.leaf("core", core_wish);
  ASSERT_NE(edge_certificate.serial, edge_before);
  ASSERT_TRUE(edge_credentials->reload());
  ASSERT_TRUE(core_credentials->reload());
  const uint64_t answered = client->status().keepalives_answered;
  await([&] { return client->status().keepalives_answered >= answered + 2; });
  EXPECT_EQ(lost_on_c + lost_on_e, 0);
  EXPECT_EQ(client->status().attempts, 1u);
  server->close_all("next connection");
  await([&] { return active_on_c == 2; });
  EXPECT_EQ(seen_edge_serial, edge_certificate.serial);
  EXPECT_EQ(seen_core_serial, core_certificate.serial);
}

TEST_P(TraversalClientTest, A11_WithdrawnCaFailsTheNextHandshakeAndNotTheRunningConnection) {
  start();
  await_state(PeerState::active);
  tls::CredentialSource source;
  source.platform = {"platform", edge_certificate.certificate_path, edge_certificate.key_path};
  source.ca_paths = {certificates.ca("other")};
  ASSERT_TRUE(edge_credentials->reload(source));
  const uint64_t answered = client->status().keepalives_answered;
  await([&] { return client->status().keepalives_answered >= answered + 2; });
  EXPECT_EQ(lost_on_c, 0);
  server->close_all("next connection");
  await([&] { return client->status().reason.find("unknown CA") != std::string::npos; });
}

}  // namespace
}  // namespace sallyport::zones
