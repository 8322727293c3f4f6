// SPDX-License-Identifier: Apache-2.0
// Dynamic updates at bind9, and a wildcard proven to pebble by them. C30.
#include "controlplane/acme/dns01_rfc2136.h"

#include <gmock/gmock.h>

#include "controlplane/acme/dns01_hook.h"
#include "controlplane/acme/dns_exchange.h"
#include "tests/unit/acme/named.h"
#include "tests/unit/acme/pebble.h"

namespace sallyport::acme_test {
namespace {

using ::testing::HasSubstr;

class Dns01Rfc2136Test : public AcmeTest {
 public:
  void SetUp() override {
    if (const std::string objection = Named::objection(); !objection.empty()) GTEST_SKIP() << objection;
    AcmeTest::SetUp();
  }
  Dns01Rfc2136Options options_for(const Named& named) {
    use_name_server(named.address().text());
    Dns01Rfc2136Options options;
    options.server = named.address();
    options.key = Named::key();
    options.check_port = named.port();
    options.look_again = 50ms;
    options.propagation = 20s;
    return options;
  }
  static ChallengeTask task_for(const std::string& domain, const std::string& token = "token") {
    ChallengeTask task;
    task.domain = domain;
    task.token = token;
    task.key_authorization = token + ".thumbprint";
    return task;
  }
  // The TXT records of a name at a server.
  awaitable<std::vector<std::string>> texts(tls::SocketAddress server, std::string name) {
    DnsExchange exchange;
    exchange.server = server;
    exchange.wire = write_question(1, name, DnsType::txt);
    const auto wire = co_await exchange_dns(*engine, std::move(exchange));
    EXPECT_TRUE(wire) << (wire ? "" : wire.fault().text());
    std::vector<std::string> found;
    const auto message = wire ? read_dns_message(*wire) : Outcome<DnsMessage>(wire.fault());
    EXPECT_TRUE(message);
    if (!message) co_return found;
    for (const DnsRecord& record : message->answers) {
      if (record.is(DnsType::txt)) found.push_back(record.text);
    }
    co_return found;
  }
  awaitable<std::string> fault_of(Dns01Rfc2136Options options, std::string domain) {
    Dns01Rfc2136 solver(*engine, *resolver, std::move(options));
    ChallengeTask task = task_for(domain);
    const auto presented = co_await solver.present(std::move(task));
    co_return presented ? "no fault" : presented.fault().text();
  }
};

TEST_F(Dns01Rfc2136Test, AddsItsRecordBesideOthersAndRemovesOnlyIt) {
  Named named(*this, free_port());
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await named.ready());
    Dns01Rfc2136 solver(*engine, *resolver, options_for(named));
    const std::string name = "_acme-challenge.a.example.test";
    ChallengeTask one = task_for("a.example.test", "one"), two = task_for("a.example.test", "two");
    const std::string text_one = challenge_record_text(one.key_authorization), text_two = challenge_record_text(two.key_authorization);
    const ChallengeTask one_again = one, two_again = two;
    const auto first = co_await solver.present(std::move(one));
    EXPECT_TRUE(first) << first.fault().text() << named.log();
    const auto second = co_await solver.present(std::move(two));
    EXPECT_TRUE(second) << second.fault().text();
    auto found = co_await texts(named.address(), name);
    EXPECT_THAT(found, ::testing::UnorderedElementsAre(text_one, text_two));
    one = one_again;
    const auto cleaned = co_await solver.cleanup(std::move(one));
    EXPECT_TRUE(cleaned) << cleaned.fault().text();
    found = co_await texts(named.address(), name);
    EXPECT_THAT(found, ::testing::ElementsAre(text_two));
    two = two_again;
    const auto cleaned_two = co_await solver.cleanup(std::move(two));
    EXPECT_TRUE(cleaned_two);
    found = co_await texts(named.address(), name);
    EXPECT_TRUE(found.empty());
  }());
}

TEST_F(Dns01Rfc2136Test, WaitsUntilTheSecondaryShowsItToo) {
  const uint16_t primary_port = free_port(), secondary_port = free_port();
  Named primary(*this, primary_port, secondary_port);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await primary.ready());
    // Only now: one that finds no primary lets its zone rest for a minute.
    Named secondary(*this, secondary_port, 0, primary_port);
    EXPECT_TRUE(co_await secondary.ready());
    Dns01Rfc2136Options options = options_for(primary);
    options.check_servers = {primary.address(), secondary.address()};
    Dns01Rfc2136 solver(*engine, *resolver, std::move(options));
    ChallengeTask task = task_for("b.example.test");
    const std::string text = challenge_record_text(task.key_authorization), name = "_acme-challenge.b.example.test";
    const auto presented = co_await solver.present(std::move(task));
    EXPECT_TRUE(presented) << presented.fault().text() << secondary.log();
    const auto found = co_await texts(secondary.address(), name);
    EXPECT_THAT(found, ::testing::ElementsAre(text));
  }());
}

TEST_F(Dns01Rfc2136Test, SecondaryThatNeverShowsItIsNamed) {
  Named named(*this, free_port());
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await named.ready());
    Dns01Rfc2136Options options = options_for(named);
    const tls::SocketAddress dead = *tls::SocketAddress::parse("127.0.0.1", free_port());
    options.check_servers = {named.address(), dead};
    options.propagation = 300ms;
    const std::string domain = "c.example.test";
    const std::string text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("DNS record _acme-challenge.c.example.test: is not at all name servers after 0 s: name server " + dead.text()));
  }());
}

TEST_F(Dns01Rfc2136Test, AliasLeadsToAZoneOfItsOwn) {
  Named named(*this, free_port());
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await named.ready());
    Dns01Rfc2136 solver(*engine, *resolver, options_for(named));
    ChallengeTask task = task_for("alias.example.test");
    const std::string text = challenge_record_text(task.key_authorization), name = "alias.delegated.test";
    const auto presented = co_await solver.present(std::move(task));
    EXPECT_TRUE(presented) << presented.fault().text();
    const auto found = co_await texts(named.address(), name);
    EXPECT_THAT(found, ::testing::ElementsAre(text));
  }());
}

TEST_F(Dns01Rfc2136Test, LongerDigestServesToo) {
  Named named(*this, free_port());
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await named.ready());
    Dns01Rfc2136Options options = options_for(named);
    options.key = Named::key("long-key");
    options.key.algorithm = TsigAlgorithm::hmac_sha512;
    options.zone = "Example.Test.";
    const std::string domain = "f.example.test";
    std::string text = co_await fault_of(std::move(options), domain);
    EXPECT_EQ(text, "no fault");
    options = options_for(named);
    options.key.algorithm = TsigAlgorithm::hmac_sha512;
    text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("or with another algorithm (BADKEY)"));
  }());
}

TEST_F(Dns01Rfc2136Test, RefusalsSayWhatToCorrect) {
  Named named(*this, free_port());
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await named.ready());
    const std::string domain = "d.example.test", elsewhere = "d.elsewhere.test", round = "round.example.test";
    Dns01Rfc2136Options options = options_for(named);
    options.key = Named::key("acme-key", "d3Jvbmcgc2VjcmV0");
    std::string text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("the secret of the TSIG key is not the server's (BADSIG)"));
    options = options_for(named);
    options.key = Named::key("stranger");
    text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("does not know this TSIG key"));
    options = options_for(named);
    options.key = Named::key("other-key");
    text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("the server answers REFUSED; let its update policy allow the key other-key"));
    options = options_for(named);
    text = co_await fault_of(std::move(options), elsewhere);
    EXPECT_THAT(text, HasSubstr("answers REFUSED for _acme-challenge.d.elsewhere.test"));
    options = options_for(named);
    options.zone = "delegated.test";
    text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("the name is not within the zone delegated.test"));
    options = options_for(named);
    text = co_await fault_of(std::move(options), round);
    EXPECT_THAT(text, HasSubstr("endless chain of CNAME"));
  }());
}

TEST_F(Dns01Rfc2136Test, SilentServerMeetsTheDeadline) {
  run([&]() -> awaitable<void> {
    Dns01Rfc2136Options options;
    options.server = *tls::SocketAddress::parse("127.0.0.1", free_port());
    options.key = Named::key();
    const std::string domain = "e.example.test";
    const std::string text = co_await fault_of(std::move(options), domain);
    EXPECT_THAT(text, HasSubstr("let this node reach port 53 by TCP"));
  }());
}

TEST_F(Dns01Rfc2136Test, PebbleIssuesAWildcard) {
  if (const std::string objection = Pebble::objection(); !objection.empty()) GTEST_SKIP() << objection;
  Named named(*this, free_port());
  PebbleOptions pebble_options;
  pebble_options.name_server = named.address().text();
  Pebble pebble(*this, pebble_options);
  run([&]() -> awaitable<void> {
    EXPECT_TRUE(co_await named.ready());
    EXPECT_TRUE(co_await pebble.ready());
    Dns01Rfc2136 solver(*engine, *resolver, options_for(named));
    // The name and its wildcard are proven by two records of one name.
    OrderJob order = job({"w.example.test", "*.w.example.test"}, {pebble.authority()}, {&solver});
    const OrderReport report = co_await run_order(*engine, *resolver, std::move(order));
    EXPECT_TRUE(report.issued) << report.fault().text() << pebble.log();
    if (!report.issued) co_return;
    EXPECT_THAT(report.issued->chain.leaf.names_text(), HasSubstr("DNS:*.w.example.test"));
    const std::string name = "_acme-challenge.w.example.test";
    const auto left = co_await texts(named.address(), name);
    EXPECT_TRUE(left.empty());
  }());
}

}  // namespace
}  // namespace sallyport::acme_test
