// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/tls_policy.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class TlsPolicy : public EngineTest {
 public:
  // A server with this certificate, a client that trusts "ca": how does the client's handshake end?
  awaitable<tls::ConnectResult> client_meets(LeafWish wish, std::string ca_name = "ca", std::string sni = "server.example") { return client_meets(wish, ca_name, sni, std::vector<std::string>()); }
  awaitable<tls::ConnectResult> client_meets(LeafWish wish, std::string ca_name, std::string sni, std::vector<std::string> names) {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", wish, ca_name), {}));
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    const tls::Listener& listener = listen(server_tls);
    tls::ConnectOptions options;
    options.remote = listener.address();
    options.tls = client_tls;
    options.sni = sni;
    options.peer_names = names;
    auto result = co_await tls::connect(*engine, options);
    co_return result;
  }
  // A client with this certificate (none: empty name) meets a server that requires one: how does the server's handshake end?
  awaitable<std::optional<tls::HandshakeFailure>> server_meets(std::shared_ptr<tls::CredentialStore> client_store) { return server_meets(std::move(client_store), tls::TlsPolicyOptions()); }
  awaitable<std::optional<tls::HandshakeFailure>> server_meets(std::shared_ptr<tls::CredentialStore> client_store, tls::TlsPolicyOptions options) {
    options.role = tls::TlsRole::server_verifies_client;
    auto server_tls = policy(options.role, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), trusted()), options);
    auto client_tls = policy(tls::TlsRole::client, client_store);
    const tls::Listener& listener = listen(server_tls);
    auto result = co_await dial(listener, client_tls);
    EXPECT_TRUE(co_await eventually([&] { return !failures.empty() || !accepted.empty(); }));
    if (failures.empty()) co_return std::nullopt;
    if (result) {  // TLS 1.3: the client learns of the refusal at its first read
      const auto read = co_await result.stream->receive();
      EXPECT_FALSE(read);
      late_refusal = read ? "" : read.fault().text();
    }
    co_return failures.front();
  }
  std::string late_refusal;
};
INSTANTIATE_FOR_BOTH_BACKENDS(TlsPolicy);

// GCC 12 cannot compile lists of constants inside a coroutine.
template <class... Text>
std::vector<std::string> list(const Text&... texts) {
  std::vector<std::string> result;
  (result.emplace_back(texts), ...);
  return result;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_P(TlsPolicy, ExpiredCertificateIsRefusedWithIssuerSerialAndDate) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_1{.subject_alt_names = "DNS:server.example", .not_before_s = -7200, .not_after_s = -3600};
    const auto result = co_await client_meets(wish_1);
    EXPECT_FALSE(result);
    if (result) co_return;
    EXPECT_EQ(result.failure->stage, tls::ConnectStage::tls);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::expired);
    EXPECT_TRUE(holds(result.failure->text, "expired on 20") && holds(result.failure->text, "Test CA ca")) << result.failure->text;
    EXPECT_TRUE(holds(result.failure->text, result.failure->handshake->certificate->serial)) << result.failure->text;
    EXPECT_FALSE(result.failure->remedy.empty());
    EXPECT_TRUE(co_await eventually([&] { return !failures.empty(); }));
    // C08: the server hears why, and for which name.
    EXPECT_EQ(failures.front().alert, SSL_AD_CERTIFICATE_EXPIRED);
    EXPECT_TRUE(failures.front().refuses_our_certificate);
    EXPECT_EQ(failures.front().sni, "server.example");
  }());
}

TEST_P(TlsPolicy, CertificateOfTheFutureIsNotYetValid) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_2{.subject_alt_names = "DNS:server.example", .not_before_s = 3600};
    const auto result = co_await client_meets(wish_2);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::not_yet_valid);
  }());
}

TEST_P(TlsPolicy, CertificateOfAnUnknownCaNamesTheIssuerToInstall) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_3{.subject_alt_names = "DNS:server.example"};
    const auto result = co_await client_meets(wish_3, "stranger");
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::untrusted_issuer);
    EXPECT_TRUE(holds(result.failure->text, "Test CA stranger")) << result.failure->text;
    EXPECT_TRUE(holds(result.failure->remedy, "Test CA stranger")) << result.failure->remedy;
  }());
}

TEST_P(TlsPolicy, SelfSignedCertificateIsRefusedUnlessItIsTrustedItself) {
  run([&]() -> awaitable<void> {
    const LeafWish wish{.subject_alt_names = "DNS:server.example", .self_signed = true};
    const auto refused = co_await client_meets(wish);
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.failure->handshake->reason, tls::HandshakeReason::untrusted_issuer);
    auto client_tls = policy(tls::TlsRole::client, trust_only({certificates.path("server.pem")}));
    const auto fine = co_await dial(*listeners.back(), client_tls);
    EXPECT_TRUE(fine) << (fine ? "" : fine.failure->text);
  }());
}

TEST_P(TlsPolicy, WrongSanIsRefusedAndTheNamesPresentAreListed) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_4{.subject_alt_names = "DNS:other.example,IP:192.0.2.7"};
    const auto result = co_await client_meets(wish_4);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::name_mismatch);
    EXPECT_TRUE(holds(result.failure->text, "DNS:other.example, IP:192.0.2.7")) << result.failure->text;
    EXPECT_TRUE(holds(result.failure->text, "server.example")) << result.failure->text;
  }());
}

TEST_P(TlsPolicy, NameInTheCommonNameAloneNeverCounts) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_5{.common_name = "server.example"};
    const auto without_san = co_await client_meets(wish_5);
    EXPECT_FALSE(without_san);
    EXPECT_EQ(without_san.failure->handshake->reason, tls::HandshakeReason::name_mismatch);
    EXPECT_TRUE(holds(without_san.failure->text, "CN, which does not count")) << without_san.failure->text;
    // OpenSSL's own check would fall back to the CN here, since the SAN holds no DNS name.
    const LeafWish wish_6{.common_name = "server.example", .subject_alt_names = "IP:192.0.2.1"};
    const auto with_ip_san = co_await client_meets(wish_6);
    EXPECT_FALSE(with_ip_san);
    EXPECT_EQ(with_ip_san.failure->handshake->reason, tls::HandshakeReason::name_mismatch);
  }());
}

TEST_P(TlsPolicy, IpPeerNeedsAnIpSan) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_7{.subject_alt_names = "IP:127.0.0.1"};
    const auto with_ip = co_await client_meets(wish_7, "ca", "");
    EXPECT_TRUE(with_ip) << (with_ip ? "" : with_ip.failure->text);
    const LeafWish wish_8{.subject_alt_names = "DNS:127.0.0.1"};
    const auto as_dns = co_await client_meets(wish_8, "ca", "");
    EXPECT_FALSE(as_dns);
    EXPECT_EQ(as_dns.failure->handshake->reason, tls::HandshakeReason::name_mismatch);
  }());
}

TEST_P(TlsPolicy, WildcardIsRefusedForSip) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_9{.subject_alt_names = "DNS:*.example"};
    const auto result = co_await client_meets(wish_9);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::name_mismatch);
  }());
}

TEST_P(TlsPolicy, SipUriSanProvesTheDomain) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_10{.subject_alt_names = "URI:sip:example.com"};
    const auto result = co_await client_meets(wish_10, "ca", "server.example", list("example.com"));
    EXPECT_TRUE(result) << (result ? "" : result.failure->text);
  }());
}

TEST_P(TlsPolicy, ServerWithoutServerAuthIsRefused) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_11{.subject_alt_names = "DNS:server.example", .extended_key_usage = "clientAuth"};
    const auto result = co_await client_meets(wish_11);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::wrong_usage);
    EXPECT_TRUE(holds(result.failure->text, "serverAuth")) << result.failure->text;
    const LeafWish wish_12{.subject_alt_names = "DNS:server.example", .extended_key_usage = ""};
    const auto without_eku = co_await client_meets(wish_12);
    EXPECT_TRUE(without_eku) << (without_eku ? "" : without_eku.failure->text);
  }());
}

TEST_P(TlsPolicy, ClientWithGoodCertificateIsAdmittedAndDescribed) {
  run([&]() -> awaitable<void> {
    const Issued own = certificates.leaf("client", {.common_name = "c1", .subject_alt_names = "DNS:c1.example"});
    tls::TlsPolicyOptions options;
    options.peer_names = list("cluster.example", "c1.example");
    const auto failure = co_await server_meets(store(own, trusted()), options);
    EXPECT_FALSE(failure) << (failure ? failure->text : "");
    if (failure) co_return;
    const tls::TlsFacts facts = accepted.front()->tls_facts();
    EXPECT_EQ(facts.peer->serial, own.serial);
    EXPECT_EQ(facts.peer->subject, "CN=c1");
    EXPECT_EQ(facts.peer->issuer, "CN=Test CA ca");
    EXPECT_EQ(facts.peer->names_text(), "DNS:c1.example");
    EXPECT_FALSE(facts.resumed);
  }());
}

TEST_P(TlsPolicy, ClientWithoutCertificateIsRefusedOnTheTraversalPort) {
  run([&]() -> awaitable<void> {
    const auto failure = co_await server_meets(trust_only(trusted()));
    EXPECT_TRUE(failure.has_value());
    EXPECT_EQ(failure->reason, tls::HandshakeReason::no_certificate);
    EXPECT_TRUE(holds(late_refusal, "certificate")) << late_refusal;
    EXPECT_EQ(listeners.back()->counters().handshake_failed[static_cast<size_t>(tls::HandshakeReason::no_certificate)], 1u);
    EXPECT_EQ(listeners.back()->counters().established, 0u);
  }());
}

TEST_P(TlsPolicy, ClientWithoutClientAuthIsRefused) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_13{.subject_alt_names = "DNS:c1.example", .extended_key_usage = "serverAuth"};
    const auto failure = co_await server_meets(store(certificates.leaf("client", wish_13), trusted()));
    EXPECT_TRUE(failure.has_value());
    EXPECT_EQ(failure->reason, tls::HandshakeReason::wrong_usage);
    EXPECT_TRUE(holds(failure->text, "clientAuth")) << failure->text;
  }());
}

TEST_P(TlsPolicy, EkuRuleCanBeSwitchedOff) {
  run([&]() -> awaitable<void> {
    tls::TlsPolicyOptions options;
    options.require_eku = false;
    const LeafWish wish_14{.subject_alt_names = "DNS:c1.example", .extended_key_usage = "serverAuth"};
    const auto failure = co_await server_meets(store(certificates.leaf("client", wish_14), trusted()), options);
    EXPECT_FALSE(failure) << (failure ? failure->text : "");
  }());
}

TEST_P(TlsPolicy, ClientNameIsCheckedInSanOnly) {
  run([&]() -> awaitable<void> {
    tls::TlsPolicyOptions options;
    options.peer_names = list("c1.example");
    const LeafWish wish_15{.common_name = "c1.example", .subject_alt_names = "DNS:c2.example"};
    const auto failure = co_await server_meets(store(certificates.leaf("client", wish_15), trusted()), options);
    EXPECT_TRUE(failure.has_value());
    EXPECT_EQ(failure->reason, tls::HandshakeReason::name_mismatch);
    EXPECT_TRUE(holds(failure->text, "DNS:c2.example") && holds(failure->text, "CN, which does not count")) << failure->text;
  }());
}

TEST_P(TlsPolicy, PeerNamesChangeForTheNextHandshake) {
  run([&]() -> awaitable<void> {
    tls::TlsPolicyOptions options;
    options.role = tls::TlsRole::server_verifies_client;
    options.peer_names = list("other.example");
    auto server_tls = policy(options.role, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), trusted()), options);
    auto client_tls = policy(tls::TlsRole::client, store(certificates.leaf("client", {.subject_alt_names = "DNS:c1.example"}), trusted()));
    const tls::Listener& listener = listen(server_tls);
    [[maybe_unused]] auto first = co_await dial(listener, client_tls);
    EXPECT_TRUE(co_await eventually([&] { return failures.size() == 1; }));
    server_tls->set_peer_names(list("c1.example"));
    auto second = co_await dial(listener, client_tls);
    EXPECT_TRUE(second);
    EXPECT_TRUE(co_await eventually([&] { return accepted.size() == 1; }));
    EXPECT_EQ(failures.size(), 1u);
  }());
}

TEST_P(TlsPolicy, UnknownCaOfTheClientIsRefused) {
  run([&]() -> awaitable<void> {
    const LeafWish wish_16{.subject_alt_names = "DNS:c1.example"};
    const Issued own = certificates.leaf("client", wish_16, "stranger");
    const auto failure = co_await server_meets(store(own, trusted()));
    EXPECT_TRUE(failure.has_value());
    EXPECT_EQ(failure->reason, tls::HandshakeReason::untrusted_issuer);
    EXPECT_TRUE(holds(failure->remedy, "trusted CAs (" + certificates.ca() + ")")) << failure->remedy;
    // What the client is told is a number; it knows itself which certificate it was.
    EXPECT_TRUE(holds(late_refusal, "refused our certificate serial " + own.serial) && holds(late_refusal, "Test CA stranger") && holds(late_refusal, "unknown CA (alert 48)")) << late_refusal;
  }());
}

TEST_P(TlsPolicy, AlpnIsAgreedByTheServersPreference) {
  run([&]() -> awaitable<void> {
    tls::TlsPolicyOptions server_options, client_options;
    server_options.alpn = list("h2", "http/1.1");
    client_options.alpn = list("http/1.1", "h2");
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}), server_options);
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()), client_options);
    auto result = co_await dial(listen(server_tls), client_tls);
    EXPECT_TRUE(result);
    EXPECT_EQ(result.stream->tls_facts().alpn, "h2");
    auto plain_client = policy(tls::TlsRole::client, trust_only(trusted()), {.alpn = list("sip/2")});
    auto other = co_await dial(*listeners.back(), plain_client);
    EXPECT_TRUE(other);
    EXPECT_EQ(other.stream->tls_facts().alpn, "");
    tls::TlsPolicyOptions strict_options = server_options;
    strict_options.strict_alpn = true;
    auto strict = policy(tls::TlsRole::server, server_tls->credentials(), strict_options);
    const tls::Listener& strict_listener = listen(strict);
    auto refused = co_await dial(strict_listener, plain_client);
    EXPECT_FALSE(refused) << "RFC 7301 3.2";
    auto without = policy(tls::TlsRole::client, trust_only(trusted()));
    auto silent = co_await dial(strict_listener, without);
    EXPECT_TRUE(silent) << "who offers none may mean any";
  }());
}

// A client with OpenSSL's own settings over a plain Stream, for what our policy would not do.
class RawClient {
 public:
  RawClient(int min_version, int max_version, const char* tls12_suites) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, min_version);
    SSL_CTX_set_max_proto_version(context_, max_version);
    if (tls12_suites != nullptr) SSL_CTX_set_cipher_list(context_, tls12_suites);
    ssl_ = SSL_new(context_);
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in, out);
    SSL_set_connect_state(ssl_);
    in_ = in;
    out_ = out;
  }
  ~RawClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  // Exchanges with the stream until the handshake ends: true if it succeeded.
  awaitable<bool> handshake(tls::StreamPtr stream) {
    for (;;) {
      const int result = SSL_do_handshake(ssl_);
      flush(*stream);
      if (result == 1) co_return true;
      if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) co_return false;
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) co_return false;
      BIO_write(in_, bytes->data(), static_cast<int>(bytes->size()));
    }
  }
  void flush(tls::Stream& stream) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    if (size > 0) stream.send({data, static_cast<size_t>(size)});
    (void)BIO_reset(out_);
  }
  SSL* ssl() { return ssl_; }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  BIO *in_, *out_;
};

struct VersionRow {
  const char* what;
  int low, high;
  const char* suites;
  bool fine;
  tls::HandshakeReason reason;
};
const VersionRow version_rows[] = {
    {"TLS 1.0", TLS1_VERSION, TLS1_VERSION, "ALL:@SECLEVEL=0", false, tls::HandshakeReason::no_shared_version},
    {"TLS 1.1", TLS1_1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", false, tls::HandshakeReason::no_shared_version},
    {"TLS 1.2 with CBC", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false, tls::HandshakeReason::no_shared_cipher},
    {"TLS 1.2 with RSA key exchange", TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256", false, tls::HandshakeReason::no_shared_cipher},
    {"TLS 1.2 with ECDHE and GCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true, tls::HandshakeReason::other},
    {"TLS 1.3", TLS1_3_VERSION, TLS1_3_VERSION, nullptr, true, tls::HandshakeReason::other},
};

constexpr int mutual_versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

TEST_P(TlsPolicy, OldVersionsAndWeakSuitesFindNoAgreement) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    const tls::Listener& listener = listen(server_tls);
    for (const VersionRow& row : version_rows) {
      failures.clear();
      accepted.clear();
      auto plain = co_await dial(listener);
      EXPECT_TRUE(plain);
      RawClient client(row.low, row.high, row.suites);
      const bool fine = co_await client.handshake(plain.stream);
      EXPECT_EQ(fine, row.fine) << row.what;
      EXPECT_TRUE(co_await eventually([&] { return failures.size() + accepted.size() == 1; })) << row.what;
      EXPECT_EQ(accepted.size(), row.fine ? 1u : 0u) << row.what;
      if (!row.fine && !failures.empty()) {
        EXPECT_EQ(failures.front().reason, row.reason) << row.what << ": " << failures.front().text;
      }
    }
  }());
}

TEST_P(TlsPolicy, RenegotiationIsRefused) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    auto plain = co_await dial(listen(server_tls));
    RawClient client(TLS1_2_VERSION, TLS1_2_VERSION, nullptr);
    EXPECT_TRUE(co_await client.handshake(plain.stream));
    auto server = co_await next_accepted();
    EXPECT_EQ(SSL_renegotiate(client.ssl()), 1);
    // RFC 5246 7.2.2: the server answers with the warning no_renegotiation, which ends the attempt, or the connection with it.
    boost::asio::co_spawn(context, echo(server), boost::asio::detached);
    EXPECT_FALSE(co_await client.handshake(plain.stream));
    EXPECT_EQ(listeners.back()->counters().established, 1u);
  }());
}

TEST_P(TlsPolicy, HandshakeByteAtATimeSucceeds) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    auto plain = co_await dial(listen(server_tls));
    RawClient client(TLS1_3_VERSION, TLS1_3_VERSION, nullptr);
    SSL_do_handshake(client.ssl());
    char* data = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(client.ssl()), &data);
    const std::string hello(data, static_cast<size_t>(size));
    (void)BIO_reset(SSL_get_wbio(client.ssl()));
    for (const char c : hello) {
      plain.stream->send({&c, 1});
      const auto drained = co_await plain.stream->drain();
      EXPECT_TRUE(drained);
    }
    EXPECT_TRUE(co_await client.handshake(plain.stream));
    EXPECT_TRUE(co_await eventually([&] { return accepted.size() == 1; }));
  }());
}

TEST_P(TlsPolicy, GarbageOnATlsPortIsCountedAsProtocolFailure) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    auto plain = co_await dial(listen(server_tls));
    plain.stream->send("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n");
    EXPECT_TRUE(co_await eventually([&] { return failures.size() == 1; }));
    EXPECT_EQ(failures.front().reason, tls::HandshakeReason::protocol);
    EXPECT_TRUE(holds(failures.front().text, "does not speak TLS")) << failures.front().text;
    EXPECT_TRUE(co_await eventually([&] { return engine->open_streams() <= 1; }));
  }());
}

TEST_P(TlsPolicy, SilentClientMeetsTheHandshakeDeadline) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    tls::ListenerOptions options;
    options.handshake_deadline = 100ms;
    auto plain = co_await dial(listen(server_tls, options));
    EXPECT_TRUE(co_await eventually([&] { return failures.size() == 1; }));
    EXPECT_EQ(failures.front().reason, tls::HandshakeReason::timed_out);
    const auto end = co_await plain.stream->receive();
    EXPECT_TRUE(!end || end->empty());
  }());
}

TEST_P(TlsPolicy, TicketResumesOnThePublicPort) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    const tls::Listener& listener = listen(server_tls);
    auto plain = co_await dial(listener);
    RawClient first(TLS1_2_VERSION, TLS1_2_VERSION, nullptr);
    EXPECT_TRUE(co_await first.handshake(plain.stream));
    SSL_SESSION* session = SSL_get1_session(first.ssl());
    auto again = co_await dial(listener);
    RawClient second(TLS1_2_VERSION, TLS1_2_VERSION, nullptr);
    SSL_set_session(second.ssl(), session);
    EXPECT_TRUE(co_await second.handshake(again.stream));
    EXPECT_EQ(SSL_session_reused(second.ssl()), 1);
    EXPECT_TRUE(co_await eventually([&] { return accepted.size() == 2; }));
    EXPECT_TRUE(accepted.back()->tls_facts().resumed);
    SSL_SESSION_free(session);
  }());
}

TEST_P(TlsPolicy, MutualPortNeverResumesSoThatEveryHandshakeIsJudged) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server_verifies_client, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), trusted()));
    const Issued own = certificates.leaf("client", {.subject_alt_names = "DNS:c.example"});
    const tls::Listener& listener = listen(server_tls);
    for (const int version : mutual_versions) {
      accepted.clear();
      SSL_SESSION* session = nullptr;
      for (int attempt = 0; attempt < 2; ++attempt) {
        auto plain = co_await dial(listener);
        RawClient client(version, version, nullptr);
        EXPECT_EQ(SSL_use_certificate_file(client.ssl(), own.certificate_path.c_str(), SSL_FILETYPE_PEM), 1);
        EXPECT_EQ(SSL_use_PrivateKey_file(client.ssl(), own.key_path.c_str(), SSL_FILETYPE_PEM), 1);
        if (session != nullptr) SSL_set_session(client.ssl(), session);
        EXPECT_TRUE(co_await client.handshake(plain.stream));
        EXPECT_EQ(SSL_session_reused(client.ssl()), 0);
        if (session == nullptr) session = SSL_get1_session(client.ssl());
        EXPECT_TRUE(co_await eventually([&] { return accepted.size() == static_cast<size_t>(attempt + 1); }));
      }
      SSL_SESSION_free(session);
    }
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
