// SPDX-License-Identifier: Apache-2.0
// Whole orders at a real authority: pebble, which refuses half of all nonces and looks at every challenge itself. C28.
#include "controlplane/acme/acme_order.h"

#include <gmock/gmock.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "controlplane/acme/dns01_hook.h"
#include "controlplane/acme/http01_solver.h"
#include "controlplane/acme/tls_alpn01_solver.h"
#include "tests/unit/acme/pebble.h"

namespace sallyport::acme_test {
namespace {

using ::testing::HasSubstr;

class AcmeOrder : public AcmeTest {
 public:
  void SetUp() override {
    if (const std::string objection = Pebble::objection(); !objection.empty()) GTEST_SKIP() << objection;
    AcmeTest::SetUp();
  }

  Http01Options http01_on(uint16_t port) {
    Http01Options options;
    options.addresses = {*tls::SocketAddress::parse("127.0.0.1", port)};
    return options;
  }
};

TEST_F(AcmeOrder, Http01IssuesAndPort80IsOpenOnlyMeanwhile) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    bool was_open = false;
    OrderJob order = job({"edge.example.test", "chat.example.test"}, {pebble.authority()}, {&solver});
    std::string account;
    order.on_account = [&](const std::string&, const std::string& url) { account = url; };
    order.on_progress = [&](const std::string& what) {
      was_open = was_open || solver.is_open();
      progress.push_back(what);
    };
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    if (!report.issued) co_return;
    EXPECT_TRUE(was_open);
    EXPECT_FALSE(solver.is_open());
    EXPECT_FALSE(answers_tcp(pebble.http_port()));
    EXPECT_GE(solver.counters().answered, 2u);
    EXPECT_NE(account, "");
    const CertificateChain& chain = report.issued->chain;
    EXPECT_EQ(chain.leaf.names_text(), "DNS:edge.example.test, DNS:chat.example.test") << chain.pem;
    EXPECT_EQ(X509_check_private_key(chain.certificates.front().get(), request.key.get()), 1);
    EXPECT_GE(chain.certificates.size(), 2u);
    EXPECT_NE(chain.renewal_id(), "");
  }());
}

TEST_F(AcmeOrder, TlsAlpn01IssuesOverAPortOfItsOwn) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    TlsAlpn01Options options;
    options.addresses = {*tls::SocketAddress::parse("127.0.0.1", pebble.tls_port())};
    TlsAlpn01Solver solver(*engine, options);
    OrderJob order = job({"edge.example.test", "chat.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    EXPECT_FALSE(answers_tcp(pebble.tls_port()));
  }());
}

TEST_F(AcmeOrder, TlsAlpn01IssuesThroughTheListenerThatServesOtherwise) {
  Pebble pebble(*this);
  tls_test::LeafWish wish;
  wish.subject_alt_names = "DNS:edge.example.test";
  const auto own = certificates.leaf("own", wish);
  tls::CredentialSource source;
  source.platform = {"platform", own.certificate_path, own.key_path};
  auto store = tls::CredentialStore::load(std::move(source));
  ASSERT_TRUE(store);
  tls::TlsPolicyOptions policy_options;
  policy_options.alpn = {"h2", "http/1.1"};
  policy_options.challenges = std::make_shared<tls::ChallengeResponder>();
  tls::ListenerOptions listener_options;
  listener_options.name = "https";
  listener_options.address = *tls::SocketAddress::parse("127.0.0.1", pebble.tls_port());
  listener_options.tls = *tls::TlsPolicy::create(policy_options, *store);
  unsigned served = 0;
  auto listener = tls::Listener::open(*engine, std::move(listener_options), [&](tls::StreamPtr) { ++served; });
  ASSERT_TRUE(listener) << listener.fault().text();
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    TlsAlpn01Options options;
    options.responder = policy_options.challenges;
    TlsAlpn01Solver solver(*engine, options);
    OrderJob order = job({"edge.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    EXPECT_GE((*listener)->counters().challenges_answered, 1u);
    EXPECT_EQ(served, 0u) << "a validation was handed on as a client";
    EXPECT_FALSE(policy_options.challenges->find("edge.example.test"));
    // Others are served as ever, and one that comes for a challenge that nobody runs is refused.
    HttpClientOptions client;
    client.tls = trust(certificates.ca());
    tls::ConnectOptions connect;
    connect.remote = (*listener)->address();
    connect.tls = client.tls;
    connect.sni = "edge.example.test";
    const auto ordinary = co_await tls::connect(*engine, connect);
    EXPECT_TRUE(ordinary);
    EXPECT_TRUE(co_await eventually([&] { return served == 1; }));
    tls::TlsPolicyOptions validator;
    validator.role = tls::TlsRole::client;
    validator.alpn = {std::string(tls::challenge_protocol)};
    connect.tls = *tls::TlsPolicy::create(validator, client.tls->credentials());
    const auto late = co_await tls::connect(*engine, connect);
    EXPECT_FALSE(late);
    EXPECT_EQ(served, 1u);
  }());
}

TEST_F(AcmeOrder, Dns01IssuesThroughAProgram) {
  const std::string curl = find_program("curl");
  if (curl.empty()) GTEST_SKIP() << "curl is not installed; scripts/install brings it";
  Pebble pebble(*this);
  certificates.write("hook", "#!/bin/sh\nset -e\ncase \"$1\" in present) verb=set-txt ;; cleanup) verb=clear-txt ;; esac\n" + curl + " -sf -d \"{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}\" " + pebble.challenge_url() +
                                  "/$verb\necho $1 >> " + certificates.path("said") + "\n");
  ::chmod(certificates.path("hook").c_str(), 0755);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Dns01HookOptions options;
    options.program = certificates.path("hook");
    Dns01Hook solver(options);
    OrderJob order = job({"*.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    EXPECT_EQ(certificates.read("said"), "present\ncleanup\n");
  }());
}

TEST_F(AcmeOrder, SecondAuthorityIssuesWhenTheFirstIsDead) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    Authority dead = pebble.authority("dead"), waiting = pebble.authority("waiting");
    dead.directory_url = "https://127.0.0.1:" + std::to_string(free_port()) + "/dir";
    waiting.not_before_s = std::time(nullptr) + 3600;
    OrderJob order = job({"edge.example.test"}, {dead, waiting, pebble.authority("second")}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text();
    if (!report.issued) co_return;
    EXPECT_EQ(report.issued->authority, "second");
    EXPECT_EQ(report.failures.size(), 2u);
    EXPECT_THAT(report.failures[0].fault.text(), HasSubstr("connection refused"));
    EXPECT_THAT(report.failures[1].fault.text(), HasSubstr("asked to be left alone until"));
  }());
}

TEST_F(AcmeOrder, ValidationThatFailsSaysWhatTheAuthoritySaw) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    // The port that the authority looks at stays shut.
    Http01Solver solver(*engine, http01_on(free_port()));
    OrderJob order = job({"edge.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_FALSE(report.issued);
    EXPECT_THAT(report.fault().text(), HasSubstr("authority pebble: validation of edge.example.test: the authority refuses: "));
    EXPECT_THAT(report.fault().text(), HasSubstr("connection refused"));
    EXPECT_EQ(report.failures[0].refusal.type, "connection");
    EXPECT_FALSE(solver.is_open());
  }());
}

TEST_F(AcmeOrder, PortThatIsTakenIsNamedAndNothingIsLeft) {
  Pebble pebble(*this);
  tls::ListenerOptions taken;
  taken.name = "other";
  taken.address = *tls::SocketAddress::parse("127.0.0.1", pebble.http_port());
  auto other = tls::Listener::open(*engine, std::move(taken), [](tls::StreamPtr) {});
  ASSERT_TRUE(other);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    OrderJob order = job({"edge.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_FALSE(report.issued);
    EXPECT_THAT(report.fault().text(), HasSubstr("the port is taken by another process"));
    EXPECT_FALSE(solver.is_open());
  }());
}

TEST_F(AcmeOrder, WildcardWithoutDnsIsRefusedWithTheRemedy) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    OrderJob order = job({"*.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_FALSE(report.issued);
    EXPECT_THAT(report.fault().text(), HasSubstr("offers for example.test only dns-01 (it is a wildcard); configure dns-01"));
  }());
}

TEST_F(AcmeOrder, ExternalAccountIsBoundAndWithoutItNothingGoes) {
  PebbleOptions options;
  options.external_accounts = {{"kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}};
  Pebble pebble(*this, options);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    OrderJob order = job({"edge.example.test"}, {pebble.authority()}, {&solver});
    OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_THAT(report.fault().text(), HasSubstr("external account binding"));
    Authority authority = pebble.authority();
    auto external = std::make_shared<ExternalAccount>();
    external->key_id = "kid-1";
    external->hmac_key = store::Secret("d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5");
    authority.account.external = external;
    order = job({"edge.example.test"}, {authority}, {&solver});
    report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_FALSE(report.issued);
    EXPECT_THAT(report.fault().text(), HasSubstr("the authority refuses"));
    external = std::make_shared<ExternalAccount>();
    external->key_id = "kid-1";
    external->hmac_key = store::Secret(options.external_accounts[0].second);
    authority.account.external = external;
    order = job({"edge.example.test"}, {authority}, {&solver});
    report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
  }());
}

TEST_F(AcmeOrder, AccountThatTheAuthorityForgotIsMadeAnew) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    Authority authority = pebble.authority();
    authority.account_url = authority.directory_url.substr(0, authority.directory_url.size() - 3) + "my-account/0123456789abcdef";
    OrderJob order = job({"edge.example.test"}, {authority}, {&solver});
    std::string account;
    order.on_account = [&](const std::string&, const std::string& url) { account = url; };
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    EXPECT_NE(account, "");
    EXPECT_NE(account, authority.account_url);
  }());
}

TEST_F(AcmeOrder, NameThatIsStillProvenIsNotProvenAgain) {
  PebbleOptions options;
  options.reused_authorizations_percent = 100;
  Pebble pebble(*this, options);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    Authority authority = pebble.authority();
    OrderJob order = job({"edge.example.test"}, {authority}, {&solver});
    order.on_account = [&](const std::string&, const std::string& url) { authority.account_url = url; };
    OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    const uint64_t answered = solver.counters().answered;
    // Without any way to prove it: none is needed.
    order = job({"edge.example.test"}, {authority}, {});
    order.replaces = "an.id";
    order.replaces_authority = authority.name;
    report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    EXPECT_EQ(solver.counters().answered, answered);
  }());
}

TEST_F(AcmeOrder, TermsThatNobodyAgreedToAreNamed) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Authority authority = pebble.authority();
    authority.account.agree_to_terms = false;
    OrderJob order = job({"edge.example.test"}, {authority}, {});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_THAT(report.fault().text(), HasSubstr("it makes accounts only for who agrees to its terms: data:"));
  }());
}

TEST_F(AcmeOrder, RsaAccountKeyServesToo) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    Http01Solver solver(*engine, http01_on(pebble.http_port()));
    Authority authority = pebble.authority();
    authority.key = *AccountKey::generate(AccountAlgorithm::rs256);
    OrderJob order = job({"edge.example.test"}, {authority}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
  }());
}

TEST_F(AcmeOrder, RequestWithoutNamesGoesNowhere) {
  run([&]() -> awaitable<void> {
    OrderJob order = job({}, {}, {});
    OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_THAT(report.fault().text(), HasSubstr("holds no DNS name in its subjectAltName"));
    order = job({"a.example.test"}, {}, {});
    report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_EQ(report.fault().text(), "ACME: no authority is configured; configure one");
  }());
}

}  // namespace
}  // namespace sallyport::acme_test
