// SPDX-License-Identifier: Apache-2.0
#pragma once
// SessionPair: both ends of a multiplex session over TCP on the loopback; `edge` opens channels, `core` accepts them as told by on_channel.

#include <boost/asio/detached.hpp>

#include "controlplane/multiplex/session.h"
#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::multiplex {

using tls_test::backend_name;
using boost::asio::awaitable;
using namespace std::chrono_literals;

class SessionPair : public tls_test::EngineTest {
 public:
  void TearDown() override {
    for (SessionPtr* session : {&edge, &core})
      if (*session != nullptr) (*session)->close("the test is over");
    run_until([&] { return ends == started; });
    edge = core = nullptr;
    EngineTest::TearDown();
  }

  SessionPtr serve(tls::StreamPtr stream, Role role) {
    auto made = Session::create(std::move(stream), role, settings);
    EXPECT_TRUE(made);
    (*made)->on_end = [this, role](const std::string& reason) {
      ++ends;
      (role == Role::opens ? edge_end : core_end) = reason;
    };
    ++started;
    boost::asio::co_spawn(context, Session::run(*made), boost::asio::detached);
    return *made;
  }

  awaitable<void> join() {
    tls::Listener& listener = listen(nullptr);
    auto dialled = co_await dial(listener);
    auto met = co_await next_accepted();
    core = serve(dialled.stream, Role::accepts);
    core->on_channel = [this](const ChannelPtr& channel) {
      arrived.push_back(channel);
      if (accepts) core->accept(channel);
    };
    edge = serve(met, Role::opens);
  }

  awaitable<ChannelPtr> open(std::string purpose) {
    const SessionPtr session = edge;
    const Fields none;
    auto opened = co_await session->open(std::move(purpose), "example.com", none, Weight::interactive);
    EXPECT_TRUE(opened) << (opened ? "" : opened.fault().text());
    co_return opened ? *opened : nullptr;
  }

  static awaitable<std::string> read_all(ChannelPtr channel) {
    std::string text;
    for (;;) {
      const auto bytes = co_await channel->receive();
      if (!bytes || bytes->empty()) break;
      text += *bytes;
    }
    co_return text;
  }
  static awaitable<void> echo(ChannelPtr channel) {
    for (;;) {
      const auto bytes = co_await channel->receive();
      if (!bytes || bytes->empty()) break;
      const std::string copy(*bytes);
      const auto written = co_await channel->write(copy);
      if (!written) break;
    }
    channel->finish();
  }
  void echo_all() {
    core->on_channel = [this](const ChannelPtr& channel) {
      core->accept(channel);
      boost::asio::co_spawn(context, echo(channel), boost::asio::detached);
    };
  }

  SessionSettings settings;
  SessionPtr edge, core;
  std::vector<ChannelPtr> arrived;
  bool accepts = true;
  std::string edge_end, core_end;
  int started = 0, ends = 0;
};

}  // namespace sallyport::multiplex
