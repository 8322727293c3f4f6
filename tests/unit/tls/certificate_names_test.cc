// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/certificate_names.h"

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

PeerCertificate with(std::vector<CertificateName> names, std::string common_name = "") {
  PeerCertificate certificate;
  certificate.names = std::move(names);
  certificate.common_name = std::move(common_name);
  return certificate;
}

struct Row {
  const char* sentence;
  CertificateName present;
  const char* wanted;
  WildcardRule rule;
  bool matched;
};

TEST(CertificateNames, MatchRows) {
  const Row rows[] = {
      {"same DNS name", {NameKind::dns, "a.example"}, "a.example", WildcardRule::refuse, true},
      {"case and trailing dot do not matter", {NameKind::dns, "a.example"}, "A.Example.", WildcardRule::refuse, true},
      {"another name", {NameKind::dns, "a.example"}, "b.example", WildcardRule::one_label, false},
      {"a parent is not its child", {NameKind::dns, "example.com"}, "a.example.com", WildcardRule::one_label, false},
      {"RFC 5922 7.2: no wildcard", {NameKind::dns, "*.example.com"}, "a.example.com", WildcardRule::refuse, false},
      {"a wildcard where allowed", {NameKind::dns, "*.example.com"}, "a.example.com", WildcardRule::one_label, true},
      {"a wildcard stands for one label", {NameKind::dns, "*.example.com"}, "a.b.example.com", WildcardRule::one_label, false},
      {"a wildcard is not its parent", {NameKind::dns, "*.example.com"}, "example.com", WildcardRule::one_label, false},
      {"a partial wildcard never counts", {NameKind::dns, "a*.example.com"}, "ab.example.com", WildcardRule::one_label, false},
      {"a wildcard over a top-level domain never counts", {NameKind::dns, "*.com"}, "example.com", WildcardRule::one_label, false},
      {"a literal star is not wanted by anybody", {NameKind::dns, "*.example.com"}, "*.example.com", WildcardRule::refuse, false},
      {"SIP URI of the domain", {NameKind::uri, "sip:example.com"}, "example.com", WildcardRule::refuse, true},
      {"SIP URI, wanted as URI", {NameKind::uri, "sip:Example.com"}, "sip:example.com", WildcardRule::refuse, true},
      {"SIP URI with a user part names a person", {NameKind::uri, "sip:alice@example.com"}, "example.com", WildcardRule::refuse, false},
      {"SIP URI with a port is no domain", {NameKind::uri, "sip:example.com:5061"}, "example.com", WildcardRule::refuse, false},
      {"another scheme", {NameKind::uri, "https://example.com"}, "example.com", WildcardRule::refuse, false},
      {"IP SAN", {NameKind::ip, "192.0.2.1"}, "192.0.2.1", WildcardRule::refuse, true},
      {"IPv6 in another spelling", {NameKind::ip, "2001:db8::1"}, "2001:DB8:0::1", WildcardRule::refuse, true},
      {"IPv6 in brackets", {NameKind::ip, "2001:db8::1"}, "[2001:db8::1]", WildcardRule::refuse, true},
      {"an address as DNS name does not prove an address", {NameKind::dns, "192.0.2.1"}, "192.0.2.1", WildcardRule::refuse, false},
      {"an email address names nobody here", {NameKind::email, "a.example"}, "a.example", WildcardRule::refuse, false},
      {"nothing is wanted", {NameKind::dns, ""}, "", WildcardRule::refuse, false},
  };
  for (const Row& row : rows) EXPECT_EQ(match_name(with({row.present}), row.wanted, row.rule).matched, row.matched) << row.sentence;
}

TEST(CertificateNames, UriIsPreferredOverDns) {
  const auto verdict = match_name(with({{NameKind::dns, "example.com"}, {NameKind::uri, "sip:example.com"}}), "example.com", WildcardRule::refuse);
  EXPECT_TRUE(verdict.matched);
  EXPECT_EQ(verdict.by.kind, NameKind::uri);
}

TEST(CertificateNames, MismatchListsWantedAndPresentAndPointsAtTheCn) {
  const auto verdict = match_names(with({{NameKind::dns, "x.example"}}, "a.example"), {"a.example", "b.example"}, WildcardRule::refuse);
  EXPECT_FALSE(verdict.matched);
  EXPECT_NE(verdict.text.find("a.example or b.example"), std::string::npos) << verdict.text;
  EXPECT_NE(verdict.text.find("DNS:x.example"), std::string::npos) << verdict.text;
  EXPECT_NE(verdict.text.find("does not count"), std::string::npos) << verdict.text;
}

TEST(CertificateNames, TextHoldsNoControlCharacterWhateverTheCertificateHolds) {
  const auto certificate = with({{NameKind::dns, "a.example\r\nVia: x"}, {NameKind::uri, "sip:\xff"}});
  EXPECT_EQ(certificate.names_text(), "DNS:a.example\\0D\\0AVia: x, URI:sip:\\FF");
}

}  // namespace
}  // namespace sallyport::tls
