// SPDX-License-Identifier: Apache-2.0
// What an authority issued, judged before it replaces anything.
#include "controlplane/acme/certificate_chain.h"

#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "controlplane/acme/challenge_certificate.h"
#include "controlplane/acme/jws.h"
#include "tests/unit/acme/acme_fixture.h"

namespace sallyport::acme_test {
namespace {

using ::testing::HasSubstr;

// A chain of leaf and CA for the key of a request: the request's own key pair stands in the file of the leaf.
class CertificateChainTest : public ::testing::Test {
 public:
  std::string leaf_pem(const tls_test::LeafWish& wish) {
    certificates.leaf("leaf", wish);
    return certificates.read("leaf.pem");
  }
  tls_test::CertificateFactory certificates;
};

TEST_F(CertificateChainTest, OtherKeyThanAskedForIsRefused) {
  tls_test::LeafWish wish;
  wish.subject_alt_names = "DNS:a.example";
  const auto chain = CertificateChain::read(leaf_pem(wish));
  ASSERT_TRUE(chain) << chain.fault().text();
  const auto request = CertificateRequest::read(make_request({"a.example"}).der);
  ASSERT_TRUE(request) << request.fault().text();
  EXPECT_EQ(chain_objection(*chain, *request, std::time(nullptr)), "it is for another key than was asked for");
}

// Signs with the request's key, so that only what a row changes is wrong.
std::string self_issued(const Request& request, const std::string& names, long from_s, long until_s, const char* usage) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 7);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until_s);
  X509_set_pubkey(certificate.get(), request.key.get());
  for (const auto& [nid, value] : {std::pair<int, std::string>{NID_subject_alt_name, names}, {NID_ext_key_usage, usage}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate.get(), request.key.get(), EVP_sha256());
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(memory.get(), certificate.get());
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<size_t>(length));
}

TEST_F(CertificateChainTest, EachThingThatIsWrongIsNamed) {
  const Request made = make_request({"a.example", "B.example"});
  const auto request = CertificateRequest::read(made.der);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->names, (std::vector<std::string>{"a.example", "b.example"}));
  struct Row {
    const char* names;
    long from_s, until_s;
    const char* usage;
    const char* objection;
  };
  const std::vector<Row> rows = {{"DNS:a.example,DNS:b.example", -60, 86400, "serverAuth", ""},
                                 {"DNS:a.example", -60, 86400, "serverAuth", "it lacks the name b.example"},
                                 {"DNS:a.example,DNS:b.example", -86400, -60, "serverAuth", "it has expired at "},
                                 {"DNS:a.example,DNS:b.example", 7200, 86400, "serverAuth", "it is valid only from "},
                                 {"DNS:a.example,DNS:b.example", -60, 86400, "clientAuth", "does not allow a TLS server"}};
  for (const Row& row : rows) {
    const auto chain = CertificateChain::read(self_issued(made, row.names, row.from_s, row.until_s, row.usage));
    ASSERT_TRUE(chain) << chain.fault().text();
    const std::string objection = chain_objection(*chain, *request, std::time(nullptr));
    EXPECT_THAT(objection, HasSubstr(row.objection));
    EXPECT_EQ(objection.empty(), row.objection[0] == '\0') << objection;
  }
  // A chain whose next certificate did not sign it.
  const auto strange = CertificateChain::read(self_issued(made, rows[0].names, -60, 86400, "serverAuth") + [&] {
    certificates.ca("another");
    return certificates.read("another.pem");
  }());
  ASSERT_TRUE(strange);
  EXPECT_EQ(chain_objection(*strange, *request, std::time(nullptr)), "certificate 1 of its chain is not signed by the next");
}

TEST_F(CertificateChainTest, WhatIsNoChainIsRefused) {
  EXPECT_FALSE(CertificateChain::read(""));
  EXPECT_FALSE(CertificateChain::read("<html>"));
  EXPECT_FALSE(CertificateChain::read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  tls_test::LeafWish wish;
  wish.subject_alt_names = "DNS:a.example";
  const std::string pem = leaf_pem(wish);
  std::string many;
  for (int i = 0; i < 20; ++i) many += pem;
  EXPECT_THAT(CertificateChain::read(many).fault().text(), HasSubstr("holds more than 10 certificates"));
  // What stands around it is not kept: the chain goes into files.
  const auto wrapped = CertificateChain::read("text before\n" + pem + "text behind\n");
  ASSERT_TRUE(wrapped);
  EXPECT_EQ(wrapped->pem.find("text"), std::string::npos);
  EXPECT_FALSE(CertificateRequest::read("no request"));
  EXPECT_FALSE(CertificateRequest::read(std::string(70 << 10, '0')));
}

TEST_F(CertificateChainTest, RenewalIdIsThatOfRfc9773) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  const unsigned char key_id[] = {0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3, 0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C, 0xDE, 0x01, 0xC8, 0xD4};
  AUTHORITY_KEYID* authority = AUTHORITY_KEYID_new();
  authority->keyid = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(authority->keyid, key_id, sizeof key_id);
  X509_add1_ext_i2d(certificate.get(), NID_authority_key_identifier, authority, 0, 0);
  AUTHORITY_KEYID_free(authority);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), 0x87654321);
  EXPECT_EQ(renewal_id(certificate.get()), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
  const std::unique_ptr<X509, decltype(&X509_free)> without(X509_new(), &X509_free);
  EXPECT_EQ(renewal_id(without.get()), "");
}

TEST_F(CertificateChainTest, ChallengeCertificateIsThatOfRfc8737) {
  const auto made = make_challenge_certificate("a.example", "token.thumbprint");
  ASSERT_TRUE(made) << made.fault().text();
  EXPECT_EQ(tls::describe_certificate(made->certificate.get()).names_text(), "DNS:a.example");
  ASN1_OBJECT* oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
  const int at = X509_get_ext_by_OBJ(made->certificate.get(), oid, -1);
  ASN1_OBJECT_free(oid);
  ASSERT_GE(at, 0);
  X509_EXTENSION* extension = X509_get_ext(made->certificate.get(), at);
  EXPECT_EQ(X509_EXTENSION_get_critical(extension), 1);
  const ASN1_OCTET_STRING* data = X509_EXTENSION_get_data(extension);
  const std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(data)), static_cast<size_t>(ASN1_STRING_length(data)));
  EXPECT_EQ(value, std::string("\x04\x20") + sha256("token.thumbprint"));
}

}  // namespace
}  // namespace sallyport::acme_test
