// SPDX-License-Identifier: Apache-2.0
// What clients ask for, and what is said of a certificate before anybody trusts it.

#include "controlplane/node/discovery_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/node/certificate_probe.h"
#include "tests/unit/certificates/authority.h"

namespace sallyport::node {
namespace {

using certificates::test::Authority;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// C04 to C06: one tenant's host lies in its domain; with several, the provider's host does not.
TEST(Discovery, C05_C06_TheNameAClientAsksFor) {
  EXPECT_EQ(sni_of_client("mra-host.example.com", "example.com"), "mra-host.example.com");
  EXPECT_EQ(sni_of_client("mra-host.sp.com", "example.com"), "mra-host.example.com");
  EXPECT_EQ(sni_of_client("example.com", "example.com"), "example.com");
  EXPECT_EQ(sni_of_client("a.b.example.com", "example.com"), "a.b.example.com");
  EXPECT_EQ(sni_of_client("mra.notexample.com", "example.com"), "mra.example.com");
}

struct Trust {
  explicit Trust(std::vector<X509*> trusted) {
    for (X509* each : trusted) X509_STORE_add_cert(store.get(), each);
  }
  std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store{X509_STORE_new(), &X509_STORE_free};
};

TEST(CertificateProbe, B04_A12_WhatIsSaidOfACertificate) {
  const Authority authority;
  const auto leaf = authority.issue({.common_name = "cm1.example.com", .names = "DNS:cm1.example.com"}).certificate;
  const Trust known({authority.certificate().get()}), nobody({});
  const std::vector<certificates::CertificatePtr> chain = {leaf};
  const ProbeFindings good = findings_of(chain, "cm1.example.com", known.store.get(), "ca.pem", "call_control");
  EXPECT_TRUE(good.is_trusted);
  EXPECT_THAT(good.texts, ElementsAre());
  EXPECT_THAT(findings_of(chain, "cm1.example.com", nobody.store.get(), "", "call_control").texts, ElementsAre(AllOf(HasSubstr("not trusted"), HasSubstr("trust for call_control, which is empty"))));
  // B04: the name of the node stands in the CN only.
  const auto nameless = authority.issue({.common_name = "cm1.example.com", .names = "DNS:other.example.com"}).certificate;
  EXPECT_THAT(findings_of({nameless}, "cm1.example.com", known.store.get(), "ca.pem", "call_control").texts, ElementsAre(HasSubstr("cm1.example.com: the certificate has no SAN for it (DNS:other.example.com)")));
}

TEST(CertificateProbe, B02_A14_ASelfSignedOneIsTrustedByItselfAndSaidToBe) {
  const auto key = certificates::test::new_key();
  const auto own = certificates::test::sign({.common_name = "guest1.example.com", .names = "DNS:guest1.example.com"}, key.get(), nullptr, key.get());
  const Trust itself({own.get()}), nobody({});
  EXPECT_TRUE(findings_of({own}, "guest1.example.com", itself.store.get(), "store", "guests").is_trusted);
  EXPECT_FALSE(findings_of({own}, "guest1.example.com", nobody.store.get(), "", "guests").is_trusted);
  EXPECT_THAT(findings_of({own}, "guest1.example.com", itself.store.get(), "store", "guests").texts, ElementsAre(HasSubstr("self-signed, subject")));
  EXPECT_THAT(findings_of({own}, "guest1.example.com", nobody.store.get(), "", "guests").texts, ElementsAre(HasSubstr("not trusted"), HasSubstr("self-signed")));
}

}  // namespace
}  // namespace sallyport::node
