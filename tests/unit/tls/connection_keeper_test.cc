// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/connection_keeper.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class ConnectionKeeper : public EngineTest {
 protected:
  awaitable<std::pair<tls::StreamPtr, tls::StreamPtr>> tls_pair() {
    server_policy = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    client_policy = policy(tls::TlsRole::client, trust_only(trusted()));
    const tls::Listener& listener = listen(server_policy);
    auto client = co_await dial(listener, client_policy);
    EXPECT_TRUE(client) << (client ? "" : client.failure->text);
    auto server = co_await next_accepted();
    co_return std::make_pair(client.stream, server);
  }
  // As the successor sees it: the server's end behind the keeper's process.
  awaitable<tls::StreamPtr> keep(tls::StreamPtr server) {
    server->hold();
    EXPECT_TRUE(co_await eventually([&] { return server->is_still(); }));
    const tls::SocketAddress local = server->local_address(), peer = server->peer_address();
    tls::ConnectionKeeper keeper;
    const int fd = keeper.keep(server->detach());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(keeper.size(), 1u);
    const Outcome<> started = keeper.start();
    EXPECT_TRUE(started) << (started ? "" : started.fault().text());
    auto adopted = engine->adopt(fd);
    EXPECT_TRUE(adopted);
    (*adopted)->stand_in(local, peer);
    co_return *adopted;
  }
  std::shared_ptr<tls::TlsPolicy> server_policy, client_policy;
};
INSTANTIATE_FOR_BOTH_BACKENDS(ConnectionKeeper);

TEST_P(ConnectionKeeper, ConnectionGoesOnAndItsPeerNoticesNothing) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    const std::string peer = server->peer_address().text();
    auto successor = co_await keep(server);
    EXPECT_FALSE(server->is_open());
    EXPECT_TRUE(successor->is_tls());
    EXPECT_EQ(successor->peer_address().text(), peer);
    EXPECT_EQ(client->send("hello"), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(successor, 5), "hello");
    EXPECT_EQ(successor->send("world!"), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(client, 6), "world!");
  }());
}

TEST_P(ConnectionKeeper, WhatThePeerSentWhileNobodyReadArrives) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    server->hold();
    EXPECT_TRUE(co_await eventually([&] { return server->is_still(); }));
    EXPECT_EQ(client->send("in between"), tls::SendVerdict::queued);
    const auto drained = co_await client->drain();
    EXPECT_TRUE(drained);
    auto successor = co_await keep(server);
    EXPECT_EQ(co_await receive_exactly(successor, 10), "in between");
  }());
}

TEST_P(ConnectionKeeper, MegabytesPassUnchangedBothWays) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    auto successor = co_await keep(server);
    boost::asio::co_spawn(context, echo(successor), [](std::exception_ptr) {});
    std::string sent(3 << 20, '\0');
    for (size_t index = 0; index < sent.size(); ++index) sent[index] = static_cast<char>(index * 31 + index / 251);
    boost::asio::co_spawn(context, [](tls::StreamPtr stream, std::string text) -> awaitable<void> {
      for (size_t at = 0; at < text.size(); at += 65536) {
        const auto written = co_await stream->write(std::string_view(text).substr(at, 65536));
        if (!written) co_return;
      }
    }(client, sent), [](std::exception_ptr) {});
    const std::string echoed = co_await receive_exactly(client, sent.size());
    EXPECT_TRUE(echoed == sent);
  }());
}

TEST_P(ConnectionKeeper, EndOfEitherSideReachesTheOther) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    auto successor = co_await keep(server);
    successor->close("the successor ended");
    const auto told = co_await client->receive();
    EXPECT_TRUE(told && told->empty());
    EXPECT_FALSE(client->truncated()) << "close_notify was to come first";

    auto [second, other] = co_await tls_pair();
    auto next = co_await keep(other);
    second->close_after_send();
    const auto end = co_await next->receive();
    EXPECT_TRUE(end && end->empty());
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
