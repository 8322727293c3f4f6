// SPDX-License-Identifier: Apache-2.0
// One account at one authority: at pebble what pebble does, at a scripted one what it does not.
#include "controlplane/acme/acme_client.h"

#include <gmock/gmock.h>
#include <openssl/x509.h>

#include <boost/json.hpp>

#include "controlplane/acme/http01_solver.h"
#include "controlplane/acme/jws.h"
#include "tests/unit/acme/pebble.h"
#include "tests/unit/acme/scripted_server.h"

namespace sallyport::acme_test {
namespace {

using ::testing::HasSubstr;

class AcmeClientTest : public AcmeTest {
 public:
  AcmeClientOptions options_for(const std::string& directory_url) {
    AcmeClientOptions options;
    options.authority = "test";
    options.directory_url = directory_url;
    options.tls = trust(certificates.ca());
    options.poll_min = 10ms;
    options.poll_max = 50ms;
    options.patience = 10s;
    return options;
  }
  AcmeClient client_for(const Authority& authority) { return AcmeClient(*engine, *resolver, options_for(authority.directory_url), authority.key); }
  static std::string der_of(const CertificateChain& chain) {
    unsigned char* der = nullptr;
    const int length = i2d_X509(chain.certificates.front().get(), &der);
    const std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(length));
    OPENSSL_free(der);
    return bytes;
  }
};

class AcmeClientAtPebble : public AcmeClientTest {
 public:
  void SetUp() override {
    if (const std::string objection = Pebble::objection(); !objection.empty()) GTEST_SKIP() << objection;
    AcmeTest::SetUp();
  }
};

TEST_F(AcmeClientAtPebble, AccountKeyRollsOver) {
  Pebble pebble(*this);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    const Authority authority = pebble.authority();
    AcmeClient client = client_for(authority);
    const auto opened = co_await client.open();
    EXPECT_TRUE(opened) << opened.fault().text();
    AccountWish wish;
    wish.contacts = {"mailto:admin@example.test"};
    const AccountWish again = wish;
    auto registered = co_await client.register_account(std::move(wish));
    EXPECT_TRUE(registered) << registered.fault().text();
    const std::string account = client.account_url();
    AccountKey next = account_key();
    const AccountKey kept = next;
    const auto changed = co_await client.change_key(std::move(next));
    EXPECT_TRUE(changed) << changed.fault().text() << pebble.log();
    EXPECT_EQ(client.key().thumbprint(), kept.thumbprint());
    OrderWish order;
    order.names = {"a.example.test"};
    const auto placed = co_await client.place_order(std::move(order));
    EXPECT_TRUE(placed) << placed.fault().text();
    // The new key finds the account; the old one has none any more.
    Authority later = authority;
    later.key = kept;
    AcmeClient found = client_for(later);
    const auto opened_again = co_await found.open();
    EXPECT_TRUE(opened_again);
    wish = again;
    registered = co_await found.register_account(std::move(wish));
    EXPECT_TRUE(registered);
    EXPECT_EQ(found.account_url(), account);
    // A key that another account has is refused, and the client keeps its own.
    AcmeClient other = client_for(authority);
    const auto other_opened = co_await other.open();
    EXPECT_TRUE(other_opened);
    wish = again;
    registered = co_await other.register_account(std::move(wish));
    EXPECT_TRUE(registered);
    EXPECT_NE(other.account_url(), account);
    next = kept;
    const auto conflict = co_await other.change_key(std::move(next));
    EXPECT_FALSE(conflict);
    EXPECT_EQ(other.key().thumbprint(), authority.key.thumbprint());
  }());
}

TEST_F(AcmeClientAtPebble, CertificateIsRevokedOnceAndAlternateRootIsTaken) {
  PebbleOptions pebble_options;
  pebble_options.alternate_roots = 1;
  Pebble pebble(*this, pebble_options);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pebble.ready());
    HttpClientOptions https_options;
    https_options.tls = trust(certificates.ca());
    HttpClient https(*engine, *resolver, std::move(https_options));
    HttpRequest root;
    root.url = pebble.management_url() + "/roots/1";
    const auto root_pem = co_await https.ask(std::move(root));
    EXPECT_TRUE(root_pem) << root_pem.fault().text();
    const auto wanted = CertificateChain::read(root_pem->body);
    EXPECT_TRUE(wanted) << root_pem->body;
    Http01Options solver_options;
    solver_options.addresses = {*tls::SocketAddress::parse("127.0.0.1", pebble.http_port())};
    Http01Solver solver(*engine, std::move(solver_options));
    Authority authority = pebble.authority();
    authority.preferred_root = wanted->root_name();
    OrderJob order = job({"a.example.test"}, {authority}, {&solver});
    order.on_account = [&](const std::string&, const std::string& url) { authority.account_url = url; };
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text();
    if (!report.issued) co_return;
    EXPECT_EQ(report.issued->chain.root_name(), wanted->root_name());
    AcmeClient client(*engine, *resolver, options_for(authority.directory_url), authority.key, authority.account_url);
    const auto opened = co_await client.open();
    EXPECT_TRUE(opened);
    const std::string der = der_of(report.issued->chain);
    const auto revoked = co_await client.revoke(der, 4);
    EXPECT_TRUE(revoked) << revoked.fault().text();
    const auto twice = co_await client.revoke(der, 4);
    EXPECT_FALSE(twice);
    EXPECT_EQ(client.last_refusal().type, "alreadyRevoked");
    // The packaged pebble offers no renewal information.
    const std::string id = report.issued->chain.renewal_id();
    const auto advice = co_await client.renewal_info(id);
    EXPECT_EQ(advice.fault().code, FaultCode::missing);
  }());
}

// --- what no real authority does, or the packaged one does not yet ----------------------------------------------------------------

std::string payload_of(const HttpMessage& request) {
  const boost::json::object object = boost::json::parse(request.body).as_object();
  return decode_base64url(object.at("payload").as_string().c_str()).value();
}

TEST_F(AcmeClientTest, RenewalInformationIsReadAndTheOrderSaysWhatItReplaces) {
  ScriptedServer* self = nullptr;
  std::vector<std::string> orders;
  ScriptedServer server(*this, [&](const HttpMessage& request) {
    const std::string nonce = "Replay-Nonce: bm9uY2U\r\n";
    if (request.target == "/dir") return json_answer(self->directory("\"renewalInfo\":\"" + self->url("/ari") + "\","));
    if (request.target == "/newNonce") return http("200 OK", "text/plain", "", nonce);
    if (request.target == "/ari/aki.serial") return json_answer(R"({"suggestedWindow":{"start":"2026-11-28T10:00:00Z","end":"2026-11-29T10:00:00Z"}})", "Retry-After: 21600\r\n");
    orders.push_back(payload_of(request));
    if (orders.back().find("replaces") != std::string::npos) {
      return http("409 Conflict", "application/problem+json", R"({"type":"urn:ietf:params:acme:error:alreadyReplaced","detail":"done"})", nonce);
    }
    return http("201 Created", "application/json", "{\"status\":\"pending\",\"authorizations\":[],\"finalize\":\"" + self->url("/f") + "\"}", nonce + "Location: /order/1\r\n");
  });
  self = &server;
  run([&]() -> awaitable<void> {
    AcmeClient client(*engine, *resolver, options_for(server.url("/dir")), account_key(), server.url("/account/1"));
    const auto opened = co_await client.open();
    EXPECT_TRUE(opened) << opened.fault().text();
    const std::string id = "aki.serial";
    const auto advice = co_await client.renewal_info(id);
    EXPECT_TRUE(advice) << advice.fault().text();
    EXPECT_EQ(advice->info.end_s - advice->info.start_s, 86400);
    EXPECT_EQ(advice->ask_again_after_s, 21600);
    OrderWish wish;
    wish.names = {"a.example"};
    wish.replaces = id;
    const auto placed = co_await client.place_order(std::move(wish));
    EXPECT_TRUE(placed) << placed.fault().text();
    EXPECT_EQ(placed->url, server.url("/order/1"));
  }());
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[0], R"({"identifiers":[{"type":"dns","value":"a.example"}],"replaces":"aki.serial"})");
  EXPECT_EQ(orders[1], R"({"identifiers":[{"type":"dns","value":"a.example"}]})");
}

TEST_F(AcmeClientTest, BadNoncesAreTriedAgainOnlySoOften) {
  ScriptedServer* self = nullptr;
  unsigned posts = 0, accepts_after = 1000;
  ScriptedServer server(*this, [&](const HttpMessage& request) {
    if (request.target == "/dir") return json_answer(self->directory());
    if (request.target == "/newNonce") return http("200 OK", "text/plain", "", "Replay-Nonce: bm9uY2U\r\n");
    if (++posts == accepts_after) return http("201 Created", "application/json", "{}", "Location: /account/1\r\n");
    return http("400 Bad Request", "application/problem+json", R"({"type":"urn:ietf:params:acme:error:badNonce","detail":"no"})", "Replay-Nonce: bm9uY2Uy\r\n");
  });
  self = &server;
  run([&]() -> awaitable<void> {
    AcmeClientOptions options = options_for(server.url("/dir"));
    options.nonce_tries = 5;
    AcmeClient client(*engine, *resolver, std::move(options), account_key());
    const auto opened = co_await client.open();
    EXPECT_TRUE(opened);
    AccountWish wish;
    const AccountWish again = wish;
    auto registered = co_await client.register_account(std::move(wish));
    EXPECT_FALSE(registered);
    EXPECT_THAT(registered.fault().text(), HasSubstr("it refused 5 nonces in a row"));
    EXPECT_EQ(posts, 5u);
    accepts_after = 8;
    wish = again;
    registered = co_await client.register_account(std::move(wish));
    EXPECT_TRUE(registered) << registered.fault().text();
    EXPECT_EQ(client.account_url(), server.url("/account/1"));
  }());
  EXPECT_EQ(posts, 8u);
}

TEST_F(AcmeClientTest, RateLimitIsToldWithItsTime) {
  ScriptedServer* self = nullptr;
  ScriptedServer server(*this, [&](const HttpMessage& request) {
    if (request.target == "/dir") return json_answer(self->directory());
    if (request.target == "/newNonce") return http("200 OK", "text/plain", "", "Replay-Nonce: bm9uY2U\r\n");
    return http("429 Too Many Requests", "application/problem+json", R"({"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates (5) already issued"})", "Retry-After: 3600\r\n");
  });
  self = &server;
  run([&]() -> awaitable<void> {
    AcmeClient client(*engine, *resolver, options_for(server.url("/dir")), account_key(), server.url("/account/1"));
    const auto opened = co_await client.open();
    EXPECT_TRUE(opened);
    OrderWish wish;
    wish.names = {"a.example"};
    const auto placed = co_await client.place_order(std::move(wish));
    EXPECT_EQ(placed.fault().text(),
              "authority test: the authority refuses: too many certificates (5) already issued (rateLimited, HTTP 429); it asks to come back in 3600 s; wait until the authority's limit has passed; it is tried again by itself");
    EXPECT_EQ(client.last_refusal().retry_after_s, 3600);
  }());
}

TEST_F(AcmeClientTest, HostileAnswersEndInAFaultThatNamesTheAuthority) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {http("200 OK", "text/html", "<html>login</html>"), "authority test: its answer is HTTP 200 with text/html, not JSON"},
      {http("302 Found", "text/html", "", "Location: https://127.0.0.1/\r\n"), "authority test: its answer is HTTP 302"},
      {http("200 OK", "application/json", "{\"newNonce\":"), "authority test: its answer is no JSON"},
      {http("200 OK", "application/json", "[[[["), "authority test: its answer is no JSON"},
      {http("200 OK", "application/json", R"({"newNonce":"file:///etc/passwd"})"), "\"newNonce\" does not begin with https://"},
      {http("503 Service Unavailable", "text/html", "<html>"), "no problem document, but \"text/html\" content (HTTP 503)"},
      {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", "it ends in the middle"},
      {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000000000\r\n\r\n{", "its body is longer"},
  };
  for (const auto& [answer, cause] : rows) {
    ScriptedServer server(*this, [&](const HttpMessage&) { return answer; });
    run([&]() -> awaitable<void> {
      AcmeClient client(*engine, *resolver, options_for(server.url("/dir")), account_key());
      const auto opened = co_await client.open();
      EXPECT_FALSE(opened);
      EXPECT_THAT(opened ? "" : opened.fault().text(), HasSubstr(cause));
    }());
  }
}

TEST_F(AcmeClientTest, OrderThatStaysPendingMeetsThePatience) {
  ScriptedServer* self = nullptr;
  ScriptedServer server(*this, [&](const HttpMessage& request) {
    if (request.target == "/dir") return json_answer(self->directory());
    if (request.target == "/newNonce") return http("200 OK", "text/plain", "", "Replay-Nonce: bm9uY2U\r\n");
    return json_answer("{\"status\":\"processing\",\"authorizations\":[],\"finalize\":\"" + self->url("/f") + "\"}", "Retry-After: 100000\r\nReplay-Nonce: bm9uY2U\r\n");
  });
  self = &server;
  run([&]() -> awaitable<void> {
    AcmeClientOptions options = options_for(server.url("/dir"));
    options.patience = 200ms;
    AcmeClient client(*engine, *resolver, std::move(options), account_key(), server.url("/account/1"));
    const auto opened = co_await client.open();
    EXPECT_TRUE(opened);
    const std::string url = server.url("/order/1");
    const auto order = co_await client.await_order(url);
    EXPECT_FALSE(order);
    EXPECT_EQ(order.fault().code, FaultCode::timeout);
  }());
}

}  // namespace
}  // namespace sallyport::acme_test
