// SPDX-License-Identifier: Apache-2.0
// E's pair authority and what it issued: each token once and in time, and nothing to whom was removed.

#include "controlplane/certificates/pair_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <fstream>
#include <iterator>

#include "controlplane/certificates/request.h"
#include "controlplane/store/site_store.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::certificates::test {
namespace {

using testing::HasSubstr;

constexpr std::int64_t now_s = 1'800'000'000;

class PairStoreTest : public testing::Test {
 protected:
  PairStoreTest() {
    auto opened = store::SiteStore::open({.state_dir = folder.path(), .role = config::Role::edge, .node_name = "e1"});
    EXPECT_TRUE(opened) << opened.fault().text();
    site = std::move(*opened);
    reopen();
  }
  void reopen() {
    auto opened = PairStore::open(folder.path(), "edge.example.com");
    ASSERT_TRUE(opened) << opened.fault().text();
    pairs = std::move(*opened);
    pairs->set_listener([this] { ++news; });
  }
  PairEnrolment wish(const std::string& fqdn, std::int64_t at_s = now_s) { return {fqdn, "Traversal zone", {fqdn, "c-cluster.inside.example.com"}, *make_key(KeyKind::ecdsa_p256), 3600, at_s}; }
  Outcome<CertificatePtr> join(const std::string& fqdn, const std::string& id, std::int64_t at_s = now_s) {
    const auto made = pairs->add_token({id, "5ec3e7"}, "Traversal zone", at_s, 600, "uid 0");
    if (!made) return made.fault();
    return pairs->redeem({id, "5ec3e7"}, wish(fqdn, at_s));
  }
  store::StateFolder folder;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<PairStore> pairs;
  int news = 0;
};

TEST_F(PairStoreTest, ATokenIsUsedOnceAndInTime) {
  ASSERT_TRUE(pairs->add_token({"01", "5ec3e7"}, "Traversal zone", now_s, 600, "uid 0"));
  EXPECT_EQ(*pairs->judge_token({"01", "5ec3e7"}, now_s + 599), "Traversal zone");
  for (const TokenSecret& wrong : {TokenSecret{"01", "5ec3e8"}, {"01", ""}, {"02", "5ec3e7"}, {"", ""}}) {
    const auto refused = pairs->judge_token(wrong, now_s);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.fault().text(), "join token: is not known here: it was used, is over, or is another node's; make a new one on E: sallyport pair");
  }
  EXPECT_FALSE(pairs->judge_token({"01", "5ec3e7"}, now_s + 600)) << "over";
  EXPECT_FALSE(pairs->redeem({"01", "5ec3e7"}, wish("c1.inside.example.com", now_s + 600)));
  ASSERT_TRUE(pairs->redeem({"01", "5ec3e7"}, wish("c1.inside.example.com")));
  EXPECT_FALSE(pairs->redeem({"01", "5ec3e7"}, wish("c1.inside.example.com"))) << "used";
  EXPECT_FALSE(pairs->judge_token({"01", "5ec3e7"}, now_s));
}

TEST_F(PairStoreTest, A18_WhatIsIssuedIsForCsPartAndForADay) {
  const auto issued = join("c1.inside.example.com", "01");
  ASSERT_TRUE(issued) << issued.fault().text();
  const tls::PeerCertificate said = tls::describe_certificate(issued->get());
  EXPECT_EQ(said.names_text(), "DNS:c1.inside.example.com, DNS:c-cluster.inside.example.com");
  EXPECT_TRUE(said.allows_client_auth);
  EXPECT_FALSE(said.allows_server_auth) << "a C node must not pass for E before another";
  EXPECT_EQ(said.not_before_s, now_s - 300);
  EXPECT_EQ(said.not_after_s, now_s + 3600);
  const CertificatePtr authority = pairs->snapshot()->authority;
  EXPECT_EQ(X509_verify(issued->get(), X509_get0_pubkey(authority.get())), 1);
  EXPECT_EQ(X509_check_ca(authority.get()), 1);
  EXPECT_EQ(X509_check_ca(issued->get()), 0);
  EXPECT_EQ(X509_get_pathlen(authority.get()), 0);
}

TEST_F(PairStoreTest, ANodeRenewsUntilItIsRemoved) {
  ASSERT_TRUE(join("c1.inside.example.com", "01"));
  ASSERT_TRUE(join("c2.inside.example.com", "02"));
  const auto renewed = pairs->renew(wish("c1.inside.example.com", now_s + 60));
  ASSERT_TRUE(renewed) << renewed.fault().text();
  ASSERT_EQ(pairs->snapshot()->nodes.size(), 2u);
  const PairedNode* node = pairs->snapshot()->find_node("C1.inside.example.com");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->joined_s, now_s);
  EXPECT_EQ(node->issued_s, now_s + 60);
  EXPECT_EQ(node->serial, tls::describe_certificate(renewed->get()).serial);

  ASSERT_TRUE(pairs->withdraw_node("c1.inside.example.com", "uid 0"));
  const auto set = pairs->snapshot();
  EXPECT_EQ(set->find_node("c1.inside.example.com"), nullptr);
  EXPECT_EQ(set->withdrawn_keys.size(), 2u) << "both certificates that it holds";
  EXPECT_THAT(set->withdrawn_keys, testing::Contains(tls::key_digest(renewed->get())));
  EXPECT_THAT(pairs->renew(wish("c1.inside.example.com", now_s + 61)).fault().text(), HasSubstr("is not paired with this node any more"));
  EXPECT_TRUE(pairs->renew(wish("c2.inside.example.com", now_s + 61)));
  EXPECT_FALSE(pairs->withdraw_node("c1.inside.example.com", "uid 0"));
  // Joining anew does not bring the old keys back.
  ASSERT_TRUE(join("c1.inside.example.com", "03", now_s + 62));
  EXPECT_EQ(pairs->snapshot()->withdrawn_keys.size(), 2u);
}

TEST_F(PairStoreTest, WhatIsOverIsForgotten) {
  ASSERT_TRUE(join("c1.inside.example.com", "01"));
  ASSERT_TRUE(pairs->withdraw_node("c1.inside.example.com", "uid 0"));
  ASSERT_TRUE(pairs->add_token({"02", "x"}, "Traversal zone", now_s, 600, "uid 0"));
  ASSERT_TRUE(join("c2.inside.example.com", "03", now_s + 4000));
  EXPECT_TRUE(pairs->snapshot()->withdrawn_keys.empty());
  EXPECT_TRUE(pairs->snapshot()->tokens.empty());
  EXPECT_FALSE(pairs->renew(wish("c1.inside.example.com", now_s + 4000))) << "its certificate is over";
}

TEST_F(PairStoreTest, TokensAndNodesAreBounded) {
  for (std::size_t i = 0; i < max_join_tokens; ++i) ASSERT_TRUE(pairs->add_token({std::to_string(i), "x"}, "Traversal zone", now_s, 600, "uid 0"));
  EXPECT_THAT(pairs->add_token({"one more", "x"}, "Traversal zone", now_s, 600, "uid 0").fault().text(), HasSubstr("there are 32 that were not used"));
  ASSERT_TRUE(pairs->withdraw_token("0", "uid 0"));
  EXPECT_FALSE(pairs->withdraw_token("0", "uid 0"));
  EXPECT_TRUE(pairs->add_token({"one more", "x"}, "Traversal zone", now_s, 600, "uid 0"));
  for (std::size_t i = 1; i < max_join_tokens; ++i) ASSERT_TRUE(pairs->withdraw_token(std::to_string(i), "uid 0"));
  for (std::size_t i = 0; i < max_paired_nodes; ++i) ASSERT_TRUE(join("c" + std::to_string(i) + ".example.com", "n" + std::to_string(i)));
  EXPECT_THAT(join("one-more.example.com", "n-more").fault().text(), HasSubstr("64 nodes are paired"));
  EXPECT_TRUE(join("c0.example.com", "n0-again")) << "it is one of them";
}

TEST_F(PairStoreTest, ANodeThatAsksEverAgainIsGivenNoMore) {
  ASSERT_TRUE(join("c1.inside.example.com", "01"));
  for (std::size_t i = 1; i < max_node_certificates; ++i) ASSERT_TRUE(pairs->renew(wish("c1.inside.example.com", now_s + static_cast<std::int64_t>(i))));
  EXPECT_THAT(pairs->renew(wish("c1.inside.example.com", now_s + 60)).fault().text(), HasSubstr("was given 16 certificates that are valid still"));
  EXPECT_TRUE(pairs->renew(wish("c1.inside.example.com", now_s + 3600))) << "the first of them is over";
  // Removed, it may begin anew.
  ASSERT_TRUE(pairs->withdraw_node("c1.inside.example.com", "uid 0"));
  EXPECT_TRUE(join("c1.inside.example.com", "02", now_s + 3601));
}

TEST_F(PairStoreTest, IdentitiesOutliveAStartAndKeysAreSealed) {
  ASSERT_TRUE(pairs->issue_own({"", "", {"edge.example.com", "192.0.2.1"}, *make_key(KeyKind::ecdsa_p256), 3600, now_s}));
  const KeyPtr key = *make_key(KeyKind::ecdsa_p256);
  const auto own = pairs->snapshot()->find("");
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->description.names_text(), "DNS:edge.example.com, IP:192.0.2.1");
  EXPECT_TRUE(own->description.allows_server_auth);
  EXPECT_FALSE(own->description.allows_client_auth);
  ASSERT_TRUE(pairs->keep_identity("Edge2.example.com", 2222, "Traversal zone", {own->certificate, own->authority}, key, "uid 0"));
  reopen();
  const auto set = pairs->snapshot();
  ASSERT_EQ(set->identities.size(), 2u);
  const PairIdentity* kept = set->find("EDGE2.example.com");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->port, 2222);
  const auto credential = kept->held->get();
  ASSERT_NE(credential, nullptr);
  EXPECT_EQ(credential->chain.size(), 1u) << "the authority goes along";
  EXPECT_EQ(EVP_PKEY_eq(credential->key.get(), key.get()), 1);
  const std::string secret(der_of(key.get()).reveal());
  for (const char* name : {"/site.db", "/site.db-wal"}) {
    std::ifstream file(folder.path() + name, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(bytes.find(secret.substr(36, 32)), std::string::npos) << name;
  }
  ASSERT_TRUE(pairs->forget_identity("edge2.example.com", "uid 0"));
  EXPECT_FALSE(pairs->forget_identity("edge2.example.com", "uid 0"));
  EXPECT_FALSE(pairs->forget_identity("", "uid 0")) << "E's own is not forgotten";
}

TEST_F(PairStoreTest, EveryChangeIsToldAndInTheHistory) {
  ASSERT_TRUE(join("c1.inside.example.com", "01"));
  EXPECT_EQ(news, 2);
  const auto history = site->history(10);
  ASSERT_TRUE(history);
  EXPECT_THAT(history->front().change, HasSubstr("pair with c1.inside.example.com for zone \"Traversal zone\""));
  EXPECT_EQ(history->front().actor, "join token 01");
  for (const store::HistoryEntry& entry : *history) EXPECT_EQ(entry.change.find("5ec3e7"), std::string::npos);
}

TEST(IssuingAuthorityTest, ARequestMustBeSignedByItsKey) {
  RequestWish wish;
  wish.names = {{tls::NameKind::dns, "c1.inside.example.com"}};
  const KeyPtr key = *make_key(KeyKind::ecdsa_p256);
  const std::string pem = *make_request(wish, key.get());
  const auto taken = requested_key(pem, "node c1");
  ASSERT_TRUE(taken) << taken.fault().text();
  EXPECT_EQ(EVP_PKEY_eq(taken->get(), key.get()), 1);
  for (const std::string& bad : {std::string(), std::string("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"), pem.substr(0, pem.size() / 2)}) EXPECT_FALSE(requested_key(bad, "node c1"));
  const KeyPtr weak = *make_key(KeyKind::rsa_1024);
  EXPECT_FALSE(requested_key(*make_request(wish, weak.get()), "node c1"));
}

}  // namespace
}  // namespace sallyport::certificates::test
