// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/udp_socket.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <string>

namespace sallyport::tls {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

class UdpSocketTest : public ::testing::Test {
 protected:
  std::unique_ptr<UdpSocket> open(const char* ip) {
    UdpSocketOptions options;
    options.address = *SocketAddress::parse(ip, 0);
    auto opened = UdpSocket::open(context, options);
    EXPECT_TRUE(opened) << opened.fault().text();
    return std::move(*opened);
  }
  void run(awaitable<void> body) {
    bool done = false;
    boost::asio::co_spawn(context, std::move(body), [&](std::exception_ptr) { done = true; });
    context.restart();
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!done && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
    ASSERT_TRUE(done);
  }
  boost::asio::io_context context{1};
};

TEST_F(UdpSocketTest, DatagramsKeepTheirBoundsAndSource) {
  run([&]() -> awaitable<void> {
    auto a = open("127.0.0.1");
    auto b = open("127.0.0.1");
    const std::string large(60000, 'L');
    EXPECT_TRUE(a->send_to("one", b->local_address()));
    EXPECT_TRUE(a->send_to("", b->local_address()));
    EXPECT_TRUE(a->send_to(large, b->local_address()));
    for (const std::string& expected : {std::string("one"), std::string(), large}) {
      const auto got = co_await b->receive();
      EXPECT_TRUE(got);
      EXPECT_EQ(got->bytes, expected);
      EXPECT_EQ(got->source, a->local_address());
    }
    EXPECT_EQ(b->counters().received, 3u);
    EXPECT_EQ(a->counters().sent, 3u);
  }());
}

TEST_F(UdpSocketTest, OversizedDatagramIsAFailedSendAndNothingElse) {
  run([&]() -> awaitable<void> {
    auto a = open("127.0.0.1");
    auto b = open("127.0.0.1");
    EXPECT_FALSE(a->send_to(std::string(70000, 'x'), b->local_address()));
    EXPECT_EQ(a->counters().send_failed, 1u);
    EXPECT_TRUE(a->send_to("fine", b->local_address()));
    const auto got = co_await b->receive();
    EXPECT_EQ(got->bytes, "fine");
  }());
}

TEST_F(UdpSocketTest, CloseEndsAPendingReceive) {
  run([&]() -> awaitable<void> {
    auto a = open("::1");
    boost::asio::steady_timer timer(context, 5ms);
    timer.async_wait([&](auto) { a->close(); });
    const auto got = co_await a->receive();
    EXPECT_FALSE(got);
    EXPECT_EQ(got.fault().code, FaultCode::refused);
    EXPECT_FALSE(a->send_to("x", a->local_address()));
  }());
}

TEST_F(UdpSocketTest, PortUnreachableDoesNotEndTheSocket) {
  run([&]() -> awaitable<void> {
    auto a = open("127.0.0.1");
    SocketAddress gone;
    {
      auto b = open("127.0.0.1");
      gone = b->local_address();
    }
    EXPECT_TRUE(a->send_to("nobody", gone));
    EXPECT_TRUE(a->send_to("self", a->local_address()));
    const auto got = co_await a->receive();
    EXPECT_TRUE(got);
    EXPECT_EQ(got->bytes, "self");
  }());
}

}  // namespace
}  // namespace sallyport::tls
