// SPDX-License-Identifier: Apache-2.0
// C's onboarding authority, activation codes and phones (B37): each code once, in time and not by guessing; nothing to whom was withdrawn.

#include "controlplane/certificates/onboarding_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <iterator>
#include <set>

#include "controlplane/certificates/request.h"
#include "controlplane/store/site_store.h"
#include "controlplane/tls/certificate_names.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::certificates::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

constexpr const char* phone = "SEP001122334455";

class OnboardingStoreTest : public testing::Test {
 protected:
  OnboardingStoreTest() {
    auto opened = store::SiteStore::open({.state_dir = folder.path(), .role = config::Role::core, .node_name = "c1"});
    EXPECT_TRUE(opened) << opened.fault().text();
    site = std::move(*opened);
    reopen();
  }
  void reopen() {
    auto opened = OnboardingStore::open(folder.path(), "c1.inside.example.com");
    ASSERT_TRUE(opened) << opened.fault().text();
    phones = std::move(*opened);
    phones->set_listener([this] { ++news; });
  }
  DeviceEnrolment wish(const std::string& device, std::int64_t at_s) { return {device, *make_key(KeyKind::ecdsa_p256), at_s, 3600, "198.51.100.7:50000"}; }
  Outcome<CertificatePtr> onboard(const std::string& device) {
    const auto code = phones->add_code(device, now_s, 600, "uid 0");
    if (!code) return code.fault();
    return phones->enrol(wish(device, now_s), *code);
  }
  const std::int64_t now_s = std::time(nullptr);
  store::StateFolder folder;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<OnboardingStore> phones;
  int news = 0;
};

TEST_F(OnboardingStoreTest, B37_TheAuthorityIsMadeOnceAndStays) {
  EXPECT_EQ(phones->snapshot()->authority, nullptr);
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  EXPECT_EQ(news, 1);
  const std::string made = tls::fingerprint_of(phones->snapshot()->authority.get());
  EXPECT_EQ(X509_check_ca(phones->snapshot()->authority.get()), 1);
  EXPECT_THAT(tls::describe_certificate(phones->snapshot()->authority.get()).subject, HasSubstr("Sallyport onboarding"));
  ASSERT_TRUE(phones->ensure_authority(now_s + 1, "uid 0"));
  EXPECT_EQ(news, 1) << "nothing changed";
  reopen();
  EXPECT_EQ(tls::fingerprint_of(phones->snapshot()->authority.get()), made);
}

TEST_F(OnboardingStoreTest, B37_ACodeIsTakenOnceInTimeAndForItsPhone) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  const auto code = phones->add_code(phone, now_s, 600, "uid 0");
  ASSERT_TRUE(code) << code.fault().text();
  EXPECT_THAT(*code, MatchesRegex("[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}"));
  EXPECT_FALSE(phones->enrol(wish("SEP001122334466", now_s), *code)) << "another phone's";
  EXPECT_FALSE(phones->enrol(wish(phone, now_s + 600), *code)) << "over";
  // As people type it.
  std::string bare = *code;
  std::erase(bare, '-');
  const auto given = phones->enrol(wish(phone, now_s), bare);
  ASSERT_TRUE(given) << given.fault().text();
  const tls::PeerCertificate said = tls::describe_certificate(given->get());
  EXPECT_EQ(said.common_name, phone);
  EXPECT_TRUE(said.allows_client_auth);
  EXPECT_FALSE(said.allows_server_auth);
  EXPECT_EQ(said.not_after_s, now_s + 3600);
  const auto again = phones->enrol(wish(phone, now_s), *code);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.fault().text(), std::string("phone ") + phone + ": has no such activation code: it was used, is over, was withdrawn after too many tries, or never was; make a new one on C: sallyport onboarding code " + phone);
}

TEST_F(OnboardingStoreTest, ANewCodeTakesThePlaceOfTheOld) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  const auto first = phones->add_code(phone, now_s, 600, "uid 0"), second = phones->add_code(phone, now_s, 600, "uid 0");
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_FALSE(phones->enrol(wish(phone, now_s), *first));
  EXPECT_TRUE(phones->enrol(wish(phone, now_s), *second));
}

TEST_F(OnboardingStoreTest, GuessingUsesTheCodeUp) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  const auto code = phones->add_code(phone, now_s, 600, "uid 0");
  const std::string wrong = *code == "0000-0000-0000-0000" ? "1111-1111-1111-1111" : "0000-0000-0000-0000";
  for (std::uint32_t tries = 1; tries < max_code_failures; ++tries) {
    EXPECT_FALSE(phones->enrol(wish(phone, now_s), tries % 2 == 0 ? wrong : "rubbish"));
    EXPECT_EQ(phones->codes(10)->front().failures, tries);
  }
  EXPECT_FALSE(phones->enrol(wish(phone, now_s), wrong));
  EXPECT_THAT(*phones->codes(10), IsEmpty());
  EXPECT_FALSE(phones->enrol(wish(phone, now_s), *code));
  EXPECT_THAT(site->history(1)->front().change, HasSubstr("after 10 wrong ones"));
}

TEST_F(OnboardingStoreTest, AnotherProgramsWordsAreNoNamesOfPhones) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a,b"), std::string("a\nb"), std::string("\xc3\xa4"), std::string(65, 'a')}) {
    const auto refused = phones->add_code(bad, now_s, 600, "uid 0");
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.fault().code, FaultCode::invalid);
  }
  for (const std::int64_t life_s : {std::int64_t{0}, std::int64_t{-1}, max_code_life_s + 1}) EXPECT_FALSE(phones->add_code(phone, now_s, life_s, "uid 0"));
}

TEST_F(OnboardingStoreTest, APhoneRenewsUntilItIsWithdrawnAndComesBackByACode) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  const auto given = onboard(phone);
  ASSERT_TRUE(given) << given.fault().text();
  const auto renewed = phones->renew(wish("", now_s), given->get());
  ASSERT_TRUE(renewed) << renewed.fault().text();
  EXPECT_EQ(tls::describe_certificate(renewed->get()).common_name, phone) << "of whom is in the certificate, whatever is asked for";
  EXPECT_FALSE(phones->renew(wish("", now_s + 3600), given->get())) << "over";
  ASSERT_TRUE(phones->withdraw(phone, "uid 0"));
  for (const auto& shown : {*given, *renewed}) {
    const auto refused = phones->renew(wish("", now_s), shown.get());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.fault().code, FaultCode::refused);
  }
  EXPECT_TRUE(phones->devices(10)->front().is_withdrawn);
  EXPECT_EQ(phones->withdraw(phone, "uid 0").fault().code, FaultCode::missing);
  EXPECT_TRUE(onboard(phone));
  EXPECT_FALSE(phones->devices(10)->front().is_withdrawn);
}

TEST_F(OnboardingStoreTest, ACertificateOfSomebodyElseRenewsNothing) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  ASSERT_TRUE(onboard(phone));
  // Of the same names, but another key.
  const auto other = make_issuing_authority("onboarding", "c1.inside.example.com", now_s);
  const auto forged = issue(*other, make_key(KeyKind::ecdsa_p256)->get(), {IssuedFor::client, {phone}, now_s, 3600});
  ASSERT_TRUE(forged);
  EXPECT_FALSE(phones->renew(wish("", now_s), forged->get()));
  EXPECT_FALSE(phones->renew(wish("", now_s), phones->snapshot()->authority.get()));
}

TEST_F(OnboardingStoreTest, APhoneHasEightCertificatesAtMost) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  const auto given = onboard(phone);
  for (std::size_t count = 1; count < max_device_certificates; ++count) ASSERT_TRUE(phones->renew(wish("", now_s), given->get()));
  const auto refused = phones->renew(wish("", now_s), given->get());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.fault().code, FaultCode::exhausted);
}

TEST_F(OnboardingStoreTest, NeitherCodesNorTheKeyAreInTheFile) {
  ASSERT_TRUE(phones->ensure_authority(now_s, "uid 0"));
  std::string code = *phones->add_code(phone, now_s, 600, "uid 0");
  std::set<std::string> secrets{code};
  std::erase(code, '-');
  secrets.insert(code);
  for (const char* name : {"/site.db", "/site.db-wal"}) {
    std::ifstream file(folder.path() + name, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    for (const std::string& secret : secrets) EXPECT_EQ(bytes.find(secret), std::string::npos) << name;
  }
}

TEST_F(OnboardingStoreTest, WithoutAnAuthorityNothingIsIssued) {
  const auto code = phones->add_code(phone, now_s, 600, "uid 0");
  ASSERT_TRUE(code);
  const auto refused = phones->enrol(wish(phone, now_s), *code);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.fault().text(), HasSubstr("sallyport onboarding on"));
  EXPECT_EQ(phones->codes(10)->size(), 1u) << "a code that brought nothing is not used up";
}

}  // namespace
}  // namespace sallyport::certificates::test
