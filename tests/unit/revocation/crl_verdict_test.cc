// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/crl_verdict.h"

#include <gmock/gmock.h>

#include "tests/unit/revocation/answers.h"

namespace sallyport::revocation::test {
namespace {

using testing::HasSubstr;

class CrlVerdictTest : public testing::Test {
 protected:
  Outcome<std::vector<RevocationFinding>> judge(std::string list) {
    CrlQuestion question;
    question.list = std::move(list);
    question.certificate = first.certificate;
    question.issuer = issuer.certificate();
    for (const Issued* each : {&first, &second}) question.serials.push_back(tls::describe_certificate(each->certificate.get()).serial);
    question.now_s = std::time(nullptr);
    return judge_crl(question);
  }
  std::string refusal_of(std::string list) {
    const auto findings = judge(std::move(list));
    return findings ? "none" : findings.fault().text();
  }

  static constexpr const char* url = "http://crl.example/a.crl";
  const Authority root{"Root"}, issuer{"Issuer", root}, stranger{"Stranger"};
  const Issued first = issuer.issue({.names = "DNS:a.example", .crl_url = url}), second = issuer.issue({.names = "DNS:b.example", .crl_url = url});
};

TEST_F(CrlVerdictTest, ListTellsOfEachCertificateOfItsIssuer) {
  ListWish wish;
  wish.revoked = {second.certificate.get()};
  const auto findings = judge(revocation_list(wish, issuer));
  ASSERT_TRUE(findings) << findings.fault().text();
  ASSERT_EQ(findings->size(), 2u);
  EXPECT_EQ((*findings)[0].state, RevocationState::good);
  EXPECT_EQ((*findings)[1].state, RevocationState::revoked);
  EXPECT_EQ((*findings)[1].reason, "keyCompromise");
  EXPECT_NEAR(static_cast<double>((*findings)[1].revoked_s), static_cast<double>(std::time(nullptr) - 7200), 60);
}

TEST_F(CrlVerdictTest, TheOneWhoseScopeIsJudgedMayItselfBeRevoked) {
  ListWish wish;
  wish.revoked = {first.certificate.get()};
  const auto findings = judge(revocation_list(wish, issuer));
  ASSERT_TRUE(findings) << findings.fault().text();
  EXPECT_EQ((*findings)[0].state, RevocationState::revoked);
  EXPECT_EQ((*findings)[1].state, RevocationState::good);
}

TEST_F(CrlVerdictTest, AnOldCertificateDoesNotKeepTheListFromBeingRead) {
  const Issued old = issuer.issue({.not_before_s = -7200, .not_after_s = -3600, .crl_url = url});
  CrlQuestion question;
  question.list = revocation_list({}, issuer);
  question.certificate = old.certificate;
  question.issuer = issuer.certificate();
  question.now_s = std::time(nullptr);
  EXPECT_TRUE(judge_crl(question));
}

TEST_F(CrlVerdictTest, AStrangersListAndOneInTheIssuersNameAreRefused) {
  EXPECT_THAT(refusal_of(revocation_list({}, stranger)), HasSubstr("its issuer or its scope differ"));
  EXPECT_THAT(refusal_of(revocation_list({}, issuer.certificate().get(), stranger.key().get())), HasSubstr("CRL signature failure"));
}

TEST_F(CrlVerdictTest, AListForOtherCertificatesIsRefused) {
  ListWish wish;
  wish.scope = "onlyCA:TRUE";
  EXPECT_THAT(refusal_of(revocation_list(wish, issuer)), HasSubstr("scope"));
  wish.scope = "fullname:URI:http://crl.example/another.crl";
  EXPECT_THAT(refusal_of(revocation_list(wish, issuer)), HasSubstr("scope"));
  wish.scope = std::string("fullname:URI:") + url;
  EXPECT_EQ(refusal_of(revocation_list(wish, issuer)), "none");
}

TEST_F(CrlVerdictTest, AListOfAnotherTimeIsRefused) {
  ListWish wish;
  wish.next_update_s = -3600;
  wish.this_update_s = -7200;
  EXPECT_THAT(refusal_of(revocation_list(wish, issuer)), HasSubstr("ended on"));
  wish.this_update_s = 3600;
  wish.next_update_s = 7200;
  EXPECT_THAT(refusal_of(revocation_list(wish, issuer)), HasSubstr("has not come yet"));
}

TEST_F(CrlVerdictTest, RubbishAndWhatIsTooLongAreRefused) {
  EXPECT_THAT(refusal_of(""), HasSubstr("cannot be read"));
  EXPECT_THAT(refusal_of(revocation_list({}, issuer) + "x"), HasSubstr("cannot be read"));
  EXPECT_THAT(refusal_of(std::string(max_crl_bytes + 1, '0')), HasSubstr("is longer than 8 MiB"));
}

}  // namespace
}  // namespace sallyport::revocation::test
