// SPDX-License-Identifier: Apache-2.0
// Trust by public key: authorities of one name, none of whose certificates tells which key signed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/tls/certificate_verdict.h"
#include "tests/unit/certificates/authority.h"

namespace sallyport::certificates::test {
namespace {

tls::PeerVerdict judge(const Issued& peer, const std::vector<CertificatePtr>& trusted, const std::vector<CertificatePtr>& presented = {}) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(), &X509_STORE_free);
  for (const CertificatePtr& each : trusted) X509_STORE_add_cert(store.get(), each.get());
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> chain(sk_X509_new_null(), [](STACK_OF(X509)* list) { sk_X509_free(list); });
  for (const CertificatePtr& each : presented) sk_X509_push(chain.get(), each.get());
  tls::PeerQuestion question;
  question.leaf = peer.certificate.get();
  question.presented_chain = chain.get();
  question.trust = store.get();
  return tls::judge_peer(question);
}

std::string fingerprint(const CertificatePtr& certificate) { return tls::describe_certificate(certificate.get()).fingerprint_sha256; }

TEST(Trust, B03_OfAuthoritiesWithOneNameTheOneThatSignedIsFoundInWhateverOrderTheyStand) {
  const Authority one("tomcat"), two("tomcat"), three("tomcat"), other("other");
  const std::vector<CertificatePtr> orders[] = {{one.certificate(), two.certificate(), three.certificate(), other.certificate()}, {three.certificate(), two.certificate(), one.certificate()}, {two.certificate(), other.certificate(), three.certificate(), one.certificate()}};
  for (const auto& trusted : orders) {
    for (const Authority* signer : {&one, &two, &three}) {
      const auto verdict = judge(signer->issue({.names = "DNS:cm1.example.com"}), trusted);
      EXPECT_FALSE(verdict.failure) << verdict.failure->text;
      EXPECT_EQ(verdict.authority, fingerprint(signer->certificate()));
    }
  }
  const auto verdict = judge(Authority("tomcat").issue({.names = "DNS:cm1.example.com"}), orders[0]);
  ASSERT_TRUE(verdict.failure);
  EXPECT_TRUE(verdict.authority.empty());
}

TEST(Trust, AnIntermediateOfAnAmbiguousRootIsFollowedToo) {
  const Authority one("root"), two("root");
  const Authority middle("middle", two);
  const auto verdict = judge(middle.issue({.names = "DNS:a.example.com"}), {one.certificate(), two.certificate()}, {middle.certificate()});
  EXPECT_FALSE(verdict.failure) << verdict.failure->text;
  EXPECT_EQ(verdict.authority, fingerprint(two.certificate()));
}

}  // namespace
}  // namespace sallyport::certificates::test
