// SPDX-License-Identifier: Apache-2.0
#pragma once
// AcmeTest: one io_context with an engine and a resolver; run() drives a coroutine to its end, against a deadline. And what ACME
// tests are made of: certificate requests, trust in a test CA, and the pieces of an order.

#include <gtest/gtest.h>
#include <openssl/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/acme/acme_order.h"
#include "tests/unit/tls/certificate_factory.h"

namespace sallyport::acme_test {

using namespace acme;
using namespace sallyport::http;
using boost::asio::awaitable;
using namespace std::chrono_literals;

// A key of its own and a PKCS#10 request for these DNS names.
struct Request {
  std::shared_ptr<EVP_PKEY> key;
  std::string der;
};
Request make_request(const std::vector<std::string>& names);
std::string key_pem(EVP_PKEY* key);

class AcmeTest : public ::testing::Test {
 public:
  void SetUp() override;
  void TearDown() override;

  // Runs the loop until the coroutine ends; fails after 60 s.
  void run(awaitable<void> body);
  // Waits inside a coroutine for something another one, or another process, brings about.
  awaitable<bool> eventually(std::function<bool()> condition);

  void use_name_server(const std::string& address);
  // A client's policy that trusts the CA in this file.
  std::shared_ptr<tls::TlsPolicy> trust(const std::string& ca_path);
  AccountKey account_key();
  // What a test orders with: one authority, answers polled quickly.
  OrderJob job(const std::vector<std::string>& names, std::vector<Authority> authorities, std::vector<Solver*> solvers);

  tls_test::CertificateFactory certificates;
  boost::asio::io_context context{1};
  std::unique_ptr<tls::StreamEngine> engine;
  std::unique_ptr<dns::Resolver> resolver;
  Request request;
  std::vector<std::string> progress;
};

}  // namespace sallyport::acme_test
