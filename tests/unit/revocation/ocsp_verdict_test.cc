// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/ocsp_verdict.h"

#include <gmock/gmock.h>

#include "tests/unit/revocation/answers.h"

namespace sallyport::revocation::test {
namespace {

using testing::HasSubstr;

class OcspVerdictTest : public testing::Test {
 protected:
  Outcome<OcspVerdict> judge(const std::string& answer) { return judge_ocsp_answer(answer, leaf.certificate.get(), issuer.certificate().get(), std::time(nullptr)); }
  std::string refusal_of(const std::string& answer) {
    const auto verdict = judge(answer);
    return verdict ? "none" : verdict.fault().text();
  }
  Issued responder(const std::string& usage, const Authority& by) const { return by.issue({.common_name = "responder", .extended_key_usage = usage}); }

  const Authority root{"Root"}, issuer{"Issuer", root}, stranger{"Stranger"};
  const Issued leaf = issuer.issue({.names = "DNS:a.example"});
};

TEST_F(OcspVerdictTest, GoodByTheIssuerItselfIsGoodAndMayBeStapled) {
  const auto verdict = judge(ocsp_answer({}, leaf.certificate.get(), issuer));
  ASSERT_TRUE(verdict) << verdict.fault().text();
  EXPECT_EQ(verdict->finding.state, RevocationState::good);
  EXPECT_EQ(verdict->finding.next_update_s - verdict->finding.this_update_s, 3660);
  EXPECT_EQ(verdict->staple_until_s, verdict->finding.next_update_s);
}

TEST_F(OcspVerdictTest, AResponderThatTheIssuerNamedCountsAndEndsTheStapleWithItsCertificate) {
  const Issued delegate = issuer.issue({.common_name = "responder", .extended_key_usage = "OCSPSigning", .not_after_s = 600});
  const auto verdict = judge(ocsp_answer({}, leaf.certificate.get(), issuer, delegate.certificate.get(), delegate.key.get()));
  ASSERT_TRUE(verdict) << verdict.fault().text();
  EXPECT_EQ(verdict->finding.state, RevocationState::good);
  EXPECT_LE(verdict->staple_until_s, std::time(nullptr) + 600);
}

TEST_F(OcspVerdictTest, WhoWasNotNamedForItMaySignNothing) {
  const Issued other = responder("serverAuth", issuer), foreign = responder("OCSPSigning", stranger), of_root = responder("OCSPSigning", root);
  for (const Issued* signer : {&other, &foreign, &of_root}) {
    EXPECT_THAT(refusal_of(ocsp_answer({}, leaf.certificate.get(), issuer, signer->certificate.get(), signer->key.get())), HasSubstr("is not signed by the certificate's issuer"));
  }
  EXPECT_THAT(refusal_of(ocsp_answer({}, leaf.certificate.get(), issuer, stranger.certificate().get(), stranger.key().get())), HasSubstr("is not signed by"));
  const Issued expired = issuer.issue({.extended_key_usage = "OCSPSigning", .not_before_s = -7200, .not_after_s = -3600});
  EXPECT_THAT(refusal_of(ocsp_answer({}, leaf.certificate.get(), issuer, expired.certificate.get(), expired.key.get())), HasSubstr("is not signed by"));
}

TEST_F(OcspVerdictTest, AChangedOctetBreaksTheSignature) {
  std::string answer = ocsp_answer({}, leaf.certificate.get(), issuer);
  int refused = 0;
  for (std::size_t at = 0; at < answer.size(); ++at) {
    std::string broken = answer;
    broken[at] = static_cast<char>(broken[at] ^ 1);
    const auto verdict = judge(broken);
    // What is changed outside the signed part may leave the answer readable, never with another meaning.
    if (verdict) EXPECT_EQ(verdict->finding, judge(answer)->finding) << at;
    else ++refused;
  }
  EXPECT_GT(refused, 100);
}

TEST_F(OcspVerdictTest, RevokedTellsWhenAndWhy) {
  AnswerWish wish;
  wish.status = V_OCSP_CERTSTATUS_REVOKED;
  const auto verdict = judge(ocsp_answer(wish, leaf.certificate.get(), issuer));
  ASSERT_TRUE(verdict) << verdict.fault().text();
  EXPECT_EQ(verdict->finding.state, RevocationState::revoked);
  EXPECT_EQ(verdict->finding.reason, "keyCompromise");
  EXPECT_NEAR(static_cast<double>(verdict->finding.revoked_s), static_cast<double>(std::time(nullptr) - 7200), 60);
  EXPECT_EQ(verdict->staple_until_s, 0);
}

TEST_F(OcspVerdictTest, UnknownAndAnswersWithoutAnEndAreNeverStapled) {
  AnswerWish wish;
  wish.status = V_OCSP_CERTSTATUS_UNKNOWN;
  const auto unknown = judge(ocsp_answer(wish, leaf.certificate.get(), issuer));
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->finding.state, RevocationState::unknown);
  EXPECT_EQ(unknown->staple_until_s, 0);
  wish = {};
  wish.next_update_s = 0;
  const auto endless = judge(ocsp_answer(wish, leaf.certificate.get(), issuer));
  ASSERT_TRUE(endless);
  EXPECT_EQ(endless->finding.state, RevocationState::good);
  EXPECT_EQ(endless->staple_until_s, 0);
}

TEST_F(OcspVerdictTest, AnswersOfAnotherTimeAreRefusedButForSomeMinutes) {
  const auto at = [&](long this_update_s, long next_update_s) {
    AnswerWish wish;
    wish.this_update_s = this_update_s;
    wish.next_update_s = next_update_s;
    return refusal_of(ocsp_answer(wish, leaf.certificate.get(), issuer));
  };
  EXPECT_THAT(at(3600, 7200), HasSubstr("has not come yet"));
  EXPECT_THAT(at(-7200, -3600), HasSubstr("ended on"));
  EXPECT_EQ(at(120, 7200), "none");
  EXPECT_EQ(at(-7200, -120), "none");
}

TEST_F(OcspVerdictTest, AnAnswerAboutAnotherCertificateSaysNothing) {
  const Issued other = issuer.issue({.names = "DNS:b.example"});
  EXPECT_THAT(refusal_of(ocsp_answer({}, other.certificate.get(), issuer)), HasSubstr("is about another certificate"));
}

TEST_F(OcspVerdictTest, WhatTheResponderRefusesIsTold) {
  EXPECT_THAT(refusal_of(ocsp_refusal(OCSP_RESPONSE_STATUS_TRYLATER)), HasSubstr("trylater"));
  EXPECT_THAT(refusal_of(ocsp_refusal(OCSP_RESPONSE_STATUS_UNAUTHORIZED)), HasSubstr("does not know the certificate"));
}

TEST_F(OcspVerdictTest, RubbishAndWhatIsTooLongAreRefused) {
  EXPECT_THAT(refusal_of(""), HasSubstr("cannot be read"));
  EXPECT_THAT(refusal_of("<html>welcome</html>"), HasSubstr("cannot be read"));
  EXPECT_THAT(refusal_of(ocsp_answer({}, leaf.certificate.get(), issuer) + "x"), HasSubstr("cannot be read"));
  EXPECT_THAT(refusal_of(std::string(max_ocsp_bytes + 1, '0')), HasSubstr("is longer than 16384 bytes"));
}

TEST_F(OcspVerdictTest, TheQuestionIsSmallEnoughForAnyResponder) {
  const auto request = make_ocsp_request(leaf.certificate.get(), issuer.certificate().get());
  ASSERT_TRUE(request);
  EXPECT_LT(request->size(), 255u);  // RFC 5019 5
}

}  // namespace
}  // namespace sallyport::revocation::test
