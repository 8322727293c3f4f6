// SPDX-License-Identifier: Apache-2.0
#pragma once
// EngineTest: one io_context with one engine, run once for each backend; run() drives a coroutine to its end, against a deadline.

#include <gtest/gtest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/tls/connect.h"
#include "controlplane/tls/credential.h"
#include "controlplane/tls/listener.h"
#include "controlplane/tls/stream_engine.h"
#include "tests/unit/tls/certificate_factory.h"

namespace sallyport::tls_test {

using boost::asio::awaitable;
using namespace std::chrono_literals;

class EngineTest : public ::testing::TestWithParam<tls::EngineBackend> {
 public:
  void SetUp() override { make_engine({}); }
  void TearDown() override {
    listeners.clear();
    accepted.clear();
    engine.reset();
    context.restart();
    context.poll();
  }

  void make_engine(tls::EngineOptions options) {
    options.backend = GetParam();
    auto made = tls::StreamEngine::create(context, options);
    ASSERT_TRUE(made) << made.fault().text();
    engine = std::move(*made);
    ASSERT_EQ(engine->backend(), GetParam());
  }

  // Runs the loop until the coroutine ends; fails after 60 s.
  void run(awaitable<void> body) {
    bool done = false;
    std::exception_ptr thrown;
    boost::asio::co_spawn(context, std::move(body), [&](std::exception_ptr error) {
      thrown = error;
      done = true;
    });
    run_until([&] { return done; });
    if (thrown) std::rethrow_exception(thrown);
  }

  void run_until(const std::function<bool()>& condition) {
    context.restart();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
    ASSERT_TRUE(condition()) << "deadline passed";
  }

  // Waits inside a coroutine for something another one brings about.
  awaitable<bool> eventually(std::function<bool()> condition) {
    boost::asio::steady_timer timer(context);
    for (int i = 0; i < 20000 && !condition(); ++i) {
      timer.expires_after(1ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    co_return condition();
  }

  std::shared_ptr<tls::CredentialStore> store(const Issued& own, std::vector<std::string> ca_paths) {
    tls::CredentialSource source;
    source.platform = {"platform", own.certificate_path, own.key_path};
    source.ca_paths = std::move(ca_paths);
    auto loaded = tls::CredentialStore::load(std::move(source));
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.fault().text());
    return loaded ? *loaded : nullptr;
  }

  std::vector<std::string> trusted() { return {certificates.ca()}; }
  std::shared_ptr<tls::CredentialStore> trust_only(std::vector<std::string> ca_paths) { return store({}, std::move(ca_paths)); }

  std::shared_ptr<tls::TlsPolicy> policy(tls::TlsRole role, std::shared_ptr<tls::CredentialStore> credentials) { return policy(role, std::move(credentials), tls::TlsPolicyOptions()); }
  std::shared_ptr<tls::TlsPolicy> policy(tls::TlsRole role, std::shared_ptr<tls::CredentialStore> credentials, tls::TlsPolicyOptions options) {
    options.role = role;
    auto made = tls::TlsPolicy::create(std::move(options), std::move(credentials));
    EXPECT_TRUE(made) << (made ? "" : made.fault().text());
    return made ? *made : nullptr;
  }

  // Listens on a port of the kernel's choice; accepted streams collect in accepted, failures in failures.
  // GCC 12 copies aggregate temporaries inside a co_await expression bit by bit, hence overloads here instead of default arguments.
  tls::Listener& listen(std::shared_ptr<tls::TlsPolicy> tls_policy) { return listen(std::move(tls_policy), tls::ListenerOptions()); }
  tls::Listener& listen(std::shared_ptr<tls::TlsPolicy> tls_policy, tls::ListenerOptions options) {
    options.name = "test";
    if (!options.address.is_set()) options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    options.tls = std::move(tls_policy);
    auto opened = tls::Listener::open(
        *engine, std::move(options), [this](tls::StreamPtr stream) { accepted.push_back(std::move(stream)); },
        [this](const tls::SocketAddress&, const tls::HandshakeFailure& failure) { failures.push_back(failure); });
    EXPECT_TRUE(opened) << (opened ? "" : opened.fault().text());
    listeners.push_back(std::move(*opened));
    return *listeners.back();
  }

  awaitable<tls::ConnectResult> dial(const tls::Listener& listener, std::shared_ptr<tls::TlsPolicy> tls_policy = {}, std::string sni = "server.example") {
    tls::ConnectOptions options;
    options.remote = listener.address();
    options.tls = std::move(tls_policy);
    options.sni = std::move(sni);
    return tls::connect(*engine, std::move(options));
  }

  awaitable<tls::StreamPtr> next_accepted() {
    EXPECT_TRUE(co_await eventually([this] { return !accepted.empty(); }));
    tls::StreamPtr stream = accepted.empty() ? nullptr : std::move(accepted.front());
    if (!accepted.empty()) accepted.pop_front();
    co_return stream;
  }

  awaitable<std::string> receive_exactly(tls::StreamPtr stream, size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
      const auto part = co_await stream->receive();
      if (!part || part->empty()) break;
      text += *part;
    }
    co_return text;
  }

  static awaitable<void> echo(tls::StreamPtr stream) {
    for (;;) {
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) break;
      const auto written = co_await stream->write(*bytes);
      if (!written) break;
    }
    stream->close_after_send();
  }

  CertificateFactory certificates;
  boost::asio::io_context context{1};
  std::unique_ptr<tls::StreamEngine> engine;
  std::vector<std::unique_ptr<tls::Listener>> listeners;
  std::deque<tls::StreamPtr> accepted;
  std::vector<tls::HandshakeFailure> failures;
};

inline std::string backend_name(const ::testing::TestParamInfo<tls::EngineBackend>& info) {
  return info.param == tls::EngineBackend::io_uring ? "IoUring" : "Epoll";
}

#define INSTANTIATE_FOR_BOTH_BACKENDS(Suite) \
  INSTANTIATE_TEST_SUITE_P(Both, Suite, ::testing::Values(tls::EngineBackend::io_uring, tls::EngineBackend::epoll), backend_name)

}  // namespace sallyport::tls_test
