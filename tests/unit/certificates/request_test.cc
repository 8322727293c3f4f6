// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/certificates/authority.h"

namespace sallyport::certificates::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_of(const RequestFacts& facts) {
  std::vector<std::string> list;
  for (const tls::CertificateName& name : facts.names) list.push_back(text_of(name));
  return list;
}

TEST(Request, A08_C17_C18_CarriesKeyDigestNamesAndUsageAsAsked) {
  const std::pair<KeyKind, const char*> kinds[] = {{KeyKind::rsa_1024, "RSA 1024"}, {KeyKind::rsa_2048, "RSA 2048"}, {KeyKind::rsa_3072, "RSA 3072"}, {KeyKind::ecdsa_p256, "ECDSA P-256"}, {KeyKind::ecdsa_p384, "ECDSA P-384"}};
  const std::pair<Digest, const char*> digests[] = {{Digest::sha256, "SHA256"}, {Digest::sha384, "SHA384"}, {Digest::sha512, "SHA512"}};
  for (const auto& [kind, text] : kinds) {
    const KeyPtr key = new_key(kind);
    EXPECT_EQ(key_text(key.get()), text);
    for (const auto& [digest, name] : digests) {
      RequestWish wish;
      wish.key = kind;
      wish.digest = digest;
      wish.subject = {.common_name = "edge.example.com", .organization = "Example", .country = "DE"};
      wish.names = {{tls::NameKind::dns, "edge.example.com"}, {tls::NameKind::ip, "192.0.2.1"}, {tls::NameKind::ip, "2001:db8::1"}, {tls::NameKind::xmpp_address, "example.com"}, {tls::NameKind::srv, "_xmpp-server.example.com"}};
      wish.client_auth = kind == KeyKind::rsa_2048;
      const auto pem = make_request(wish, key.get());
      ASSERT_TRUE(pem) << pem.fault().text();
      const auto facts = read_request(*pem, "request");
      ASSERT_TRUE(facts) << facts.fault().text();
      EXPECT_EQ(facts->key, text);
      EXPECT_EQ(facts->digest, name);
      EXPECT_EQ(facts->key_digest, public_key_digest(key.get()));
      EXPECT_TRUE(facts->server_auth);
      EXPECT_EQ(facts->client_auth, wish.client_auth);
      EXPECT_THAT(names_of(*facts), ElementsAre("DNS:edge.example.com", "IP:192.0.2.1", "IP:2001:db8::1", "XMPPAddress:example.com", "SRVName:_xmpp-server.example.com"));
      EXPECT_THAT(decoded_request(*pem), HasSubstr("CN=edge.example.com"));
    }
  }
}

TEST(Request, NamesOfKindsAndDigestsAreReadBack) {
  for (const char* name : {"rsa-1024", "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"}) EXPECT_STREQ(name_of(*key_kind_from(name)), name);
  for (const char* name : {"sha256", "sha384", "sha512"}) EXPECT_STREQ(name_of(*digest_from(name)), name);
  EXPECT_FALSE(key_kind_from("dsa-2048"));
  EXPECT_FALSE(digest_from("md5"));
}

TEST(Request, A07_EveryDifferenceOfTheCertificateIsNamed) {
  const Authority authority;
  const KeyPtr key = new_key();
  RequestWish wish;
  wish.names = {{tls::NameKind::dns, "edge.example.com"}, {tls::NameKind::dns, "collab-edge.example.com"}};
  wish.client_auth = true;
  const auto asked = read_request(*make_request(wish, key.get()), "request");
  ASSERT_TRUE(asked);
  const auto issue = [&](const Wish& as) { return authority.issue(as, key).certificate; };
  EXPECT_THAT(differences(*asked, issue({.names = "DNS:edge.example.com,DNS:collab-edge.example.com"}).get()), ElementsAre());
  EXPECT_THAT(differences(*asked, issue({.names = "DNS:edge.example.com,DNS:www.example.com", .extended_key_usage = "serverAuth"}).get()),
              ElementsAre("the authority left out the name DNS:collab-edge.example.com", "the authority added the name DNS:www.example.com", "the authority dropped clientAuth"));
  EXPECT_THAT(differences(*asked, authority.issue({.names = "DNS:edge.example.com,DNS:collab-edge.example.com"}).certificate.get()), ElementsAre("the certificate has another key than the request"));
}

TEST(Request, WhatCannotStandInASubjectOrANameIsRefusedByIt) {
  const KeyPtr key = new_key();
  RequestWish wish;
  wish.subject.country = "Germany";
  EXPECT_THAT(make_request(wish, key.get()).fault().text(), HasSubstr("subject field C"));
  wish.subject.country.clear();
  wish.names = {{tls::NameKind::ip, "not an address"}};
  EXPECT_THAT(make_request(wish, key.get()).fault().text(), HasSubstr("IP:not an address"));
  EXPECT_FALSE(read_request("rubbish", "request"));
  EXPECT_TRUE(decoded_request("rubbish").empty());
}

}  // namespace
}  // namespace sallyport::certificates::test
