// SPDX-License-Identifier: Apache-2.0
// E's side of clients' streams, as a hostile network meets it (C10, RFC 6120 13): what is refused, with which condition, and when.

#include <gmock/gmock.h>

#include "tests/unit/xmpp/stream_pair.h"

namespace sallyport::xmpp_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using xmpp::ClientRefusal;
using xmpp::ClientState;

class ClientStreams : public StreamPair {};
INSTANTIATE_FOR_BOTH_BACKENDS(ClientStreams);

TEST_P(ClientStreams, AStreamIsRoutedAuthenticatedAndCarriedBothWays) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.logged_in();
    if (pair.inside == nullptr) co_return;
    EXPECT_EQ(pair.inside->purpose(), "xmpp-client");
    EXPECT_EQ(pair.inside->name(), "example.com");
    const auto views = test.streams->streams(10);
    EXPECT_EQ(views.size(), 1u);
    EXPECT_EQ(*multiplex::find_field(pair.inside->fields(), "stream"), views.at(0).id);
    EXPECT_EQ(*multiplex::find_field(pair.inside->fields(), "source"), pair.client->local_address().text());
    EXPECT_EQ(views[0].state, ClientState::established);
    EXPECT_EQ(views[0].zone, "inside");
    const std::string up = "<message><body>up</body></message>", down = "<message><body>down</body></message>";
    pair.client->send(up);
    const std::string at_core = co_await test.read_channel(pair.inside, up);
    EXPECT_EQ(at_core, up);
    pair.inside->send(down);
    const std::string at_client = co_await test.read_until(pair.client, down);
    EXPECT_EQ(at_client, down);
    // A farewell of both ends all.
    pair.client->send("</stream:stream>");
    const std::string end = "</stream:stream>";
    co_await test.read_channel(pair.inside, end);
    pair.inside->send(end);
    pair.inside->finish();
    const std::string farewell = co_await test.read_to_end(pair.client);
    EXPECT_EQ(farewell, end);
    const bool gone = co_await test.eventually([&] { return test.streams->count(ClientState::established) == 0; });
    EXPECT_TRUE(gone);
    EXPECT_EQ(test.streams->counters().authenticated, 1u);
  }(*this));
}

TEST_P(ClientStreams, WhatFollowsStartTlsInTheClearIsNeverTakenForTheClients) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    const std::string features = "</stream:features>", proceed = "<proceed";
    // In one segment.
    tls::StreamPtr at_once = co_await test.connect();
    at_once->send(client_header);
    co_await test.read_until(at_once, features);
    at_once->send(std::string(xmpp::starttls_request) + "<iq/>");
    const std::string said = co_await test.read_to_end(at_once);
    EXPECT_THAT(said, AllOf(HasSubstr("policy-violation"), Not(HasSubstr("<proceed"))));
    EXPECT_EQ(test.refused(ClientRefusal::no_tls), 1u);
    // Behind it: it is read as the handshake, which fails.
    tls::StreamPtr later = co_await test.connect();
    later->send(client_header);
    co_await test.read_until(later, features);
    later->send(xmpp::starttls_request);
    co_await test.read_until(later, proceed);
    later->send(std::string(client_header) + "<iq/>");
    co_await test.read_to_end(later);
    const bool failed = co_await test.eventually([&] { return test.refused(ClientRefusal::tls_failed) == 1; });
    EXPECT_TRUE(failed);
    EXPECT_TRUE(test.arrived.empty()) << "a stream in the clear went inside";
  }(*this));
}

TEST_P(ClientStreams, AnSniThatIsNoHostNameGoesNoFurther) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    tls::StreamPtr client = co_await test.connect();
    client->send(client_header);
    const std::string features = "</stream:features>", proceed = "<proceed", sni = "a b\x01\xFF ", end = "'>";
    co_await test.read_until(client, features);
    client->send(xmpp::starttls_request);
    co_await test.read_until(client, proceed);
    const std::vector<std::string> names = {"example.com"};
    const auto failure = co_await client->secure_client(test.client_policy, sni, names, 10s);
    EXPECT_FALSE(failure);
    client->send(client_header);
    const bool came = co_await test.eventually([&] { return !test.arrived.empty(); });
    EXPECT_TRUE(came);
    if (came) EXPECT_EQ(*multiplex::find_field(test.arrived[0]->fields(), "sni"), "");
  }(*this));
}

TEST_P(ClientStreams, EachCauseHasItsConditionOfRfc6120) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    const std::string rest = " version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"<stream:stream" + rest, "<improper-addressing "},
        {"<stream:stream to='a b'" + rest, "<improper-addressing "},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><stream:stream to='example.com'" + rest, "<unsupported-encoding "},
        {"<stream:stream to='example.com' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", "<unsupported-version "},
        {"<stream:stream to='example.com' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>", "<invalid-namespace "},
        {"<stream to='example.com' version='1.0' xmlns='jabber:client'>", "<bad-format "},
        {"GET / HTTP/1.1\r\n", "<not-well-formed "},
        {"<!DOCTYPE a>", "<restricted-xml "},
        {"<stream:stream a='" + std::string(5000, 'x'), "<policy-violation "},
    };
    for (const auto& [sent, condition] : cases) {
      tls::StreamPtr client = co_await test.connect();
      client->send(sent);
      const std::string said = co_await test.read_to_end(client);
      EXPECT_THAT(said, AllOf(HasSubstr(condition), HasSubstr("<stream:stream "), testing::EndsWith("</stream:error></stream:stream>"))) << sent;
    }
    EXPECT_TRUE(test.arrived.empty());
  }(*this));
}

TEST_P(ClientStreams, TheDomainAndEncodingOfAStreamStayWhatTheyWere) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    const std::string rest = " version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    tls::StreamPtr other = co_await test.secured();
    other->send("<stream:stream to='other.example.com'" + rest);
    const std::string said = co_await test.read_to_end(other);
    EXPECT_THAT(said, HasSubstr("<host-unknown "));
    const std::vector<std::pair<std::string, std::string>> cases = {{"<stream:stream to='other.example.com'" + rest, "<host-unknown "}, {"<?xml version='1.0' encoding='UTF-7'?><stream:stream to='example.com'" + rest, "<unsupported-encoding "}};
    for (const auto& [header, condition] : cases) {
      Routed pair = co_await test.routed();
      if (pair.inside == nullptr) co_return;
      const std::string word = "<success";
      pair.inside->send(success);
      co_await test.read_until(pair.client, word);
      pair.client->send(header);
      const std::string answer = co_await test.read_to_end(pair.client);
      EXPECT_THAT(answer, AllOf(testing::StartsWith("<?xml"), HasSubstr(condition))) << "behind success an error needs a header of its own";
      const std::string never = "other";
      const std::string went_in = co_await test.read_channel(pair.inside, never);
      EXPECT_EQ(went_in, "");
    }
  }(*this));
}

TEST_P(ClientStreams, BeforeAuthenticationOnlySoMuchIsTaken) {
  streams_settings.unauthenticated_stanzas = 10;
  streams_settings.unauthenticated_bytes = 5000;
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    std::string many;
    for (int i = 0; i < 11; ++i) many += "<iq/>";
    const std::vector<std::string> cases = {many, std::string(6000, ' ')};
    for (const std::string& sent : cases) {
      Routed pair = co_await test.routed();
      if (pair.inside == nullptr) co_return;
      pair.client->send(sent);
      const std::string said = co_await test.read_to_end(pair.client);
      EXPECT_THAT(said, HasSubstr("<policy-violation "));
    }
    tls::StreamPtr blank = co_await test.connect();
    blank->send(std::string(6000, ' '));
    const std::string said = co_await test.read_to_end(blank);
    EXPECT_THAT(said, HasSubstr("<policy-violation "));
    EXPECT_EQ(test.refused(ClientRefusal::not_authenticated), 3u);
  }(*this));
}

TEST_P(ClientStreams, WhoIsNotAuthenticatedInTimeIsEnded) {
  streams_settings.authentication = 200ms;
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    tls::StreamPtr silent = co_await test.connect();
    const std::string said = co_await test.read_to_end(silent);
    EXPECT_THAT(said, HasSubstr("<connection-timeout "));
    EXPECT_EQ(test.refused(ClientRefusal::not_authenticated), 1u);
  }(*this));
}

TEST_P(ClientStreams, AFewFailedLoginsEndTheStream) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.routed();
    if (pair.inside == nullptr) co_return;
    const std::string failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    for (int i = 0; i < 5; ++i) pair.inside->send(failure);
    const std::string said = co_await test.read_to_end(pair.client);
    EXPECT_THAT(said, HasSubstr(failure + "<stream:error><policy-violation "));
    EXPECT_EQ(test.refused(ClientRefusal::too_many_failures), 1u);
    EXPECT_EQ(test.streams->counters().failed_logins, 5u);
  }(*this));
}

TEST_P(ClientStreams, AStanzaThatWasBegunBeforeSuccessIsNotTakenBehindIt) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.routed();
    if (pair.inside == nullptr) co_return;
    const std::string begun = "<message><bo";
    pair.client->send(begun);
    co_await test.read_channel(pair.inside, begun);
    pair.inside->send(success);
    const std::string said = co_await test.read_to_end(pair.client);
    EXPECT_THAT(said, AllOf(HasSubstr("<policy-violation "), Not(HasSubstr("<success"))));
    EXPECT_EQ(test.streams->counters().authenticated, 0u);
  }(*this));
}

// The symptom: a client that sends a byte of its stanza now and then is never idle, and is held for ever.
TEST_P(ClientStreams, AStanzaThatDripsIsEndedAndOneThatIsWholeInTimeIsNot) {
  streams_settings.stanza = 300ms;
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.logged_in();
    if (pair.inside == nullptr) co_return;
    const std::string head = "<message><body>", tail = "</body></message>";
    for (int i = 0; i < 5; ++i) {
      pair.client->send(head);
      co_await test.read_channel(pair.inside, head);
      pair.client->send(tail);
      co_await test.read_channel(pair.inside, tail);
    }
    pair.client->send(head);
    int drops = 0;
    const bool is_ended = co_await test.eventually([&] {
      if (++drops % 16 == 0) pair.client->send("x");
      return test.refused(ClientRefusal::too_slow) == 1;
    });
    EXPECT_TRUE(is_ended);
    const std::string said = co_await test.read_to_end(pair.client);
    EXPECT_THAT(said, HasSubstr("<policy-violation "));
  }(*this));
}

// The symptom: what some clients did not read filled the memory that all streams share, and nobody was sent anything any more.
TEST_P(ClientStreams, WhoTakesNothingOfWhatIsSentIsEnded) {
  streams_settings.take = 300ms;
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.logged_in();
    if (pair.inside == nullptr) co_return;
    const std::string much = "<message><body>" + std::string(100'000, 'x') + "</body></message>";
    const bool is_ended = co_await test.eventually([&] {
      while (pair.inside->send(much)) {
      }
      return test.refused(ClientRefusal::not_taken) == 1;
    });
    EXPECT_TRUE(is_ended);
    const bool gone = co_await test.eventually([&] { return !pair.inside->is_open(); });
    EXPECT_TRUE(gone);
  }(*this));
}

TEST_P(ClientStreams, WhoSendsFasterThanAllowedIsReadMoreSlowlyAndLosesNothing) {
  streams_settings.stanzas_per_s = 1000;
  streams_settings.bytes_per_s = 200'000;
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.logged_in();
    if (pair.inside == nullptr) co_return;
    std::string many;
    for (int i = 0; i < 4200; ++i) many += "<a/>";
    many += "<last/>";
    pair.client->send(many);
    const std::string last = "<last/>";
    const std::string came = co_await test.read_channel(pair.inside, last);
    EXPECT_EQ(came, many);
    EXPECT_GE(test.streams->counters().slowed, 1u);
    const uint64_t slowed = test.streams->counters().slowed;
    const std::string big = "<message>" + std::string(850'000, 'x') + "</message><last/>";
    pair.client->send(big);
    const std::string then = co_await test.read_channel(pair.inside, last);
    EXPECT_EQ(then.size(), big.size());
    EXPECT_GT(test.streams->counters().slowed, slowed) << "bytes count too";
  }(*this));
}

TEST_P(ClientStreams, AnErrorBeforeTheServersHeaderHasOneOfItsOwn) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    tls::StreamPtr client = co_await test.secured();
    client->send(std::string(client_header) + "<!-- hidden -->");
    const std::string said = co_await test.read_to_end(client);
    EXPECT_THAT(said, AllOf(testing::StartsWith("<?xml version='1.0'?><stream:stream "), HasSubstr("<restricted-xml ")));
  }(*this));
}

TEST_P(ClientStreams, ALostLinkIsToldBeforeAuthenticationAndLeftToResumptionBehindIt) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed early = co_await test.routed();
    Routed late = co_await test.logged_in();
    if (early.inside == nullptr || late.inside == nullptr) co_return;
    early.inside->close("the presence server went");
    late.inside->close("the presence server went");
    const std::string told = co_await test.read_to_end(early.client);
    EXPECT_THAT(told, AllOf(HasSubstr("<remote-connection-failed "), Not(HasSubstr("went")))) << "a stranger is told nothing of the inside";
    const std::string resumable = co_await test.read_to_end(late.client);
    EXPECT_EQ(resumable, "") << "a farewell would end the session that XEP-0198 resumes";
  }(*this));
}

TEST_P(ClientStreams, ASourceHasOnlySoManyStreamsThatAreNotAuthenticated) {
  streams_settings.unauthenticated_per_source = 2;
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed established = co_await test.logged_in();
    tls::StreamPtr first = co_await test.connect();
    tls::StreamPtr second = co_await test.connect();
    tls::StreamPtr third = co_await test.connect();
    const std::string said = co_await test.read_to_end(third);
    EXPECT_EQ(said, "");
    EXPECT_EQ(test.refused(ClientRefusal::source_full), 1u);
    // A place that is left is another's.
    first->close("done");
    const bool left = co_await test.eventually([&] { return test.streams->count(ClientState::opening) == 1; });
    EXPECT_TRUE(left);
    tls::StreamPtr again = co_await test.secured();
    EXPECT_TRUE(again->is_open());
  }(*this));
}

TEST_P(ClientStreams, AllAreToldWhenTheNodeEnds) {
  run([](ClientStreams& test) -> awaitable<void> {
    co_await test.serve_clients();
    Routed pair = co_await test.logged_in();
    if (pair.inside == nullptr) co_return;
    test.streams->close_all("this node is drained");
    const std::string said = co_await test.read_to_end(pair.client);
    EXPECT_THAT(said, AllOf(HasSubstr("<system-shutdown "), HasSubstr("this node is drained")));
    EXPECT_FALSE(pair.inside->is_open() && test.streams->streams(1).empty() == false);
  }(*this));
}

}  // namespace
}  // namespace sallyport::xmpp_test
