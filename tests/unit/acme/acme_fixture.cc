// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/acme_fixture.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace sallyport::acme_test {

Request make_request(const std::vector<std::string>& names) {
  Request made;
  made.key.reset(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(X509_REQ_new(), &X509_REQ_free);
  X509_REQ_set_version(request.get(), 0);
  X509_REQ_set_pubkey(request.get(), made.key.get());
  std::string alternatives;
  for (const std::string& name : names) alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  if (!names.empty()) sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternatives.c_str()));
  X509_REQ_add_extensions(request.get(), extensions);
  sk_X509_EXTENSION_pop_free(extensions, &X509_EXTENSION_free);
  X509_REQ_sign(request.get(), made.key.get(), EVP_sha256());
  unsigned char* der = nullptr;
  const int length = i2d_X509_REQ(request.get(), &der);
  made.der.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return made;
}

std::string key_pem(EVP_PKEY* key) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<size_t>(length));
}

void AcmeTest::SetUp() {
  auto made = tls::StreamEngine::create(context);
  ASSERT_TRUE(made) << made.fault().text();
  engine = std::move(*made);
  use_name_server("127.0.0.1:1");
}

void AcmeTest::TearDown() {
  resolver.reset();
  engine.reset();
  context.restart();
  context.poll();
}

void AcmeTest::run(awaitable<void> body) {
  bool done = false;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context, std::move(body), [&](std::exception_ptr error) {
    thrown = error;
    done = true;
  });
  context.restart();
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!done && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
  ASSERT_TRUE(done) << "deadline passed";
  if (thrown) std::rethrow_exception(thrown);
}

awaitable<bool> AcmeTest::eventually(std::function<bool()> condition) {
  boost::asio::steady_timer timer(context);
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(5ms);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  co_return condition();
}

void AcmeTest::use_name_server(const std::string& address) {
  dns::ResolverOptions options;
  options.servers = {address};
  auto made = dns::Resolver::create(context, options);
  ASSERT_TRUE(made) << made.fault().text();
  resolver = std::move(*made);
}

std::shared_ptr<tls::TlsPolicy> AcmeTest::trust(const std::string& ca_path) {
  tls::CredentialSource source;
  source.ca_paths = {ca_path};
  auto store = tls::CredentialStore::load(std::move(source));
  EXPECT_TRUE(store) << (store ? "" : store.fault().text());
  auto policy = HttpClient::make_policy(*store);
  EXPECT_TRUE(policy) << (policy ? "" : policy.fault().text());
  return *policy;
}

AccountKey AcmeTest::account_key() {
  auto key = AccountKey::generate();
  EXPECT_TRUE(key) << (key ? "" : key.fault().text());
  return *key;
}

OrderJob AcmeTest::job(const std::vector<std::string>& names, std::vector<Authority> authorities, std::vector<Solver*> solvers) {
  request = make_request(names);
  OrderJob made;
  made.request_der = request.der;
  made.authorities = std::move(authorities);
  made.solvers = std::move(solvers);
  made.poll_min = 20ms;
  made.poll_max = 100ms;
  made.patience = 30s;
  made.on_progress = [this](const std::string& what) { progress.push_back(what); };
  return made;
}

}  // namespace sallyport::acme_test
