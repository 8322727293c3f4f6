// SPDX-License-Identifier: Apache-2.0
// What a client that asks for a staple is given.
#include "controlplane/tls/staple_book.h"

#include <openssl/ssl.h>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

constexpr int64_t now_s = 1'800'000'000;

tls::StaplePtr staple(const std::string& response, int64_t until_s) { return std::make_shared<const tls::Staple>(tls::Staple{response, now_s - 60, until_s}); }

TEST(StapleBook, AStaleOneIsNeverHandedOut) {
  int64_t clock_s = now_s;
  tls::StapleBook book([&] { return clock_s; });
  book.put("aa", staple("answer", now_s + 10));
  ASSERT_NE(book.find("aa"), nullptr);
  EXPECT_EQ(book.find("bb"), nullptr);
  EXPECT_EQ(book.fresh(), 1u);
  clock_s = now_s + 10;
  EXPECT_EQ(book.find("aa"), nullptr);
  EXPECT_EQ(book.fresh(), 0u);
  book.put("aa", staple("another", now_s + 20));
  EXPECT_EQ(book.find("aa")->response, "another");
  book.remove("aa");
  EXPECT_EQ(book.find("aa"), nullptr);
}

class Stapling : public EngineTest {
 public:
  void SetUp() override {
    EngineTest::SetUp();
    own = certificates.leaf("server", {.subject_alt_names = "DNS:server.example"});
    credentials = store(own, {});
    fingerprint = tls::fingerprint_of(credentials->snapshot()->platform()->certificate.get());
    tls::TlsPolicyOptions options;
    options.staples = book;
    server = policy(tls::TlsRole::server, credentials, options);
    client = policy(tls::TlsRole::client, trust_only(trusted()));
  }
  // What the client is stapled; "-": nothing.
  awaitable<std::string> seen(bool asks) {
    SSL_CTX_set_tlsext_status_type(client->context(), asks ? TLSEXT_STATUSTYPE_ocsp : -1);
    SSL_CTX_set_tlsext_status_cb(client->context(), &Stapling::look);
    SSL_CTX_set_tlsext_status_arg(client->context(), this);
    response = "-";
    const auto result = co_await dial(*listeners.front(), client);
    EXPECT_TRUE(result) << (result ? "" : result.failure->text);
    co_return response;
  }
  static int look(SSL* ssl, void* test) {
    const unsigned char* bytes = nullptr;
    const long length = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
    if (length > 0) static_cast<Stapling*>(test)->response.assign(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
    return 1;
  }
  Issued own;
  std::shared_ptr<tls::StapleBook> book = std::make_shared<tls::StapleBook>([this] { return clock_s; });
  std::shared_ptr<tls::CredentialStore> credentials;
  std::shared_ptr<tls::TlsPolicy> server, client;
  std::string fingerprint, response;
  int64_t clock_s = now_s;
};
INSTANTIATE_FOR_BOTH_BACKENDS(Stapling);

TEST_P(Stapling, WhoAsksGetsTheStapleOfTheCertificateInUseUntilItIsStale) {
  for (const int newest : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    listeners.clear();
    listen(server);
    clock_s = now_s;
    book->put(fingerprint, staple("an answer", now_s + 10));
    SSL_CTX_set_max_proto_version(client->context(), newest);
    run([&]() -> awaitable<void> {
      const std::string asked = co_await seen(true);
      EXPECT_EQ(asked, "an answer");
      const std::string silent = co_await seen(false);
      EXPECT_EQ(silent, "-");
      clock_s = now_s + 10;
      const std::string late = co_await seen(true);
      EXPECT_EQ(late, "-");
    }());
  }
  EXPECT_EQ(book->counters().sent, 2u);
  EXPECT_EQ(book->counters().missing, 2u);
}

TEST_P(Stapling, AnothersStapleIsNotGivenOut) {
  // A certificate that the book knows nothing of has no staple, whatever else is in it.
  book->put(std::string(64, 'a'), staple("another's", now_s + 10));
  listen(server);
  run([&]() -> awaitable<void> {
    const std::string asked = co_await seen(true);
    EXPECT_EQ(asked, "-");
  }());
}

TEST_P(Stapling, OneThatClientsAskForWhileItIsReplacedIsAlwaysWhole) {
  listen(server);
  run([&]() -> awaitable<void> {
    for (int round = 0; round < 20; ++round) {
      const std::string text(static_cast<size_t>(1 + round * 200), static_cast<char>('a' + round));
      book->put(fingerprint, staple(text, now_s + 10));
      const std::string asked = co_await seen(true);
      EXPECT_EQ(asked, text);
    }
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
