// SPDX-License-Identifier: Apache-2.0
// The stream multiplex: channels over one connection, flow control from reader to writer, refusals, limits, an orderly end, a silent peer.

#include <random>

#include "tests/unit/multiplex/session_pair.h"

namespace sallyport::multiplex {
namespace {

class SessionTest : public SessionPair {};
INSTANTIATE_FOR_BOTH_BACKENDS(SessionTest);

TEST_P(SessionTest, BytesGoBothWaysAndEachSideEndsItsOwn) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    ChannelPtr near = co_await test.open("xmpp-client");
    if (near == nullptr || test.arrived.size() != 1) co_return;
    ChannelPtr far = test.arrived[0];
    EXPECT_EQ(far->purpose(), "xmpp-client");
    EXPECT_EQ(far->name(), "example.com");
    EXPECT_TRUE(near->send("question"));
    near->finish();
    EXPECT_FALSE(near->send("after the end"));
    const std::string asked = co_await test.read_all(far);
    EXPECT_EQ(asked, "question");
    EXPECT_TRUE(far->send("answer"));
    far->finish();
    const std::string answered = co_await test.read_all(near);
    EXPECT_EQ(answered, "answer");
    const bool gone = co_await test.eventually([&] { return test.edge->channels() == 0 && test.core->channels() == 0; });
    EXPECT_TRUE(gone);
    EXPECT_FALSE(near->is_open());
    EXPECT_TRUE(test.edge->is_open()) << "a channel's end is not the session's";
  }(*this));
}

TEST_P(SessionTest, FieldsGoWithTheOpeningAndWithTheAnswer) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    test.core->on_channel = [&](const ChannelPtr& channel) {
      const std::string* asked = find_field(channel->fields(), "question");
      test.core->accept(channel, {{"answer", asked == nullptr ? "?" : *asked + "!"}});
    };
    const Fields fields = {{"question", "who"}};
    const auto opened = co_await test.edge->open("authenticate", "zone", fields, Weight::control);
    EXPECT_TRUE(opened) << opened.fault().text();
    if (opened) EXPECT_EQ(*find_field((*opened)->fields(), "answer"), "who!");
  }(*this));
}

// The symptom: a long reason was cut behind a space, and the other side told PROTOCOL_ERROR instead.
TEST_P(SessionTest, AReasonIsToldWhateverItsLength) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    std::string reason = " because";
    const Fields none;
    while (reason.size() < 1100) {
      reason += " x";
      test.core->on_channel = [&](const ChannelPtr& channel) { test.core->refuse(channel, 403, reason); };
      const auto refused = co_await test.edge->open("xmpp-client", "example.com", none, Weight::interactive);
      EXPECT_FALSE(refused);
      if (!refused) EXPECT_NE(refused.fault().text().find("403: because x"), std::string::npos) << reason.size() << refused.fault().text();
    }
  }(*this));
}

TEST_P(SessionTest, SlowReaderHoldsItsOwnChannelOnly) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    ChannelPtr slow = co_await test.open("bulk");
    const std::string piece(100'000, 'x');
    size_t queued = 0;
    const bool stuck = co_await test.eventually([&] {
      while (slow->send(piece)) queued += piece.size();
      return slow->sent_bytes() == test.settings.window_bytes;
    });
    EXPECT_TRUE(stuck) << slow->sent_bytes();
    EXPECT_LE(queued, test.settings.window_bytes + Channel::queue_limit_bytes) << "bounded though nobody reads";
    ChannelPtr quick = co_await test.open("chat");
    if (quick == nullptr || test.arrived.size() != 2) co_return;
    boost::asio::co_spawn(test.context, echo(test.arrived[1]), boost::asio::detached);
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(quick->send("ping"));
      const auto back = co_await quick->receive();
      EXPECT_TRUE(back && *back == "ping");
    }
    EXPECT_EQ(slow->sent_bytes(), test.settings.window_bytes);
    slow->finish();
    const std::string all = co_await test.read_all(test.arrived[0]);
    EXPECT_EQ(all.size(), queued) << "reading lets the rest come";
    quick->finish();
  }(*this));
}

awaitable<void> converse(SessionTest& test, uint32_t number, int& done) {
  std::mt19937 random(number);
  ChannelPtr channel = co_await test.open("talk-" + std::to_string(number));
  if (channel == nullptr) co_return;
  std::string sent;
  for (int i = 0; i < 5; ++i) {
    std::string piece(random() % 3000 + 1, static_cast<char>('a' + random() % 26));
    sent += piece;
    const auto written = co_await channel->write(piece);
    EXPECT_TRUE(written);
  }
  channel->finish();
  const std::string back = co_await test.read_all(channel);
  EXPECT_TRUE(back == sent) << number << ": " << back.size() << " of " << sent.size();
  ++done;
}

TEST_P(SessionTest, TwoThousandChannelsAtOnceMixNothingUp) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    test.echo_all();
    int done = 0;
    for (uint32_t number = 0; number < 2000; ++number) boost::asio::co_spawn(test.context, converse(test, number, done), boost::asio::detached);
    const bool all = co_await test.eventually([&] { return done == 2000; });
    EXPECT_TRUE(all) << done;
    EXPECT_EQ(test.core->counters().opened, 2000u);
    EXPECT_EQ(test.edge->counters().opened, 2000u);
  }(*this));
}

TEST_P(SessionTest, BulkOfOneChannelArrivesWhole) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    ChannelPtr near = co_await test.open("bulk");
    if (near == nullptr) co_return;
    std::string sent(20 << 20, 0);
    std::mt19937 random(5);
    for (char& byte : sent) byte = static_cast<char>(random());
    const auto write = [](ChannelPtr channel, const std::string& bytes) -> awaitable<void> {
      for (size_t at = 0; at < bytes.size(); at += 50'000) {
        const std::string_view piece = std::string_view(bytes).substr(at, 50'000);
        const auto written = co_await channel->write(piece);
        EXPECT_TRUE(written);
      }
      channel->finish();
    };
    boost::asio::co_spawn(test.context, write(near, sent), boost::asio::detached);
    const std::string come = co_await test.read_all(test.arrived[0]);
    EXPECT_TRUE(come == sent);
  }(*this));
}

TEST_P(SessionTest, RefusalCarriesItsReason) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    test.core->on_channel = [&](const ChannelPtr& channel) { test.core->refuse(channel, 403, "domain example.com is not served"); };
    const Fields none;
    const auto refused = co_await test.edge->open("xmpp-client", "example.com", none, Weight::interactive);
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_NE(refused.fault().text().find("403: domain example.com is not served"), std::string::npos) << refused.fault().text();
    test.core->on_channel = nullptr;
    const auto nobody = co_await test.edge->open("xmpp-client", "example.com", none, Weight::interactive);
    EXPECT_FALSE(nobody);
    const bool gone = co_await test.eventually([&] { return test.edge->channels() == 0 && test.core->channels() == 0; });
    EXPECT_TRUE(gone);
    const auto wrong_side = co_await test.core->open("x", "y", none, Weight::bulk);
    EXPECT_FALSE(wrong_side);
  }(*this));
}

TEST_P(SessionTest, OpeningWithoutAnswerEnds) {
  settings.answer = 50ms;
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    test.accepts = false;
    const Fields none;
    const auto opened = co_await test.edge->open("xmpp-client", "example.com", none, Weight::interactive);
    EXPECT_FALSE(opened);
    if (!opened) EXPECT_NE(opened.fault().text().find("no answer"), std::string::npos);
    const bool gone = co_await test.eventually([&] { return test.core->channels() == 0; });
    EXPECT_TRUE(gone) << "the other side hears of it";
  }(*this));
}

TEST_P(SessionTest, ChannelsAreLimited) {
  settings.channels = 3;
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    std::vector<ChannelPtr> open;
    for (int i = 0; i < 3; ++i) {
      ChannelPtr channel = co_await test.open("talk");
      open.push_back(channel);
    }
    const Fields none;
    const auto fourth = co_await test.edge->open("talk", "example.com", none, Weight::interactive);
    EXPECT_FALSE(fourth);
    if (!fourth) EXPECT_NE(fourth.fault().text().find("all 3 channels"), std::string::npos);
    open[0]->close();
    const bool gone = co_await test.eventually([&] { return test.edge->channels() == 2; });
    EXPECT_TRUE(gone);
    ChannelPtr again = co_await test.open("talk");
    EXPECT_NE(again, nullptr);
  }(*this));
}

TEST_P(SessionTest, RetiringLetsRunningChannelsFinish) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    ChannelPtr near = co_await test.open("talk");
    if (near == nullptr) co_return;
    std::string word = "nothing";
    test.edge->on_retired = [&](const std::string& reason) { word = reason; };
    test.core->retire("the node restarts", 30s);
    const bool told = co_await test.eventually([&] { return word == "the node restarts"; });
    EXPECT_TRUE(told) << word;
    EXPECT_FALSE(test.edge->takes_channels());
    const Fields none;
    const auto late = co_await test.edge->open("talk", "example.com", none, Weight::interactive);
    EXPECT_FALSE(late);
    EXPECT_TRUE(near->send("still here"));
    const auto heard = co_await test.arrived[0]->receive();
    EXPECT_TRUE(heard && *heard == "still here");
    near->finish();
    test.arrived[0]->finish();
    const bool ended = co_await test.eventually([&] { return test.ends == 2; });
    EXPECT_TRUE(ended) << "the session goes with its last channel";
  }(*this));
}

TEST_P(SessionTest, RetiredSessionEndsAtItsDeadline) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    ChannelPtr near = co_await test.open("talk");
    test.core->retire("the node restarts", 30ms);
    const auto heard = co_await near->receive();
    EXPECT_FALSE(heard);
    EXPECT_FALSE(near->is_open());
  }(*this));
}

// Symptom: when E lost more than a thousand clients at once, the connection with C ended, and all other channels with it.
TEST_P(SessionTest, ThousandsOfChannelsClosedAtOnceAreTheirOwnAffair) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    test.echo_all();
    ChannelPtr other = co_await test.open("talk");
    for (int round = 0; round < 2; ++round) {
      std::vector<ChannelPtr> lost;
      for (int i = 0; i < 3000; ++i) {
        ChannelPtr channel = co_await test.open("talk");
        lost.push_back(channel);
      }
      for (const ChannelPtr& channel : lost) channel->close("its client is gone");
      const bool gone = co_await test.eventually([&] { return test.edge->channels() == 1 && test.core->channels() == 1; });
      EXPECT_TRUE(gone);
    }
    EXPECT_TRUE(other->send("still here"));
    const auto heard = co_await other->receive();
    EXPECT_TRUE(heard && *heard == "still here");
    other->finish();
  }(*this));
}

TEST_P(SessionTest, SilentPeerIsFoundOut) {
  settings.keepalive = settings.answer = 40ms;
  run([](SessionTest& test) -> awaitable<void> {
    tls::Listener& listener = test.listen(nullptr);
    auto dialled = co_await test.dial(listener);
    tls::StreamPtr silent = co_await test.next_accepted();
    test.core = test.serve(dialled.stream, Role::accepts);
    const bool ended = co_await test.eventually([&] { return test.ends == 1; });
    EXPECT_TRUE(ended);
    EXPECT_NE(test.core_end.find("no answer to PING in 40 ms"), std::string::npos) << test.core_end;
  }(*this));
}

TEST_P(SessionTest, KeepAliveMeasuresTheRoundTrip) {
  settings.keepalive = 5ms;
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    const bool answered = co_await test.eventually([&] { return test.edge->counters().pings_answered >= 3 && test.core->counters().pings_answered >= 3; });
    EXPECT_TRUE(answered);
    EXPECT_GT(test.edge->round_trip().count(), 0);
  }(*this));
}

TEST_P(SessionTest, RubbishEndsTheConnection) {
  run([](SessionTest& test) -> awaitable<void> {
    tls::Listener& listener = test.listen(nullptr);
    auto dialled = co_await test.dial(listener);
    tls::StreamPtr other = co_await test.next_accepted();
    test.core = test.serve(dialled.stream, Role::accepts);
    other->send("REGISTER sip:example.com SIP/2.0\r\n\r\n");
    const bool ended = co_await test.eventually([&] { return test.ends == 1; });
    EXPECT_TRUE(ended);
    EXPECT_NE(test.core_end.find("HTTP/2"), std::string::npos) << test.core_end;
  }(*this));
}

TEST_P(SessionTest, LostConnectionEndsWhatWaits) {
  run([](SessionTest& test) -> awaitable<void> {
    co_await test.join();
    ChannelPtr near = co_await test.open("talk");
    if (near == nullptr) co_return;
    test.core->close("gone");
    const auto heard = co_await near->receive();
    EXPECT_FALSE(heard);
    EXPECT_FALSE(near->send("anyone?"));
    const auto written = co_await near->write("anyone?");
    EXPECT_FALSE(written);
    const Fields none;
    const auto opened = co_await test.edge->open("talk", "example.com", none, Weight::interactive);
    EXPECT_FALSE(opened);
  }(*this));
}

}  // namespace
}  // namespace sallyport::multiplex
