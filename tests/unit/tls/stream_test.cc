// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class Stream : public EngineTest {
 protected:
  awaitable<std::pair<tls::StreamPtr, tls::StreamPtr>> plain_pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    auto a = engine->adopt(fds[0]);
    auto b = engine->adopt(fds[1]);
    co_return std::make_pair(*a, *b);
  }
  awaitable<std::pair<tls::StreamPtr, tls::StreamPtr>> tls_pair() {
    server_policy = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    client_policy = policy(tls::TlsRole::client, trust_only(trusted()));
    const tls::Listener& listener = listen(server_policy);
    auto client = co_await dial(listener, client_policy);
    EXPECT_TRUE(client) << (client ? "" : client.failure->text);
    auto server = co_await next_accepted();
    co_return std::make_pair(client.stream, server);
  }
  std::shared_ptr<tls::TlsPolicy> server_policy, client_policy;
};
INSTANTIATE_FOR_BOTH_BACKENDS(Stream);

std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

TEST_P(Stream, CarriesBytesBothWaysOverTcpInPlain) {
  run([&]() -> awaitable<void> {
    const tls::Listener& listener = listen(nullptr);
    auto client = co_await dial(listener);
    EXPECT_TRUE(client);
    auto server = co_await next_accepted();
    EXPECT_EQ(client.stream->local_address().text(), server->peer_address().text());
    EXPECT_EQ(client.stream->peer_address().text(), listener.address().text());
    EXPECT_EQ(client.stream->send("hello"), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(server, 5), "hello");
    EXPECT_EQ(server->send("world!"), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(client.stream, 6), "world!");
  }());
}

TEST_P(Stream, CarriesBytesBothWaysOverTls) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    EXPECT_EQ(client->send("hello"), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(server, 5), "hello");
    EXPECT_EQ(server->send("world!"), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(client, 6), "world!");
    EXPECT_EQ(client->tls_facts().version, "TLSv1.3");
    EXPECT_EQ(server->tls_facts().sni, "server.example");
    EXPECT_TRUE(client->tls_facts().peer.has_value());
    EXPECT_EQ(client->tls_facts().peer->names_text(), "DNS:server.example");
  }());
}

TEST_P(Stream, CarriesMegabytesUnchangedOverTls) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    const std::string sent = pattern(5 << 20);
    boost::asio::co_spawn(context, echo(server), boost::asio::detached);
    boost::asio::co_spawn(
        context,
        [](tls::StreamPtr stream, const std::string& text) -> awaitable<void> {
          const auto written = co_await stream->write(text);
          EXPECT_TRUE(written);
        }(client, sent),
        boost::asio::detached);
    const std::string back = co_await receive_exactly(client, sent.size());
    EXPECT_TRUE(back == sent);
    EXPECT_EQ(client->sent_bytes(), sent.size());
    EXPECT_EQ(client->received_bytes(), sent.size());
  }());
}

TEST_P(Stream, EndOfPeerIsAnEmptyReadAndNotTruncatedAfterCloseNotify) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    client->send("bye");
    client->close_after_send();
    EXPECT_EQ(co_await receive_exactly(server, 3), "bye");
    const auto end = co_await server->receive();
    EXPECT_TRUE(end && end->empty());
    EXPECT_FALSE(server->truncated());
    server->close();
    EXPECT_TRUE(co_await eventually([&] { return engine->open_streams() == 0; }));
  }());
}

TEST_P(Stream, EndWithoutCloseNotifyIsMarkedTruncated) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    client->close();
    const auto end = co_await server->receive();
    EXPECT_TRUE(end && end->empty());
    EXPECT_TRUE(server->truncated());
  }());
}

TEST_P(Stream, MessagesQueuedInOneTurnShareOneSend) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    client->send("warm");
    EXPECT_EQ(co_await receive_exactly(server, 4), "warm");
    const uint64_t sends = engine->counters().sends;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(client->send("OPTIONS"), tls::SendVerdict::queued);
    EXPECT_EQ((co_await receive_exactly(server, 140)).size(), 140u);
    EXPECT_EQ(engine->counters().sends, sends + 1);
  }());
}

TEST_P(Stream, FullQueueRefusesAndKeepsWhatItHas) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    tls::StreamLimits limits;
    limits.queue_limit_bytes = 1000;
    client->set_limits(limits);
    EXPECT_EQ(client->send(std::string(600, 'a')), tls::SendVerdict::queued);
    EXPECT_EQ(client->send(std::string(600, 'b')), tls::SendVerdict::queue_full);
    EXPECT_EQ(client->send(std::string(400, 'c')), tls::SendVerdict::queued);
    EXPECT_EQ(co_await receive_exactly(server, 1000), std::string(600, 'a') + std::string(400, 'c'));
    EXPECT_EQ(engine->counters().queue_full, 1u);
  }());
}

TEST_P(Stream, SlowReaderPushesBackInsteadOfFillingMemory) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    const std::string sent = pattern(32 << 20);
    bool written = false;
    boost::asio::co_spawn(
        context,
        [](tls::StreamPtr stream, const std::string& text, bool& done) -> awaitable<void> {
          const auto result = co_await stream->write(text);
          EXPECT_TRUE(result);
          done = true;
        }(client, sent, written),
        boost::asio::detached);
    EXPECT_TRUE(co_await eventually([&] { return engine->counters().receive_paused > 0; }));
    // With the reader paused, only kernel buffers and one bounded queue can take bytes: the writer has to wait.
    uint64_t before = 1, after = 0;
    boost::asio::steady_timer timer(context);
    while (before != after) {
      before = engine->counters().received_bytes;
      timer.expires_after(20ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
      after = engine->counters().received_bytes;
    }
    EXPECT_FALSE(written);
    EXPECT_LE(client->queued_bytes(), 1u << 20);
    EXPECT_TRUE(co_await receive_exactly(server, sent.size()) == sent);
    EXPECT_TRUE(written);
  }());
}

TEST_P(Stream, BytesKeepTheirOrderWhetherTheyAreFewOrMany) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    client->expect_bulk();
    std::string all;
    for (int round = 0; round < 6; ++round) {
      // In one turn: some go into the queue, some past it into records of their own.
      for (const size_t size : {size_t{9}, size_t{65536}, size_t{9}, size_t{16384}, size_t{700}, size_t{100'000}, size_t{16383}}) {
        const std::string piece = pattern(size + static_cast<size_t>(round));
        EXPECT_EQ(client->send(piece), tls::SendVerdict::queued);
        all += piece;
      }
      const std::string heard = co_await receive_exactly(server, all.size());
      EXPECT_TRUE(heard == all) << round;
      all.clear();
    }
    EXPECT_EQ(client->sent_bytes(), server->received_bytes());
  }());
}

// A stream that ran ahead of its reader is received otherwise for a while; what comes slowly after that arrives at once again.
TEST_P(Stream, SmallMessagesArriveAfterAFlood) {
  run([&]() -> awaitable<void> {
    tls::Listener& listener = listen(nullptr);
    auto dialled = co_await dial(listener);
    const tls::StreamPtr client = dialled.stream, server = co_await next_accepted();
    const std::string sent = pattern(8 << 20);
    const auto write = [](tls::StreamPtr stream, const std::string& text) -> awaitable<void> {
      const auto result = co_await stream->write(text);
      EXPECT_TRUE(result);
    };
    for (int round = 0; round < 3; ++round) {
      const uint64_t paused = engine->counters().receive_paused;
      boost::asio::co_spawn(context, write(client, sent), boost::asio::detached);
      const bool is_ahead = co_await eventually([&] { return engine->counters().receive_paused > paused; });
      EXPECT_TRUE(is_ahead);
      const std::string come = co_await receive_exactly(server, sent.size());
      EXPECT_TRUE(come == sent);
      for (int i = 0; i < 20; ++i) {
        const std::string message = "message " + std::to_string(i);
        EXPECT_EQ(client->send(message), tls::SendVerdict::queued);
        const std::string heard = co_await receive_exactly(server, message.size());
        EXPECT_EQ(heard, message);
      }
    }
    client->close();
    const auto end = co_await server->receive();
    EXPECT_TRUE(end && end->empty());
  }());
}

TEST_P(Stream, ClosingEndsAPendingReceiveWithTheReason) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    boost::asio::steady_timer timer(context, 5ms);
    timer.async_wait([&](auto) { client->close("zone removed"); });
    const auto result = co_await client->receive();
    EXPECT_FALSE(result);
    EXPECT_NE(result.fault().text().find("zone removed"), std::string::npos);
    EXPECT_EQ(client->send("late"), tls::SendVerdict::closed);
    const auto again = co_await client->receive();
    EXPECT_FALSE(again);
  }());
}

TEST_P(Stream, ClosingEndsAPendingWrite) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    boost::asio::steady_timer timer(context, 20ms);
    timer.async_wait([&](auto) { client->close(); });
    const std::string much = pattern(64 << 20);
    const auto result = co_await client->write(much);
    EXPECT_FALSE(result);
  }());
}

TEST_P(Stream, ResetOfThePeerDuringAWriteIsAFaultAndNoSignal) {
  run([&]() -> awaitable<void> {
    const tls::Listener& listener = listen(nullptr);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(fd, listener.address().kernel(), listener.address().kernel_length()), 0);
    auto server = co_await next_accepted();
    linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd);
    const std::string much = pattern(8 << 20);
    const auto result = co_await server->write(much);
    EXPECT_FALSE(result);
    EXPECT_FALSE(server->is_open());
  }());
}

TEST_P(Stream, CancelledReceiveLosesNoBytes) {
  using namespace boost::asio::experimental::awaitable_operators;
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    boost::asio::steady_timer timer(context, 5ms);
    const auto first = co_await (server->receive() || timer.async_wait(boost::asio::use_awaitable));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE(server->is_open());
    client->send("kept");
    EXPECT_EQ(co_await receive_exactly(server, 4), "kept");
  }());
}

TEST_P(Stream, BytesThatArriveOneAtATimeMakeUpTheMessage) {
  run([&]() -> awaitable<void> {
    const tls::Listener& listener = listen(nullptr);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(fd, listener.address().kernel(), listener.address().kernel_length()), 0);
    auto server = co_await next_accepted();
    const std::string message = "OPTIONS sip:a SIP/2.0\r\n\r\n";
    std::string got;
    for (const char c : message) {
      EXPECT_EQ(::send(fd, &c, 1, 0), 1);
      const auto part = co_await server->receive();
      EXPECT_TRUE(part);
      got += *part;
    }
    EXPECT_EQ(got, message);
    ::close(fd);
  }());
}

TEST_P(Stream, ReadSomeFillsTheCallersBufferPieceByPiece) {
  run([&]() -> awaitable<void> {
    auto [a, b] = co_await plain_pair();
    a->send("abcdef");
    char buffer[4];
    auto bytes = co_await b->read_some(buffer, sizeof buffer);
    EXPECT_EQ(std::string(buffer, *bytes), "abcd");
    bytes = co_await b->read_some(buffer, sizeof buffer);
    EXPECT_EQ(std::string(buffer, *bytes), "ef");
    a->close_after_send();
    bytes = co_await b->read_some(buffer, sizeof buffer);
    EXPECT_EQ(*bytes, 0u);
  }());
}

TEST_P(Stream, PlainStreamTurnsIntoTlsOnCommand) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    auto [a, b] = co_await plain_pair();
    a->send("<starttls/>");
    EXPECT_EQ(co_await receive_exactly(b, 11), "<starttls/>");
    b->send("<proceed/>");
    bool server_fine = false;
    boost::asio::co_spawn(
        context,
        [](tls::StreamPtr stream, std::shared_ptr<tls::TlsPolicy> with, bool& fine) -> awaitable<void> {
          const auto failure = co_await stream->secure_server(with, 5s);
          fine = !failure;
        }(b, server_tls, server_fine),
        boost::asio::detached);
    EXPECT_EQ(co_await receive_exactly(a, 10), "<proceed/>");
    const auto failure = co_await a->secure_client(client_tls, "server.example", {}, 5s);
    EXPECT_FALSE(failure) << (failure ? failure->text : "");
    a->send("secret");
    EXPECT_TRUE(co_await eventually([&] { return server_fine; }));
    EXPECT_EQ(co_await receive_exactly(b, 6), "secret");
    EXPECT_TRUE(server_fine && a->is_tls() && b->is_tls());
  }());
}

TEST_P(Stream, IdleStreamIsClosedAtItsDeadlineAndABusyOneIsNot) {
  run([&]() -> awaitable<void> {
    auto [a, b] = co_await plain_pair();
    auto [c, d] = co_await plain_pair();
    b->set_idle_deadline(300ms);
    d->set_idle_deadline(300ms);
    const auto idle_end = std::make_shared<bool>(false);
    boost::asio::co_spawn(
        context,
        [](tls::StreamPtr stream, std::shared_ptr<bool> ended) -> awaitable<void> {
          const auto result = co_await stream->receive();
          EXPECT_FALSE(result);
          *ended = true;
        }(b, idle_end),
        boost::asio::detached);
    boost::asio::steady_timer timer(context);
    while (!*idle_end) {
      c->send("x");
      const auto got = co_await d->receive();
      EXPECT_TRUE(got);
      timer.expires_after(10ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    EXPECT_TRUE(d->is_open());
    EXPECT_EQ(b->close_reason(), "idle for too long");
    EXPECT_EQ(engine->counters().idle_closed, 1u);
  }());
}

TEST_P(Stream, ReleasingTheLastOwnerClosesTheConnection) {
  run([&]() -> awaitable<void> {
    auto [a, b] = co_await plain_pair();
    a.reset();
    const auto end = co_await b->receive();
    EXPECT_TRUE(end && end->empty());
    EXPECT_EQ(engine->open_streams(), 1u);
  }());
}

TEST_P(Stream, ShutdownDeliversEverythingQueuedFirst) {
  run([&]() -> awaitable<void> {
    auto [client, server] = co_await tls_pair();
    const std::string sent = pattern(700000);
    EXPECT_EQ(client->send(sent), tls::SendVerdict::queued);
    bool closed = false;
    boost::asio::co_spawn(
        context,
        [](tls::StreamPtr stream, bool& done) -> awaitable<void> {
          co_await stream->shutdown(10s);
          done = true;
        }(client, closed),
        boost::asio::detached);
    EXPECT_TRUE(co_await receive_exactly(server, sent.size()) == sent);
    const auto end = co_await server->receive();
    EXPECT_TRUE(end && end->empty() && !server->truncated());
    server->close();
    EXPECT_TRUE(co_await eventually([&] { return closed; }));
  }());
}

TEST_P(Stream, EngineThatStopsEndsPendingOperations) {
  bool ended = false;
  run([&]() -> awaitable<void> {
    auto [a, b] = co_await plain_pair();
    boost::asio::co_spawn(
        context,
        [](tls::StreamPtr stream, tls::StreamPtr other, bool& done) -> awaitable<void> {
          const auto result = co_await stream->receive();
          EXPECT_FALSE(result);
          EXPECT_FALSE(other->is_open());
          done = true;
        }(a, b, ended),
        boost::asio::detached);
    co_return;
  }());
  engine.reset();
  run_until([&] { return ended; });
}

TEST_P(Stream, StreamsBeyondTheEnginesLimitAreRefused) {
  engine.reset();
  make_engine({.max_streams = 2});
  run([&]() -> awaitable<void> {
    auto [a, b] = co_await plain_pair();
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const auto third = engine->adopt(fds[0]);
    EXPECT_FALSE(third);
    EXPECT_EQ(third.fault().code, FaultCode::exhausted);
    ::close(fds[1]);
  }());
}

TEST_P(Stream, TwoThousandConnectionsOpenEchoAndClose) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), {}));
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    tls::ListenerOptions options;
    options.name = "many";
    options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    options.tls = server_tls;
    options.backlog = 4096;
    auto listener = tls::Listener::open(*engine, options, [this](tls::StreamPtr stream) { boost::asio::co_spawn(context, echo(std::move(stream)), boost::asio::detached); });
    EXPECT_TRUE(listener);
    int done = 0;
    std::vector<tls::StreamPtr> clients;
    for (int i = 0; i < 2000; ++i) {
      boost::asio::co_spawn(
          context,
          [](Stream* self, const tls::Listener& to, std::shared_ptr<tls::TlsPolicy> with, std::vector<tls::StreamPtr>& all, int& count) -> awaitable<void> {
            auto result = co_await self->dial(to, with);
            EXPECT_TRUE(result) << (result ? "" : result.failure->text);
            if (result) {
              result.stream->send("ping");
              EXPECT_EQ(co_await self->receive_exactly(result.stream, 4), "ping");
              all.push_back(result.stream);
            }
            ++count;
          }(this, **listener, client_tls, clients, done),
          boost::asio::detached);
      if (i % 50 == 49) {
        EXPECT_TRUE(co_await eventually([&] { return done == i + 1; }));
      }
    }
    EXPECT_EQ(clients.size(), 2000u);
    EXPECT_EQ(engine->open_streams(), 4000u);
    for (const auto& client : clients) client->close_after_send();
    clients.clear();
    EXPECT_TRUE(co_await eventually([&] { return engine->open_streams() == 0; }));
    EXPECT_EQ(engine->counters().closed, 4000u);
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
