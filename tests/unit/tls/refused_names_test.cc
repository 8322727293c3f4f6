// SPDX-License-Identifier: Apache-2.0
// C08: which client refused which certificate.
#include "controlplane/tls/refused_names.h"

#include <gmock/gmock.h>

namespace sallyport::tls_test {
namespace {

constexpr int64_t now_s = 1'800'000'000;

tls::SocketAddress address(int last, uint16_t port = 40000) { return *tls::SocketAddress::parse("203.0.113." + std::to_string(last), port); }

tls::HandshakeFailure refusal(std::string sni, int alert = 48) {
  tls::HandshakeFailure failure;
  failure.refuses_our_certificate = true;
  failure.alert = alert;
  failure.sni = std::move(sni);
  failure.text = "unknown CA";
  return failure;
}

TEST(RefusedNames, OnlyWhatRefusesACertificateCounts) {
  tls::RefusedNames names;
  tls::HandshakeFailure other;
  other.alert = 40;
  EXPECT_FALSE(names.note(address(1), other, now_s));
  EXPECT_TRUE(names.list(now_s).empty());
}

TEST(RefusedNames, EachNameHasItsCountItsLatestAlertAndItsSourcesOfTheLastHour) {
  tls::RefusedNames names;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(names.note(address(1, static_cast<uint16_t>(40000 + i)), refusal("a.example.com"), now_s));
  EXPECT_TRUE(names.note(address(2), refusal("a.example.com", 45), now_s + 1800));
  EXPECT_TRUE(names.note(address(3), refusal(""), now_s));
  const auto list = names.list(now_s + 1800);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "a.example.com");
  EXPECT_EQ(list[0].times, 4u);
  EXPECT_EQ(list[0].sources, 2u);  // ports do not make an address another
  EXPECT_EQ(list[0].alert, 45);
  EXPECT_EQ(list[0].source, address(2));
  EXPECT_EQ(list[0].at_s, now_s + 1800);
  EXPECT_EQ(list[1].name, "");
  EXPECT_EQ(names.list(now_s + 3600)[0].sources, 1u);
  EXPECT_EQ(names.list(now_s + 9000)[0].sources, 0u);
}

TEST(RefusedNames, StrangersFillNeitherTheListOfNamesNorThatOfSources) {
  tls::RefusedNames names;
  for (int i = 0; i < 1000; ++i) names.note(address(i % 200), refusal("n" + std::to_string(i) + ".example.com"), now_s);
  const auto list = names.list(now_s);
  EXPECT_EQ(list.size(), tls::RefusedNames::most_names + 1);
  EXPECT_EQ(list[0].name, tls::name_beyond);
  EXPECT_EQ(list[0].times, 1000 - tls::RefusedNames::most_names);
  EXPECT_EQ(list[0].sources, tls::RefusedNames::sources_kept);
}

}  // namespace
}  // namespace sallyport::tls_test
