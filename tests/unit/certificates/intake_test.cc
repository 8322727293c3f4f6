// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/certificates/authority.h"

namespace sallyport::certificates::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(std::string_view pem, std::size_t most = max_chain_certificates) {
  const auto read = read_certificates(pem, "edge.pem", most);
  EXPECT_FALSE(read);
  return read ? "" : read.fault().text();
}

class Intake : public testing::Test {
 protected:
  const Authority root{"Test Root"};
  const Authority middle{"Test Intermediate", root};
};

TEST_F(Intake, TruncatedPemNamesTheFileAndTheCertificateInIt) {
  const std::string whole = root.issue({.names = "DNS:a.example.com"}).pem();
  EXPECT_THAT(refusal(whole + whole.substr(0, whole.size() / 2)), AllOf(HasSubstr("edge.pem: certificate 2"), HasSubstr("copy it again")));
  EXPECT_THAT(refusal(whole.substr(0, whole.size() / 2)), HasSubstr("edge.pem: certificate 1"));
}

TEST_F(Intake, DerIsToldAsDerWithTheWayToConvertIt) { EXPECT_THAT(refusal(der_of(root.certificate().get())), AllOf(HasSubstr("DER"), HasSubstr("openssl x509 -inform DER"))); }

TEST_F(Intake, WhatIsNoCertificateIsRefused) {
  EXPECT_THAT(refusal(""), HasSubstr("is empty"));
  EXPECT_THAT(refusal("hello"), HasSubstr("holds no PEM certificate"));
  EXPECT_THAT(refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), HasSubstr("certificate 1: is broken"));
  EXPECT_THAT(refusal(std::string(max_pem_bytes + 1, 'A')), HasSubstr("at most"));
}

TEST_F(Intake, FiftyCertificatesInOneFileAreRefusedAsAChainAndTakenAsABundle) {
  std::string many;
  for (int i = 0; i < 50; ++i) many += root.issue({.names = "DNS:a.example.com"}).pem();
  EXPECT_THAT(refusal(many), HasSubstr("holds more than 10 certificates"));
  EXPECT_TRUE(read_certificates(many, "bundle.pem", max_bundle_certificates));
}

TEST_F(Intake, FiveThousandNamesAreRefusedByNumber) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(GENERAL_NAMES_new(), &GENERAL_NAMES_free);
  for (int i = 0; i < 5000; ++i) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, ("h" + std::to_string(i) + ".example.com").c_str(), -1);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  const KeyPtr key = new_key();
  EXPECT_THAT(refusal(pem_of(root.issue_raw({}, key.get(), names.get()).get())), AllOf(HasSubstr("5000 names"), HasSubstr("at most 1000")));
}

TEST_F(Intake, NulInsideANameIsRefused) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(GENERAL_NAMES_new(), &GENERAL_NAMES_free);
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, "good.example.com\0.evil.example", 30);
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  sk_GENERAL_NAME_push(names.get(), name);
  const KeyPtr key = new_key();
  EXPECT_THAT(refusal(pem_of(root.issue_raw({}, key.get(), names.get()).get())), HasSubstr("NUL inside a name"));
}

TEST_F(Intake, C25_AnEncryptedKeyIsRefusedWithThatReasonUnlessThePassphraseComesAlong) {
  const Issued own = root.issue({.names = "DNS:a.example.com"});
  for (const bool is_legacy : {false, true}) {
    const std::string pem = own.encrypted_key_pem("secret", is_legacy);
    EXPECT_THAT(read_private_key(pem, "edge.key", nullptr).fault().text(), HasSubstr("encrypted with a passphrase")) << is_legacy;
    const store::Secret right("secret"), wrong("guess");
    EXPECT_TRUE(read_private_key(pem, "edge.key", &right)) << is_legacy;
    EXPECT_THAT(read_private_key(pem, "edge.key", &wrong).fault().text(), HasSubstr("does not open with this passphrase")) << is_legacy;
  }
  EXPECT_THAT(read_private_key("nothing", "edge.key", nullptr).fault().text(), HasSubstr("no PEM private key"));
}

TEST_F(Intake, C12_C18_KeysAreJudgedByKindAndSize) {
  EXPECT_EQ(*judge_key(new_key(KeyKind::rsa_2048).get(), "x", false), tls::KeyFamily::rsa);
  EXPECT_EQ(*judge_key(new_key(KeyKind::ecdsa_p384).get(), "x", false), tls::KeyFamily::ecdsa);
  const KeyPtr weak = new_key(KeyKind::rsa_1024);
  EXPECT_THAT(judge_key(weak.get(), "x", false).fault().text(), HasSubstr("1024 bits"));
  EXPECT_TRUE(judge_key(weak.get(), "x", true));
  const KeyPtr edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
  EXPECT_THAT(judge_key(edwards.get(), "x", false).fault().text(), HasSubstr("ED25519"));
  const KeyPtr other_curve(EVP_EC_gen("secp256k1"), &EVP_PKEY_free);
  EXPECT_THAT(judge_key(other_curve.get(), "x", false).fault().text(), HasSubstr("secp256k1"));
  EVP_PKEY_CTX* parameters_maker = EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr);
  EVP_PKEY* parameters = nullptr;
  ASSERT_EQ(EVP_PKEY_paramgen_init(parameters_maker), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_dsa_paramgen_bits(parameters_maker, 1024), 1);
  ASSERT_EQ(EVP_PKEY_paramgen(parameters_maker, &parameters), 1);
  EVP_PKEY_CTX* maker = EVP_PKEY_CTX_new(parameters, nullptr);
  EVP_PKEY* dsa = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen_init(maker), 1);
  ASSERT_EQ(EVP_PKEY_keygen(maker, &dsa), 1);
  EXPECT_THAT(judge_key(dsa, "x", false).fault().text(), HasSubstr("DSA"));
  for (EVP_PKEY* each : {parameters, dsa}) EVP_PKEY_free(each);
  for (EVP_PKEY_CTX* each : {parameters_maker, maker}) EVP_PKEY_CTX_free(each);
}

TEST_F(Intake, AKeyOf16384BitsIsRefused) {
  // Its modulus alone is enough to judge it; making such a key would take minutes.
  BIGNUM* modulus = BN_new();
  BN_set_bit(modulus, 16383);
  BN_set_bit(modulus, 0);
  RSA* rsa = RSA_new();
  BIGNUM* exponent = BN_new();
  BN_set_word(exponent, 65537);
  RSA_set0_key(rsa, modulus, exponent, nullptr);
  const KeyPtr key(EVP_PKEY_new(), &EVP_PKEY_free);
  EVP_PKEY_assign_RSA(key.get(), rsa);
  EXPECT_THAT(judge_key(key.get(), "edge.pem: certificate 1", true).fault().text(), AllOf(HasSubstr("edge.pem"), HasSubstr("16384 bits"), HasSubstr("at most 8192")));
}

TEST_F(Intake, AChainInAnyOrderIsMendedAndItsRootLeftOut) {
  const Issued own = middle.issue({.names = "DNS:a.example.com"});
  const auto ordered = order_chain({root.certificate(), middle.certificate(), own.certificate}, own.key.get(), "edge.pem", {});
  ASSERT_TRUE(ordered) << ordered.fault().text();
  ASSERT_EQ(ordered->certificates.size(), 2u);
  EXPECT_EQ(ordered->certificates[0], own.certificate);
  EXPECT_EQ(ordered->certificates[1], middle.certificate());
  EXPECT_TRUE(ordered->is_complete);
  EXPECT_THAT(ordered->remarks, testing::Contains(HasSubstr("order was mended")));
  EXPECT_THAT(ordered->remarks, testing::Contains(HasSubstr("root")));
}

TEST_F(Intake, AChainIsCompleteWhenItEndsAtAKnownAuthorityOnly) {
  const Issued own = middle.issue({.names = "DNS:a.example.com"});
  EXPECT_FALSE(order_chain({own.certificate}, own.key.get(), "edge.pem", {root.certificate()})->is_complete);
  EXPECT_FALSE(order_chain({own.certificate, middle.certificate()}, own.key.get(), "edge.pem", {})->is_complete);
  EXPECT_TRUE(order_chain({own.certificate, middle.certificate()}, own.key.get(), "edge.pem", {root.certificate()})->is_complete);
}

TEST_F(Intake, StraysTwinsAndStrangersInAChainAreNamed) {
  const Issued own = middle.issue({.common_name = "own", .names = "DNS:a.example.com"});
  const Issued other = Authority("Other Root").issue({.common_name = "stranger", .names = "DNS:b.example.com"});
  EXPECT_THAT(order_chain({own.certificate, other.certificate}, own.key.get(), "edge.pem", {}).fault().text(), AllOf(HasSubstr("stranger"), HasSubstr("does not belong to the chain")));
  EXPECT_THAT(order_chain({own.certificate, other.certificate}, nullptr, "edge.pem", {}).fault().text(), HasSubstr("do not belong to one chain"));
  const auto doubled = order_chain({own.certificate, own.certificate, middle.certificate()}, own.key.get(), "edge.pem", {});
  ASSERT_TRUE(doubled);
  EXPECT_THAT(doubled->remarks, testing::Contains(HasSubstr("stands twice")));
  const Issued twin = middle.issue({.common_name = "twin", .names = "DNS:c.example.com", .serial = 77}), sister = middle.issue({.common_name = "sister", .names = "DNS:d.example.com", .serial = 77});
  EXPECT_THAT(order_chain({twin.certificate, sister.certificate}, twin.key.get(), "edge.pem", {}).fault().text(), HasSubstr("one issuer and one serial number"));
  EXPECT_THAT(order_chain({middle.certificate(), root.certificate()}, own.key.get(), "edge.pem", {}).fault().text(), HasSubstr("no certificate in it belongs to the private key"));
}

TEST_F(Intake, ALoopOfAuthoritiesIsRefused) {
  const KeyPtr one = new_key(), two = new_key();
  const CertificatePtr seed_one = sign({.common_name = "one", .is_authority = true}, one.get(), nullptr, one.get());
  const CertificatePtr seed_two = sign({.common_name = "two", .is_authority = true}, two.get(), nullptr, two.get());
  const CertificatePtr one_by_two = sign({.common_name = "one", .is_authority = true}, one.get(), X509_get_subject_name(seed_two.get()), two.get());
  const CertificatePtr two_by_one = sign({.common_name = "two", .is_authority = true}, two.get(), X509_get_subject_name(seed_one.get()), one.get());
  EXPECT_THAT(order_chain({one_by_two, two_by_one}, nullptr, "edge.pem", {}).fault().text(), HasSubstr("loop"));
}

TEST_F(Intake, KeysAndCertificatesComeBackFromDerAsTheyWere) {
  const Issued own = root.issue({.names = "DNS:a.example.com"}, new_key(KeyKind::rsa_2048));
  const auto certificate = certificate_from_der(der_of(own.certificate.get()), "x");
  ASSERT_TRUE(certificate);
  EXPECT_EQ(X509_cmp(certificate->get(), own.certificate.get()), 0);
  const auto key = key_from_der(der_of(own.key.get()).reveal(), "x");
  ASSERT_TRUE(key);
  EXPECT_EQ(EVP_PKEY_eq(key->get(), own.key.get()), 1);
  EXPECT_FALSE(key_from_der("rubbish", "x"));
  EXPECT_FALSE(certificate_from_der("rubbish", "x"));
}

}  // namespace
}  // namespace sallyport::certificates::test
