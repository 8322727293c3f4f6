// SPDX-License-Identifier: Apache-2.0
// A listener that proves names by tls-alpn-01 (RFC 8737) beside what it serves.
#include "controlplane/tls/challenge_responder.h"

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class ChallengeResponderTest : public EngineTest {
 public:
  void SetUp() override {
    EngineTest::SetUp();
    challenge = store(certificates.leaf("challenge", {.common_name = "challenge", .subject_alt_names = "DNS:a.example"}), {});
    const tls::Credential& credential = *challenge->snapshot()->platform().first;
    responder->present("A.example", {credential.certificate, credential.key});
  }
  tls::Listener& serve(std::vector<std::string> alpn) {
    tls::TlsPolicyOptions options;
    options.alpn = std::move(alpn);
    options.challenges = responder;
    return listen(policy(tls::TlsRole::server, store(certificates.leaf("server", {.common_name = "server", .subject_alt_names = "DNS:a.example"}), {}), options));
  }
  std::shared_ptr<tls::TlsPolicy> offering(std::vector<std::string> alpn) {
    tls::TlsPolicyOptions options;
    options.alpn = std::move(alpn);
    return policy(tls::TlsRole::client, trust_only(trusted()), options);
  }
  std::shared_ptr<tls::ChallengeResponder> responder = std::make_shared<tls::ChallengeResponder>();
  std::shared_ptr<tls::CredentialStore> challenge;
};
INSTANTIATE_FOR_BOTH_BACKENDS(ChallengeResponderTest);

TEST_P(ChallengeResponderTest, OneProtocolAloneGetsTheChallengesCertificateAndNoByteMore) {
  const tls::Listener& listener = serve({"http/1.1"});
  run([&]() -> awaitable<void> {
    auto validator = offering({std::string(tls::challenge_protocol)});
    const std::string name = "a.EXAMPLE";
    const auto asked = co_await dial(listener, validator, name);
    EXPECT_TRUE(asked) << asked.failure->text;
    if (!asked) co_return;
    const tls::TlsFacts facts = asked.stream->tls_facts();
    EXPECT_EQ(facts.alpn, tls::challenge_protocol);
    EXPECT_EQ(facts.peer->common_name, "challenge");
    const auto end = co_await asked.stream->receive();
    EXPECT_TRUE(end && end->empty());
    EXPECT_EQ(listener.counters().challenges_answered, 1u);
    EXPECT_EQ(listener.counters().established, 0u);
    EXPECT_TRUE(accepted.empty());
  }());
}

TEST_P(ChallengeResponderTest, OthersGetTheOrdinaryCertificate) {
  const tls::Listener& listener = serve({"http/1.1"});
  run([&]() -> awaitable<void> {
    for (const auto& [offered, chosen] : {std::pair<std::vector<std::string>, std::string>{{"http/1.1"}, "http/1.1"}, {{"acme-tls/1", "http/1.1"}, "http/1.1"}, {{"http/1.1", "acme-tls/1"}, "http/1.1"}, {{"acme-tls/2"}, ""}, {{}, ""}}) {
      auto client = offering(offered);
      const std::string name = "a.example";
      const auto asked = co_await dial(listener, client, name);
      EXPECT_TRUE(asked);
      if (!asked) co_return;
      EXPECT_EQ(asked.stream->tls_facts().peer->common_name, "server");
      EXPECT_EQ(asked.stream->tls_facts().alpn, chosen);
    }
    EXPECT_EQ(listener.counters().challenges_answered, 0u);
  }());
}

TEST_P(ChallengeResponderTest, NameWithoutAChallengeGetsNoHandshake) {
  const tls::Listener& listener = serve({});
  run([&]() -> awaitable<void> {
    auto validator = offering({std::string(tls::challenge_protocol)});
    const std::string other = "b.example", name = "a.example";
    const auto asked = co_await dial(listener, validator, other);
    EXPECT_FALSE(asked);
    responder->withdraw("a.Example");
    const auto late = co_await dial(listener, validator, name);
    EXPECT_FALSE(late);
    EXPECT_TRUE(co_await eventually([&] { return failures.size() == 2; }));
    EXPECT_EQ(failures[0].reason, tls::HandshakeReason::no_credential);
    EXPECT_EQ(failures[0].text, "an ACME validation of the name \"b.example\" came, but none is under way");
  }());
}

TEST_P(ChallengeResponderTest, ServerThatAnswersNoneTreatsItAsAnyProtocol) {
  const tls::Listener& listener = listen(policy(tls::TlsRole::server, store(certificates.leaf("server", {.common_name = "server", .subject_alt_names = "DNS:a.example"}), {})));
  run([&]() -> awaitable<void> {
    auto validator = offering({std::string(tls::challenge_protocol)});
    const std::string name = "a.example";
    const auto asked = co_await dial(listener, validator, name);
    EXPECT_TRUE(asked);
    EXPECT_EQ(asked.stream->tls_facts().alpn, "");
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
