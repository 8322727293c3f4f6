// SPDX-License-Identifier: Apache-2.0
#include "controlplane/dns/resolver.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "tests/unit/dns/name_server.h"

namespace sallyport::dns {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

class ResolverTest : public ::testing::Test {
 protected:
  void make(ResolverOptions options) {
    if (options.servers.empty()) options.servers = {server.address()};
    auto created = Resolver::create(context, std::move(options));
    ASSERT_TRUE(created) << created.fault().text();
    resolver = std::move(*created);
  }
  void run(awaitable<void> body) {
    bool done = false;
    std::exception_ptr thrown;
    boost::asio::co_spawn(context, std::move(body), [&](std::exception_ptr error) {
      thrown = error;
      done = true;
    });
    context.restart();
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!done && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
    ASSERT_TRUE(done) << "deadline passed";
    if (thrown) std::rethrow_exception(thrown);
  }
  void srv(const char* name, const char* target, uint16_t priority, uint16_t weight, uint32_t ttl = 60) {
    server.add(name, type_srv, be16(priority) + be16(weight) + be16(5061) + wire_name(target), ttl);
  }
  boost::asio::io_context context{1};
  NameServer server{context};
  std::unique_ptr<Resolver> resolver;
};

const std::string v4_one("\xc0\x00\x02\x01", 4), v4_two("\xc0\x00\x02\x02", 4);
const std::string v6_one("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);

TEST_F(ResolverTest, HostGivesBothFamiliesOrTheOneAskedFor) {
  make({});
  server.add("edge.example", type_a, v4_one, 120);
  server.add("edge.example", type_aaaa, v6_one, 90);
  run([&]() -> awaitable<void> {
    const auto both = co_await resolver->resolve_host("Edge.Example.");
    EXPECT_TRUE(both) << (both ? "" : both.fault().text());
    EXPECT_EQ(both->size(), 2u);
    const auto v4 = co_await resolver->resolve_host("edge.example", Family::v4);
    EXPECT_EQ(v4->size(), 1u);
    EXPECT_EQ(v4->front().address, "192.0.2.1");
    EXPECT_EQ(v4->front().ttl_s, 120u);
    const auto v6 = co_await resolver->resolve_host("edge.example", Family::v6);
    EXPECT_EQ(v6->front().address, "2001:db8::1");
    EXPECT_TRUE(v6->front().is_v6);
  }());
}

TEST_F(ResolverTest, AddressIsItsOwnAnswerWithoutAQuestion) {
  make({});
  run([&]() -> awaitable<void> {
    const auto literal = co_await resolver->resolve_host("192.0.2.9");
    EXPECT_EQ(literal->front().address, "192.0.2.9");
    const auto wrong = co_await resolver->resolve_host("2001:db8::9", Family::v4);
    EXPECT_FALSE(wrong);
  }());
  EXPECT_EQ(server.questions, 0);
}

TEST_F(ResolverTest, SrvComesOrderedAndAnewFromTheCache) {
  std::vector<uint32_t> draws = {0, 0, 100, 0};
  size_t next = 0;
  ResolverOptions options;
  options.draw = [&](uint32_t) { return next < draws.size() ? draws[next++] : 0; };
  make(options);
  srv("_sips._tcp.example.com", "backup.example", 20, 0);
  srv("_sips._tcp.example.com", "a.example", 10, 50);
  srv("_sips._tcp.example.com", "b.example", 10, 50);
  run([&]() -> awaitable<void> {
    const auto first = co_await resolver->resolve_srv("_sips._tcp.example.com");
    EXPECT_TRUE(first) << (first ? "" : first.fault().text());
    EXPECT_EQ(first->at(2).target, "backup.example");
    EXPECT_EQ(first->at(0).port, 5061);
    EXPECT_EQ(first->at(0).ttl_s, 60u);
    next = 2;
    const auto second = co_await resolver->resolve_srv("_sips._tcp.example.com");
    EXPECT_NE(first->at(0).target, second->at(0).target);
  }());
  EXPECT_EQ(server.questions, 1);
  EXPECT_EQ(resolver->counters().cache_hits, 1u);
}

TEST_F(ResolverTest, SrvWithARootTargetSaysThatTheServiceIsNotOffered) {
  make({});
  srv("_sip._udp.example.com", "", 0, 0);
  run([&]() -> awaitable<void> {
    const auto answer = co_await resolver->resolve_srv("_sip._udp.example.com");
    EXPECT_FALSE(answer);
    EXPECT_EQ(answer.fault().code, FaultCode::refused) << answer.fault().text();
  }());
}

TEST_F(ResolverTest, NaptrComesByOrderThenPreference) {
  make({});
  const auto naptr = [&](uint16_t order, uint16_t preference, const char* service, const char* replacement) {
    server.add("example.com", type_naptr, be16(order) + be16(preference) + text("s") + text(service) + text("") + wire_name(replacement));
  };
  naptr(20, 10, "SIP+D2U", "_sip._udp.example.com");
  naptr(10, 20, "SIP+D2T", "_sip._tcp.example.com");
  naptr(10, 10, "SIPS+D2T", "_sips._tcp.example.com");
  run([&]() -> awaitable<void> {
    const auto answer = co_await resolver->resolve_naptr("example.com");
    EXPECT_TRUE(answer) << (answer ? "" : answer.fault().text());
    EXPECT_EQ(answer->size(), 3u);
    EXPECT_EQ(answer->at(0).service, "SIPS+D2T");
    EXPECT_EQ(answer->at(0).replacement, "_sips._tcp.example.com");
    EXPECT_EQ(answer->at(2).service, "SIP+D2U");
  }());
}

TEST_F(ResolverTest, MissingNameIsRememberedBrieflyAndToldApartFromAMissingRecord) {
  make({});
  server.add("edge.example", type_a, v4_one);
  run([&]() -> awaitable<void> {
    const auto gone = co_await resolver->resolve_srv("_sips._tcp.nowhere.example");
    EXPECT_FALSE(gone);
    EXPECT_EQ(gone.fault().code, FaultCode::missing);
    EXPECT_NE(gone.fault().text().find("does not exist"), std::string::npos);
    const int asked = server.questions;
    [[maybe_unused]] const auto again = co_await resolver->resolve_srv("_sips._tcp.nowhere.example");
    EXPECT_EQ(server.questions, asked);
    EXPECT_EQ(resolver->counters().negative_hits, 1u);
    const auto no_record = co_await resolver->resolve_srv("edge.example");
    EXPECT_NE(no_record.fault().text().find("no such record"), std::string::npos) << no_record.fault().text();
  }());
}

TEST_F(ResolverTest, SilentServerMeetsTheDeadlineAndIsNotCached) {
  ResolverOptions options;
  options.deadline = 100ms;
  make(options);
  server.add("edge.example", type_a, v4_one);
  server.silent = true;
  run([&]() -> awaitable<void> {
    const auto late = co_await resolver->resolve_host("edge.example", Family::v4);
    EXPECT_FALSE(late);
    EXPECT_EQ(late.fault().code, FaultCode::timeout);
    EXPECT_EQ(resolver->cache_size(), 0u);
  }());
  EXPECT_EQ(resolver->counters().timed_out, 1u);
}

TEST_F(ResolverTest, EqualQuestionsAskedTogetherGoOutOnce) {
  make({});
  srv("_sips._tcp.example.com", "a.example", 1, 1);
  int answers = 0;
  for (int i = 0; i < 10; ++i) {
    boost::asio::co_spawn(
        context,
        [](Resolver& from, int& count) -> awaitable<void> {
          const auto answer = co_await from.resolve_srv("_sips._tcp.example.com");
          if (answer) ++count;
        }(*resolver, answers),
        boost::asio::detached);
  }
  context.restart();
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (answers < 10 && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
  EXPECT_EQ(answers, 10);
  EXPECT_EQ(server.questions, 1);
  EXPECT_EQ(resolver->counters().joined, 9u);
}

TEST_F(ResolverTest, CacheIsBoundedAndForgetsTheOldest) {
  ResolverOptions options;
  options.cache_entries = 2;
  make(options);
  for (const char* name : {"one.example", "two.example", "three.example"}) server.add(name, type_a, v4_one);
  run([&]() -> awaitable<void> {
    [[maybe_unused]] auto answer = co_await resolver->resolve_host("one.example", Family::v4);
    answer = co_await resolver->resolve_host("two.example", Family::v4);
    answer = co_await resolver->resolve_host("three.example", Family::v4);
    EXPECT_EQ(resolver->cache_size(), 2u);
    const int asked = server.questions;
    answer = co_await resolver->resolve_host("three.example", Family::v4);
    EXPECT_EQ(server.questions, asked);
    answer = co_await resolver->resolve_host("one.example", Family::v4);
    EXPECT_EQ(server.questions, asked + 1);
  }());
}

TEST_F(ResolverTest, ReloadTakesNewServersAndKeepsOpenQuestions) {
  make({});
  NameServer other(context);
  other.add("edge.example", type_a, v4_two);
  server.add("edge.example", type_a, v4_one);
  run([&]() -> awaitable<void> {
    bool answered = false;
    boost::asio::co_spawn(
        context,
        [](Resolver& from, bool& done) -> awaitable<void> {
          const auto answer = co_await from.resolve_host("edge.example", Family::v4);
          EXPECT_TRUE(answer);
          EXPECT_EQ(answer->front().address, "192.0.2.1");
          done = true;
        }(*resolver, answered),
        boost::asio::detached);
    boost::asio::steady_timer timer(context, 0ms);
    co_await timer.async_wait(boost::asio::use_awaitable);
    std::vector<std::string> servers(1, other.address());
    EXPECT_TRUE(resolver->reload(servers));
    for (int i = 0; i < 5000 && !answered; ++i) {
      timer.expires_after(1ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    EXPECT_TRUE(answered);
    resolver->clear_cache();
    const auto fresh = co_await resolver->resolve_host("edge.example", Family::v4);
    EXPECT_EQ(fresh->front().address, "192.0.2.2");
    std::vector<std::string> broken(1, "not an address");
    EXPECT_FALSE(resolver->reload(broken));
    resolver->clear_cache();
    const auto still = co_await resolver->resolve_host("edge.example", Family::v4);
    EXPECT_EQ(still->front().address, "192.0.2.2");
  }());
}

TEST_F(ResolverTest, CancelledQuestionEndsAtOnceAndDestructionEndsTheRest) {
  using namespace boost::asio::experimental::awaitable_operators;
  make({});
  server.silent = true;
  bool ended = false;
  run([&]() -> awaitable<void> {
    boost::asio::steady_timer timer(context, 5ms);
    const auto first = co_await (resolver->resolve_host("slow.example") || timer.async_wait(boost::asio::use_awaitable));
    EXPECT_EQ(first.index(), 1u);
    boost::asio::co_spawn(
        context,
        [](Resolver& from, bool& done) -> awaitable<void> {
          const auto answer = co_await from.resolve_host("slower.example");
          EXPECT_FALSE(answer);
          EXPECT_EQ(answer.fault().code, FaultCode::refused) << answer.fault().text();
          done = true;
        }(*resolver, ended),
        boost::asio::detached);
    timer.expires_after(5ms);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }());
  resolver.reset();
  context.restart();
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!ended && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
  EXPECT_TRUE(ended);
}

TEST_F(ResolverTest, BrokenServerListAndImpossibleNamesAreFaults) {
  ResolverOptions options;
  options.servers = {"nonsense"};
  EXPECT_FALSE(Resolver::create(context, options));
  make({});
  run([&]() -> awaitable<void> {
    const auto empty = co_await resolver->resolve_srv("");
    EXPECT_FALSE(empty);
    const auto endless = co_await resolver->resolve_host(std::string(5000, 'a'));
    EXPECT_FALSE(endless);
    EXPECT_EQ(endless.fault().code, FaultCode::invalid);
  }());
  EXPECT_EQ(server.questions, 0);
}

}  // namespace
}  // namespace sallyport::dns
