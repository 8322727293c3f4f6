// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class Listener : public EngineTest {
 public:
  std::shared_ptr<tls::TlsPolicy> server_tls() { return policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {})); }
};
INSTANTIATE_FOR_BOTH_BACKENDS(Listener);

class Descriptors {  // plain sockets of a flooding source
 public:
  ~Descriptors() {
    for (const int fd : fds_) ::close(fd);
  }
  bool connect(const tls::SocketAddress& to) {
    const int fd = ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    fds_.push_back(fd);
    ::connect(fd, to.kernel(), to.kernel_length());
    return true;
  }

 private:
  std::vector<int> fds_;
};

TEST_P(Listener, FiveThousandIdleConnectionsOfOneSourceAreRefusedBeyondItsLimitAndOthersGetIn) {
  run([&]() -> awaitable<void> {
    tls::ListenerOptions options;
    tls::SourceLimitOptions limit;
    limit.connections_per_source = 100;
    limit.handshake_burst = 1e9;
    options.limits = std::make_shared<tls::SourceLimits>(limit);
    options.backlog = 4096;
    options.address = *tls::SocketAddress::parse("0.0.0.0", 0);
    const tls::Listener& listener = listen(nullptr, options);
    const auto target = *tls::SocketAddress::parse("127.0.0.1", listener.address().port());
    Descriptors flood;
    for (int i = 0; i < 5000; ++i) {
      EXPECT_TRUE(flood.connect(target));
      if (i % 500 == 499) {
        EXPECT_TRUE(co_await eventually([&] { return listener.counters().accepted == static_cast<uint64_t>(i + 1); }));
      }
    }
    EXPECT_EQ(accepted.size(), 100u);
    EXPECT_EQ(engine->open_streams(), 100u);
    EXPECT_EQ(listener.counters().admission[static_cast<size_t>(tls::Admission::source_full)], 4900u);
    tls::ConnectOptions other;
    other.remote = target;
    other.local = *tls::SocketAddress::parse("127.0.0.9", 0);
    auto welcome = co_await tls::connect(*engine, other);
    EXPECT_TRUE(welcome);
    EXPECT_TRUE(co_await eventually([&] { return accepted.size() == 101; }));
    accepted.clear();
    EXPECT_EQ(options.limits->connections(), 0u);
  }());
}

TEST_P(Listener, PlaceInTheLimitsComesBackWhenTheStreamCloses) {
  run([&]() -> awaitable<void> {
    tls::ListenerOptions options;
    tls::SourceLimitOptions limit;
    limit.connections_per_source = 1;
    options.limits = std::make_shared<tls::SourceLimits>(limit);
    const tls::Listener& listener = listen(nullptr, options);
    auto first = co_await dial(listener);
    auto server = co_await next_accepted();
    auto second = co_await dial(listener);
    const auto end = co_await second.stream->receive();
    EXPECT_TRUE(!end || end->empty());
    server->close();
    auto third = co_await dial(listener);
    EXPECT_TRUE(co_await eventually([&] { return accepted.size() == 1; }));
    EXPECT_EQ(listener.counters().admission[static_cast<size_t>(tls::Admission::source_full)], 1u);
  }());
}

TEST_P(Listener, HandshakesBeyondTheConcurrencyLimitAreRefused) {
  run([&]() -> awaitable<void> {
    tls::ListenerOptions options;
    options.handshakes_at_once = 5;
    const tls::Listener& listener = listen(server_tls(), options);
    Descriptors idle;
    for (int i = 0; i < 20; ++i) idle.connect(listener.address());
    EXPECT_TRUE(co_await eventually([&] { return listener.counters().accepted == 20; }));
    EXPECT_EQ(listener.handshakes_running(), 5u);
    EXPECT_EQ(listener.counters().handshakes_exhausted, 15u);
  }());
}

TEST_P(Listener, ClosingAbortsHandshakesFreesThePortAndLeavesStreamsAlone) {
  run([&]() -> awaitable<void> {
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    const tls::Listener& listener = listen(server_tls());
    const tls::SocketAddress address = listener.address();
    auto client = co_await dial(listener, client_tls);
    EXPECT_TRUE(client);
    auto server = co_await next_accepted();
    Descriptors idle;
    idle.connect(address);
    EXPECT_TRUE(co_await eventually([&] { return listener.handshakes_running() == 1; }));
    listeners.clear();
    EXPECT_TRUE(co_await eventually([&] { return engine->open_streams() == 2; }));
    client.stream->send("alive");
    EXPECT_EQ(co_await receive_exactly(server, 5), "alive");
    tls::ListenerOptions options;
    options.address = address;
    listen(nullptr, options);
    EXPECT_EQ(listeners.back()->address().port(), address.port());
  }());
}

TEST_P(Listener, TakenPortIsAFaultThatSaysSo) {
  const tls::Listener& first = listen(nullptr);
  tls::ListenerOptions options;
  options.name = "second";
  options.address = first.address();
  auto second = tls::Listener::open(*engine, options, [](tls::StreamPtr) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.fault().code, FaultCode::conflict);
  EXPECT_NE(second.fault().text().find("taken by another process"), std::string::npos);
}

TEST_P(Listener, APortThatComesFreeInTimeIsTaken) {
  const int holder = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const tls::SocketAddress wanted = *tls::SocketAddress::parse("127.0.0.1", 0);
  ASSERT_EQ(::bind(holder, wanted.kernel(), wanted.kernel_length()), 0);
  ASSERT_EQ(::listen(holder, 1), 0);
  tls::ListenerOptions options;
  options.name = "second";
  options.address = tls::SocketAddress::local_of(holder);
  options.bind_patience = 60s;
  std::atomic<bool> is_closed = false;
  std::thread other([&] {
    std::this_thread::sleep_for(100ms);  // as long as a killed process's sockets may live on
    is_closed = true;
    ::close(holder);
  });
  const auto second = tls::Listener::open(*engine, options, [](tls::StreamPtr) {});
  EXPECT_TRUE(is_closed);
  other.join();
  EXPECT_TRUE(second) << second.fault().text();
}

TEST_P(Listener, FreebindListensOnAnAddressNobodyHas) {
  tls::ListenerOptions options;
  options.name = "float";
  options.address = *tls::SocketAddress::parse("192.0.2.77", 0);
  auto refused = tls::Listener::open(*engine, options, [](tls::StreamPtr) {});
  EXPECT_FALSE(refused);
  options.freebind = true;
  auto opened = tls::Listener::open(*engine, options, [](tls::StreamPtr) {});
  EXPECT_TRUE(opened) << opened.fault().text();
}

TEST_P(Listener, ServesUnixSocketsToo) {
  run([&]() -> awaitable<void> {
    tls::ListenerOptions options;
    options.address = *tls::SocketAddress::from_unix_path(certificates.path("api.sock"));
    const tls::Listener& listener = listen(nullptr, options);
    tls::ConnectOptions to;
    to.remote = options.address;
    auto client = co_await tls::connect(*engine, to);
    EXPECT_TRUE(client) << (client ? "" : client.failure->text);
    auto server = co_await next_accepted();
    EXPECT_EQ(listener.counters().established, 1u);
    client.stream->send("GET");
    EXPECT_EQ(co_await receive_exactly(server, 3), "GET");
  }());
}

TEST_P(Listener, WorksOnIpv6) {
  run([&]() -> awaitable<void> {
    tls::ListenerOptions options;
    options.address = *tls::SocketAddress::parse("::1", 0);
    auto client = co_await dial(listen(nullptr, options));
    EXPECT_TRUE(client) << (client ? "" : client.failure->text);
    auto server = co_await next_accepted();
    EXPECT_TRUE(server->peer_address().is_v6());
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
