// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_sources.h"

#include <gtest/gtest.h>

#include "tests/unit/revocation/answers.h"

namespace sallyport::revocation::test {
namespace {

RevocationSources sources_of(void (*change)(X509*)) {
  const certificates::KeyPtr key = certificates::test::new_key();
  const certificates::CertificatePtr made = certificates::test::sign({}, key.get(), nullptr, key.get());
  change(made.get());
  return revocation_sources(made.get());
}

TEST(RevocationSourcesTest, ResponderListAndFeatureAreRead) {
  const Authority issuer;
  const Issued leaf = issuer.issue({.ocsp_url = "http://ocsp.example/x", .crl_url = "http://crl.example/a.crl", .must_staple = true});
  const RevocationSources sources = revocation_sources(leaf.certificate.get());
  EXPECT_EQ(sources.ocsp_url, "http://ocsp.example/x");
  EXPECT_EQ(sources.crl_url, "http://crl.example/a.crl");
  EXPECT_TRUE(sources.must_staple);
  EXPECT_TRUE(may_name_sources(leaf.certificate.get()));
}

TEST(RevocationSourcesTest, ACertificateThatNamesNobodyHasNone) {
  const Authority issuer;
  const Issued leaf = issuer.issue({});
  EXPECT_FALSE(revocation_sources(leaf.certificate.get()).has_any());
  EXPECT_FALSE(revocation_sources(leaf.certificate.get()).must_staple);
  EXPECT_FALSE(may_name_sources(leaf.certificate.get()));
}

TEST(RevocationSourcesTest, OtherSchemesAndBrokenUrlsArePassedOver) {
  using certificates::test::add_extension;
  const auto sources = sources_of([](X509* to) {
    add_extension(to, NID_info_access, "caIssuers;URI:http://ca.example/ca.cer,OCSP;URI:ldap://ocsp.example/,OCSP;URI:http://user@ocsp.example/,OCSP;URI:https://second.example/");
    add_extension(to, NID_crl_distribution_points, "URI:ldap://crl.example/,URI:http://crl.example/b.crl");
  });
  EXPECT_EQ(sources.ocsp_url, "https://second.example/");
  EXPECT_EQ(sources.crl_url, "http://crl.example/b.crl");
}

TEST(RevocationSourcesTest, AListOfSomebodyElsesOrOfSomeReasonsIsNotTaken) {
  const auto sources = sources_of([](X509* to) {
    CRL_DIST_POINTS* points = CRL_DIST_POINTS_new();
    DIST_POINT* point = DIST_POINT_new();
    point->distpoint = DIST_POINT_NAME_new();
    point->distpoint->type = 0;
    point->distpoint->name.fullname = GENERAL_NAMES_new();
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* url = ASN1_IA5STRING_new();
    ASN1_STRING_set(url, "http://crl.example/some.crl", -1);
    GENERAL_NAME_set0_value(name, GEN_URI, url);
    sk_GENERAL_NAME_push(point->distpoint->name.fullname, name);
    point->reasons = ASN1_BIT_STRING_new();
    ASN1_BIT_STRING_set_bit(point->reasons, 1, 1);
    sk_DIST_POINT_push(points, point);
    X509_add1_ext_i2d(to, NID_crl_distribution_points, points, 0, 0);
    CRL_DIST_POINTS_free(points);
  });
  EXPECT_FALSE(sources.has_any());
}

}  // namespace
}  // namespace sallyport::revocation::test
