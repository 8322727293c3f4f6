// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/offer_answer.h"

#include <gtest/gtest.h>

namespace sallyport::media {
namespace {

SdpMessage message(Side from, std::string_view method, uint16_t status, Side request_from, uint32_t cseq, std::string_view branch) {
  SdpMessage result;
  result.from = from;
  result.method = method;
  result.status = status;
  result.request_from = request_from;
  result.cseq = cseq;
  result.branch = branch;
  return result;
}

Streams streams(std::initializer_list<const char*> kinds) {
  Streams result;
  for (const char* kind : kinds) {
    Stream stream;
    stream.kind = kind;
    result.push_back(std::move(stream));
  }
  return result;
}

std::string kinds(const Streams& streams) {
  std::string text;
  for (const auto& stream : streams) text += (stream ? stream->kind : "-") + " ";
  return text;
}

constexpr Side us = Side::face, them = Side::traversal;

struct OfferAnswerTest : testing::Test {
  void exchange(Side from, const char* method, uint32_t cseq, const char* request_branch, const char* branch, Streams offered, Streams answered) {
    const SdpMessage offer = message(from, method, 0, from, cseq, request_branch);
    ASSERT_TRUE(calls.place(offer).is_offer);
    calls.open(offer, std::move(offered));
    const SdpMessage answer = message(from == us ? them : us, method, 200, from, cseq, branch);
    const auto place = calls.place(answer);
    ASSERT_FALSE(place.is_offer);
    ASSERT_NE(place.exchange, nullptr);
    calls.answer(*place.exchange, branch, std::move(answered));
  }
  OfferAnswer calls;
};

TEST_F(OfferAnswerTest, EarlyOfferIsAnsweredByResponsesOfEachBranch) {
  calls.open(message(us, "INVITE", 0, us, 1, ""), streams({"audio"}));
  for (const char* branch : {"x", "y"}) {
    const auto place = calls.place(message(them, "INVITE", 183, us, 1, branch));
    ASSERT_FALSE(place.is_offer);
    EXPECT_TRUE(calls.answer(*place.exchange, branch, streams({branch})));
    EXPECT_EQ(calls.active_branch(), branch);
  }
  EXPECT_TRUE(calls.settle(us, 1, "INVITE", "x"));
  EXPECT_EQ(kinds(calls.active_streams()), "x ");
  EXPECT_EQ(kinds(calls.agreed("y")), "x ");
  EXPECT_FALSE(calls.settle(us, 1, "INVITE", "x"));
}

TEST_F(OfferAnswerTest, LateOfferIsAnsweredByTheAckAlsoWhenSeenTwice) {
  const SdpMessage offer = message(them, "INVITE", 200, us, 1, "x");
  ASSERT_TRUE(calls.place(offer).is_offer);
  calls.open(offer, streams({"audio"}));
  calls.settle(us, 1, "INVITE", "x");
  const auto again = calls.place(offer);
  EXPECT_TRUE(again.is_offer);
  EXPECT_NE(again.exchange, nullptr);
  const auto ack = calls.place(message(us, "ACK", 0, us, 1, "x"));
  ASSERT_NE(ack.exchange, nullptr);
  EXPECT_FALSE(ack.is_offer);
  EXPECT_TRUE(calls.answer(*ack.exchange, "x", streams({"audio"})));
  EXPECT_EQ(calls.place(message(us, "ACK", 0, us, 9, "x")).exchange, nullptr);
}

TEST_F(OfferAnswerTest, PrackAnswersAnOfferInThe1xxAndElseMakesOne) {
  const SdpMessage offer = message(them, "INVITE", 183, us, 1, "x");
  calls.open(offer, streams({"audio"}));
  const auto answer = calls.place(message(us, "PRACK", 0, us, 2, "x"));
  ASSERT_FALSE(answer.is_offer);
  calls.answer(*answer.exchange, "x", streams({"audio"}));
  EXPECT_TRUE(calls.place(message(us, "PRACK", 0, us, 3, "x")).is_offer);
  calls.open(message(us, "PRACK", 0, us, 3, "x"), streams({"video"}));
  const auto response = calls.place(message(them, "PRACK", 200, us, 3, "x"));
  EXPECT_FALSE(response.is_offer);
  EXPECT_NE(response.exchange, nullptr);
}

TEST_F(OfferAnswerTest, RequestFromTheOtherSideWithTheSameNumberIsAnotherTransaction) {
  exchange(us, "INVITE", 5, "", "x", streams({"audio"}), streams({"audio"}));
  calls.settle(us, 5, "INVITE", "x");
  const auto place = calls.place(message(them, "UPDATE", 0, them, 5, "x"));
  EXPECT_TRUE(place.is_offer);
  EXPECT_EQ(place.exchange, nullptr);
}

TEST_F(OfferAnswerTest, RejectedOfferLeavesWhatWasAgreed) {
  exchange(us, "INVITE", 1, "", "x", streams({"audio"}), streams({"audio"}));
  calls.settle(us, 1, "INVITE", "x");
  calls.open(message(us, "INVITE", 0, us, 2, "x"), streams({"audio", "video"}));
  EXPECT_FALSE(calls.roll_back(us, 2, "x"));
  EXPECT_EQ(kinds(calls.active_streams()), "audio ");
}

TEST_F(OfferAnswerTest, FailureAfterAProvisionalAnswerGoesBack) {
  exchange(us, "INVITE", 1, "", "x", streams({"audio"}), streams({"audio"}));
  calls.settle(us, 1, "INVITE", "x");
  exchange(them, "INVITE", 1, "x", "x", streams({"audio", "video"}), streams({"audio", "video"}));
  EXPECT_EQ(kinds(calls.active_streams()), "audio video ");
  EXPECT_TRUE(calls.roll_back(them, 1, "x"));
  EXPECT_EQ(kinds(calls.active_streams()), "audio ");
}

TEST_F(OfferAnswerTest, OldAnswerSeenAgainDoesNotUndoALaterUpdate) {
  exchange(us, "INVITE", 1, "", "x", streams({"audio"}), streams({"audio"}));
  exchange(us, "UPDATE", 2, "x", "x", streams({"held"}), streams({"held"}));
  calls.settle(us, 2, "UPDATE", "x");
  const auto place = calls.place(message(them, "INVITE", 200, us, 1, "x"));
  ASSERT_FALSE(place.is_offer);
  EXPECT_FALSE(calls.answer(*place.exchange, "x", streams({"audio"})));
  EXPECT_EQ(kinds(calls.active_streams()), "held ");
}

TEST_F(OfferAnswerTest, FailedInitialInviteLeavesNothing) {
  exchange(us, "INVITE", 1, "", "x", streams({"audio"}), streams({"audio"}));
  EXPECT_TRUE(calls.roll_back(us, 1, "x"));
  EXPECT_TRUE(calls.active_streams().empty());
  EXPECT_FALSE(calls.has_ended());
}

TEST_F(OfferAnswerTest, SecondBranchAcceptedTakesOverWhenTheFirstEnds) {
  calls.open(message(us, "INVITE", 0, us, 1, ""), streams({"audio"}));
  for (const char* branch : {"x", "y"}) {
    const auto place = calls.place(message(them, "INVITE", 200, us, 1, branch));
    calls.answer(*place.exchange, branch, streams({branch}));
    calls.settle(us, 1, "INVITE", branch);
  }
  EXPECT_EQ(calls.active_branch(), "x");
  EXPECT_TRUE(calls.end("x"));
  EXPECT_FALSE(calls.has_ended());
  EXPECT_EQ(kinds(calls.active_streams()), "y ");
  calls.end("y");
  EXPECT_TRUE(calls.has_ended());
}

TEST_F(OfferAnswerTest, BranchesAndExchangesAreBounded) {
  calls.open(message(us, "INVITE", 0, us, 1, ""), streams({"audio"}));
  for (int i = 0; i < 100; ++i) {
    const std::string branch = "b" + std::to_string(i);
    const auto place = calls.place(message(them, "INVITE", 183, us, 1, branch));
    EXPECT_EQ(calls.answer(*place.exchange, branch, streams({"audio"})), i < static_cast<int>(max_branches));
  }
  for (uint32_t i = 2; i < 200; ++i) calls.open(message(us, "UPDATE", 0, us, i, "b0"), streams({"audio"}));
  EXPECT_EQ(calls.place(message(them, "UPDATE", 200, us, 2, "b0")).exchange, nullptr);
  EXPECT_NE(calls.place(message(them, "UPDATE", 200, us, 199, "b0")).exchange, nullptr);
}

}  // namespace
}  // namespace sallyport::media
