// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/connect.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class Connect : public EngineTest {
 public:
  // A listening socket whose queue is full: further SYNs get no answer.
  tls::SocketAddress black_hole() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto any = *tls::SocketAddress::parse("127.0.0.1", 0);
    EXPECT_EQ(::bind(fd, any.kernel(), any.kernel_length()), 0);
    EXPECT_EQ(::listen(fd, 0), 0);
    const auto address = tls::SocketAddress::local_of(fd);
    held.push_back(fd);
    for (int i = 0; i < 8; ++i) {
      const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      ::connect(filler, address.kernel(), address.kernel_length());
      held.push_back(filler);
    }
    return address;
  }
  ~Connect() override {
    for (const int fd : held) ::close(fd);
  }
  std::vector<int> held;
};
INSTANTIATE_FOR_BOTH_BACKENDS(Connect);

TEST_P(Connect, RefusedPortIsNamed) {
  run([&]() -> awaitable<void> {
    tls::SocketAddress gone = listen(nullptr).address();
    listeners.clear();
    tls::ConnectOptions options;
    options.remote = gone;
    const auto result = co_await tls::connect(*engine, options);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->stage, tls::ConnectStage::tcp);
    EXPECT_EQ(result.failure->reason, tls::ConnectReason::refused);
    EXPECT_NE(result.failure->text.find(gone.text()), std::string::npos);
    EXPECT_EQ(result.failure->fault().code, FaultCode::refused);
  }());
}

TEST_P(Connect, SilentPeerMeetsTheDeadline) {
  run([&]() -> awaitable<void> {
    tls::ConnectOptions options;
    options.remote = black_hole();
    options.connect_deadline = 100ms;
    const auto result = co_await tls::connect(*engine, options);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->reason, tls::ConnectReason::timed_out);
    EXPECT_EQ(result.failure->fault().code, FaultCode::timeout);
  }());
}

TEST_P(Connect, PeerThatNeverAnswersTlsMeetsTheHandshakeDeadline) {
  run([&]() -> awaitable<void> {
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    tls::ConnectOptions options;
    options.remote = listen(nullptr).address();
    options.tls = client_tls;
    options.sni = "server.example";
    options.handshake_deadline = 100ms;
    const auto result = co_await tls::connect(*engine, options);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->stage, tls::ConnectStage::tls);
    EXPECT_EQ(result.failure->reason, tls::ConnectReason::timed_out);
  }());
}

TEST_P(Connect, PeerThatClosesDuringTheHandshakeIsToldApartFromATimeout) {
  run([&]() -> awaitable<void> {
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    tls::ListenerOptions options;
    options.name = "closer";
    options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    auto closer = tls::Listener::open(*engine, options, [](tls::StreamPtr stream) { stream->close_after_send(); });
    const auto result = co_await dial(**closer, client_tls);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->handshake->reason, tls::HandshakeReason::closed);
  }());
}

TEST_P(Connect, UnreachableNetworkIsNeitherRefusedNorTimeout) {
  run([&]() -> awaitable<void> {
    tls::ConnectOptions options;
    options.remote = *tls::SocketAddress::parse("255.255.255.255", 5061);
    const auto result = co_await tls::connect(*engine, options);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->reason, tls::ConnectReason::unreachable);
  }());
}

TEST_P(Connect, LocalPortComesFromTheRangeAndSharedPortsAreSkipped) {
  run([&]() -> awaitable<void> {
    const tls::Listener& listener = listen(nullptr);
    tls::ConnectOptions options;
    options.remote = listener.address();
    options.local = *tls::SocketAddress::parse("127.0.0.1", 0);
    options.local_port_low = 25990;
    options.local_port_high = 25993;
    std::vector<tls::StreamPtr> kept;
    for (int i = 0; i < 4; ++i) {
      auto result = co_await tls::connect(*engine, options);
      EXPECT_TRUE(result) << (result ? "" : result.failure->text);
      if (!result) co_return;
      EXPECT_GE(result.stream->local_address().port(), 25990);
      EXPECT_LE(result.stream->local_address().port(), 25993);
      kept.push_back(result.stream);
    }
    const auto fifth = co_await tls::connect(*engine, options);
    EXPECT_FALSE(fifth);
    EXPECT_EQ(fifth.failure->reason, tls::ConnectReason::local_address);
  }());
}

TEST_P(Connect, LocalAddressThatNobodyHasIsNamed) {
  run([&]() -> awaitable<void> {
    tls::ConnectOptions options;
    options.remote = listen(nullptr).address();
    options.local = *tls::SocketAddress::parse("192.0.2.99", 0);
    const auto result = co_await tls::connect(*engine, options);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.failure->reason, tls::ConnectReason::local_address);
    EXPECT_NE(result.failure->remedy.find("192.0.2.99"), std::string::npos);
  }());
}

TEST_P(Connect, StagesAreReportedInOrder) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    std::string stages;
    tls::ConnectOptions options;
    options.remote = listen(server_tls).address();
    options.tls = policy(tls::TlsRole::client, trust_only(trusted()));
    options.sni = "server.example";
    options.progress = [&](tls::ConnectStage stage) { stages += std::string(tls::name_of(stage)) + " "; };
    const auto result = co_await tls::connect(*engine, options);
    EXPECT_TRUE(result);
    EXPECT_EQ(stages, "TCP TLS established ");
  }());
}

TEST_P(Connect, CancelledConnectLeavesNothingOpen) {
  using namespace boost::asio::experimental::awaitable_operators;
  run([&]() -> awaitable<void> {
    tls::ConnectOptions options;
    options.remote = black_hole();
    boost::asio::steady_timer timer(context, 20ms);
    const auto first = co_await (tls::connect(*engine, options) || timer.async_wait(boost::asio::use_awaitable));
    EXPECT_EQ(first.index(), 1u);
    tls::ConnectOptions silent;
    silent.remote = listen(nullptr).address();
    silent.tls = policy(tls::TlsRole::client, trust_only(trusted()));
    silent.sni = "server.example";
    timer.expires_after(50ms);
    const auto second = co_await (tls::connect(*engine, silent) || timer.async_wait(boost::asio::use_awaitable));
    EXPECT_EQ(second.index(), 1u);
    accepted.clear();
    EXPECT_TRUE(co_await eventually([&] { return engine->open_streams() == 0; }));
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
