// SPDX-License-Identifier: Apache-2.0
// C's side of clients' streams: a presence server is held to its certificate's SAN (RFC 6120 13.7.2), STARTTLS to what was said behind
// TLS, and what it offers to what holds through E.

#include "controlplane/xmpp/presence_access.h"

#include <gmock/gmock.h>

#include <optional>

#include "tests/unit/xmpp/stream_pair.h"

namespace sallyport::xmpp_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* tls_features = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";

class PresenceAccess : public StreamPair {
 public:
  void SetUp() override {
    StreamPair::SetUp();
    auto made = dns::Resolver::create(context, {});
    ASSERT_TRUE(made);
    resolver = std::move(*made);
  }
  void TearDown() override {
    if (access != nullptr) access->close_all("the test is over");
    listeners.clear();
    accepted.clear();
    StreamPair::TearDown();
    access.reset();
    resolver.reset();
  }

  // C with presence servers on these listeners, in this order.
  awaitable<void> serve_presence(std::vector<const tls::Listener*> servers) {
    co_await join();
    std::vector<xmpp::PresenceNode> nodes;
    for (const tls::Listener* each : servers) nodes.push_back({"imp" + std::to_string(nodes.size() + 1), "127.0.0.1", each->address().port(), false, static_cast<uint32_t>(nodes.size()), {domain}});
    tls::ConnectOptions dialling;
    dialling.connect_deadline = 2s;
    dialling.handshake_deadline = 3s;
    access = std::make_unique<xmpp::PresenceAccess>(std::move(nodes), *engine, *resolver, client_policy, client_policy, dialling);
    access->log = [this](const std::string& line) { lines += line + "\n"; };
    core->on_channel = [this](const ChannelPtr& channel) { access->on_channel(channel); };
  }

  // Opens a channel as E does; the answer comes later.
  struct Asked {
    std::optional<Outcome<ChannelPtr>> answer;
  };
  static awaitable<void> ask_now(multiplex::SessionPtr session, std::string domain, std::shared_ptr<Asked> asked) {
    const multiplex::Fields fields = {{"stream", "0123456789ab"}, {"source", "203.0.113.9:40000"}};
    auto opened = co_await session->open(std::string(xmpp::client_purpose), std::move(domain), fields, multiplex::Weight::interactive);
    asked->answer.emplace(std::move(opened));
  }
  std::shared_ptr<Asked> ask(std::string domain = "example.com") {
    auto asked = std::make_shared<Asked>();
    boost::asio::co_spawn(context, ask_now(edge, std::move(domain), asked), boost::asio::detached);
    return asked;
  }
  awaitable<std::string> answer_of(std::shared_ptr<Asked> asked) {
    // GCC 12 copies a lambda that is a temporary of an awaiting expression bit by bit.
    const std::function<bool()> has_answer = [asked] { return asked->answer.has_value(); };
    std::string text = "no answer";
    const bool came = co_await eventually(has_answer);
    if (came) text = *asked->answer ? "taken" : asked->answer->fault().text();
    co_return text;
  }

  // A presence server up to what it says to <starttls/>.
  awaitable<tls::StreamPtr> meet(std::string features, std::string reply) {
    tls::StreamPtr server = co_await next_accepted();
    if (server == nullptr) co_return server;
    const std::string header = "'>", request = "<starttls";
    co_await read_until(server, header);
    server->send(server_header + features);
    if (reply.empty()) co_return server;
    co_await read_until(server, request);
    server->send(reply);
    co_return server;
  }
  awaitable<std::string> secure(tls::StreamPtr server, std::shared_ptr<tls::TlsPolicy> policy) {
    const auto failure = co_await server->secure_server(policy, 10s);
    co_return failure ? failure->text : "";
  }

  std::string domain = "example.com";
  std::unique_ptr<dns::Resolver> resolver;
  std::unique_ptr<xmpp::PresenceAccess> access;
};
INSTANTIATE_FOR_BOTH_BACKENDS(PresenceAccess);

TEST_P(PresenceAccess, AStreamGoesToTheServerAndIsShownNoChannelBinding) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    co_await test.serve_presence(servers);
    auto asked = test.ask();
    const std::string starttls = tls_features, proceed(xmpp::starttls_proceed);
    tls::StreamPtr server = co_await test.meet(starttls, proceed);
    const std::string failed = co_await test.secure(server, test.server_policy);
    EXPECT_EQ(failed, "");
    const std::string answer = co_await test.answer_of(asked);
    EXPECT_EQ(answer, "taken");
    if (answer != "taken") co_return;
    ChannelPtr edge_side = **asked->answer;
    edge_side->send(client_header);
    const std::string header = client_header;
    const std::string came = co_await test.read_until(server, header);
    EXPECT_EQ(came, header);
    server->send(std::string(server_header) + "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>");
    const std::string end = "</stream:features>";
    const std::string shown = co_await test.read_channel(edge_side, end);
    EXPECT_EQ(shown, std::string(server_header) + "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>");
    server->send(success);
    const std::string word = success;
    co_await test.read_channel(edge_side, word);
    EXPECT_EQ(test.access->established(), 1u);
    // Behind the last features nothing is read any more.
    server->send(std::string(server_header) + "<stream:features/><a><!-- not ours to judge --></a>");
    const std::string last = "</a>";
    const std::string rest = co_await test.read_channel(edge_side, last);
    EXPECT_THAT(rest, HasSubstr("<a><!-- not ours to judge --></a>"));
    edge_side->close("the client went");
    const bool gone = co_await test.eventually([&] { return test.access->count() == 0 && test.access->established() == 0; });
    EXPECT_TRUE(gone);
    const std::string after = co_await test.read_to_end(server);
    EXPECT_EQ(after, "") << "without a farewell the server keeps the session for XEP-0198";
  }(*this));
}

TEST_P(PresenceAccess, WhatComesBetweenProceedAndTheHandshakeIsAStrangers) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    co_await test.serve_presence(servers);
    auto asked = test.ask();
    const std::string starttls = tls_features, proceed = std::string(xmpp::starttls_proceed) + "<stream:features/>";
    tls::StreamPtr server = co_await test.meet(starttls, proceed);
    const std::string answer = co_await test.answer_of(asked);
    EXPECT_THAT(answer, HasSubstr("between STARTTLS and the handshake"));
  }(*this));
}

TEST_P(PresenceAccess, AServerIsAskedForItsDomainAsAddressesHaveIt) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    test.domain = "xn--bcher-kva.example";
    co_await test.serve_presence(servers);
    auto asked = test.ask(test.domain);
    tls::StreamPtr server = co_await test.next_accepted();
    const std::string end = "'>";
    const std::string header = co_await test.read_until(server, end);
    EXPECT_THAT(header, HasSubstr("to='b\u00FCcher.example'"));
    server->close("enough");
    const std::string answer = co_await test.answer_of(asked);
    EXPECT_NE(answer, "taken");
  }(*this));
}

TEST_P(PresenceAccess, AServerWithoutStartTlsIsSentNothing) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    co_await test.serve_presence(servers);
    auto asked = test.ask();
    const std::string features = login_features, none;
    tls::StreamPtr server = co_await test.meet(features, none);
    const std::string answer = co_await test.answer_of(asked);
    EXPECT_THAT(answer, HasSubstr("offers no STARTTLS"));
    const std::string heard = co_await test.read_to_end(server);
    EXPECT_EQ(heard, "");
  }(*this));
}

TEST_P(PresenceAccess, TheCertificateMustHoldTheDomainOrTheHostAsSanAndTheCnCountsForNothing) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    co_await test.serve_presence(servers);
    const std::string starttls = tls_features, proceed(xmpp::starttls_proceed);
    // SAN, and what is told. The host is 127.0.0.1 here.
    const std::vector<std::pair<std::string, std::string>> cases = {{"DNS:other.example.com", "other.example.com"}, {"", "example.com"}, {"DNS:example.com", "taken"}, {"IP:127.0.0.1", "taken"}};
    for (const auto& [names, told] : cases) {
      tls_test::LeafWish wish;
      wish.common_name = "example.com";
      wish.subject_alt_names = names;
      auto shown = test.policy(tls::TlsRole::server, test.store(test.certificates.leaf("imp", wish), {}));
      auto asked = test.ask();
      tls::StreamPtr server = co_await test.meet(starttls, proceed);
      co_await test.secure(server, shown);
      const std::string answer = co_await test.answer_of(asked);
      EXPECT_THAT(answer, HasSubstr(told)) << names << ": " << test.lines;
      EXPECT_EQ(answer == "taken", told == "taken") << names;
    }
  }(*this));
}

TEST_P(PresenceAccess, FeaturesThatCannotBeReadAreNotShown) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    co_await test.serve_presence(servers);
    auto asked = test.ask();
    const std::string starttls = tls_features, proceed(xmpp::starttls_proceed);
    tls::StreamPtr server = co_await test.meet(starttls, proceed);
    co_await test.secure(server, test.server_policy);
    const std::string answer = co_await test.answer_of(asked);
    if (answer != "taken") co_return;
    server->send(std::string(server_header) + "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>X-PLUS</mechanism><unbound:prefix/></mechanisms></stream:features>");
    const std::string never = "mechanism";
    const std::string shown = co_await test.read_channel(**asked->answer, never);
    EXPECT_THAT(shown, Not(HasSubstr("mechanism")));
    const bool gone = co_await test.eventually([&] { return test.access->count() == 0; });
    EXPECT_TRUE(gone);
  }(*this));
}

TEST_P(PresenceAccess, TheNextServerIsTakenAndTheFailingOneIsFoundWellAgainWithoutAClient) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr), &test.listen(nullptr)};
    co_await test.serve_presence(servers);
    auto asked = test.ask();
    tls::StreamPtr broken = co_await test.next_accepted();
    broken->close("it is broken");
    const std::string starttls = tls_features, proceed(xmpp::starttls_proceed);
    tls::StreamPtr second = co_await test.meet(starttls, proceed);
    co_await test.secure(second, test.server_policy);
    const std::string answer = co_await test.answer_of(asked);
    EXPECT_EQ(answer, "taken");
    const auto nodes = test.access->nodes();
    EXPECT_TRUE(nodes.at(0).is_failing);
    EXPECT_FALSE(nodes.at(1).is_failing);
    EXPECT_FALSE(test.access->is_unserved(nodes.at(0).node)) << "the second serves its domain";
    test.access->watch_nodes(std::chrono::hours(1));
    tls::StreamPtr probed = co_await test.meet(starttls, proceed);
    co_await test.secure(probed, test.server_policy);
    const bool is_well = co_await test.eventually([&] { return !test.access->nodes().at(0).is_failing; });
    EXPECT_TRUE(is_well);
    EXPECT_THAT(test.access->nodes().at(0).text, HasSubstr("reached, TLSv1.3"));
  }(*this));
}

TEST_P(PresenceAccess, ADomainOfNoServerIsRefusedByName) {
  run([](PresenceAccess& test) -> awaitable<void> {
    const std::vector<const tls::Listener*> servers = {&test.listen(nullptr)};
    co_await test.serve_presence(servers);
    auto asked = test.ask("other.example.com");
    const std::string answer = co_await test.answer_of(asked);
    EXPECT_THAT(answer, HasSubstr("no presence server of this C serves the domain"));
    EXPECT_EQ(test.access->counters().refused_domain, 1u);
  }(*this));
}

}  // namespace
}  // namespace sallyport::xmpp_test
