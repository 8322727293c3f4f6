// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_vault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "controlplane/store/site_store.h"
#include "controlplane/store/sqlite_database.h"
#include "tests/unit/certificates/authority.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::certificates::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CertificateVault : public testing::Test {
 protected:
  CertificateVault() {
    auto opened = store::SiteStore::open({.state_dir = folder.path(), .role = config::Role::edge, .node_name = "e1"});
    EXPECT_TRUE(opened) << opened.fault().text();
    site = std::move(*opened);
    reopen();
  }
  void reopen() {
    VaultOptions options{.state_dir = folder.path(), .node_name = "e1", .node_fqdn = "edge.example.com"};
    auto opened = certificates::CertificateVault::open(std::move(options));
    ASSERT_TRUE(opened) << opened.fault().text();
    vault = std::move(*opened);
    vault->set_listener([this] { ++news; });
  }
  Outcome<Installed> install(const std::string& slot, const std::string& certificate, const std::string& key = "", bool dry_run = false) {
    InstallWish wish;
    wish.slot = *Slot::parse(slot);
    wish.upload.certificate = certificate;
    wish.upload.key = key;
    wish.upload.file = "upload.pem";
    wish.dry_run = dry_run;
    return vault->install(wish, "test");
  }
  Outcome<StoredRequest> request(const std::string& slot, const std::string& name, KeyKind kind = KeyKind::ecdsa_p256) {
    RequestWish wish;
    wish.key = kind;
    wish.names = {{tls::NameKind::dns, name}};
    return vault->request(*Slot::parse(slot), wish, new_key(kind), "test");
  }
  std::string served(SlotKind kind) {
    const auto held = vault->snapshot()->held(kind);
    if (held.empty()) return "nothing";
    const auto credential = held[0]->get();
    return credential == nullptr ? "unreadable" : tls::describe_certificate(credential->certificate.get()).serial;
  }
  std::string newest_change() { return (*site->history(1))[0].change; }

  store::StateFolder folder;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<certificates::CertificateVault> vault;
  int news = 0;
  const Authority authority;
};

TEST_F(CertificateVault, A06_ARequestIsMadeAnsweredAndServedAndItsKeyNeverLeaves) {
  const auto made = request("server", "edge.example.com");
  ASSERT_TRUE(made) << made.fault().text();
  EXPECT_EQ(vault->snapshot()->requests.size(), 1u);
  const auto installed = install("server", authority.answer(made->pem, {}));
  ASSERT_TRUE(installed) << installed.fault().text();
  EXPECT_EQ(news, 2);
  EXPECT_TRUE(vault->snapshot()->requests.empty());
  EXPECT_EQ(served(SlotKind::server), installed->verdict.description.serial);
  EXPECT_THAT(newest_change(), HasSubstr("install certificate " + installed->verdict.description.serial + " for server"));
  reopen();
  EXPECT_EQ(served(SlotKind::server), installed->verdict.description.serial);
}

TEST_F(CertificateVault, C16_OneRequestASlotAndDiscardDeletesItsKey) {
  ASSERT_TRUE(vault->add_domain("a.example.com", "test"));
  const auto first = request("domain/a.example.com", "a.example.com");
  ASSERT_TRUE(first);
  EXPECT_TRUE(request("server", "edge.example.com"));
  EXPECT_THAT(request("domain/a.example.com", "a.example.com").fault().text(), AllOf(HasSubstr("one is open already"), HasSubstr("discard")));
  ASSERT_TRUE(vault->discard_request(*Slot::parse("domain/a.example.com"), "test"));
  EXPECT_THAT(install("domain/a.example.com", authority.answer(first->pem, {})).fault().text(), HasSubstr("no matching private key"));
  EXPECT_THAT(vault->discard_request(*Slot::parse("domain/a.example.com"), "test").fault().text(), HasSubstr("there is none"));
}

TEST_F(CertificateVault, C20_PrivateKeysAreSealedInTheFileAndCannotBePutInThePlaceOfAnother) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  ASSERT_TRUE(install("server", own.pem(), own.key_pem()));
  const store::Secret key = der_of(own.key.get());
  // The private scalar stands near the end of the structure; any 24 of its bytes in the file would be a leak.
  const std::string tail(key.reveal().substr(key.reveal().size() / 3, 24));
  for (const char* file : {"/site.db", "/site.db-wal"}) {
    std::ifstream in(folder.path() + file, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    EXPECT_EQ(bytes.str().find(tail), std::string::npos) << file;
  }
  ASSERT_TRUE(vault->add_domain("a.example.com", "test"));
  const Issued other = authority.issue({.names = "DNS:a.example.com"});
  ASSERT_TRUE(install("domain/a.example.com", other.pem(), other.key_pem()));
  {
    store::SqliteDatabase database(folder.path() + "/site.db");
    database.execute("UPDATE certificate SET sealed_key = (SELECT sealed_key FROM certificate WHERE slot = 'server') WHERE slot != 'server'");
  }
  reopen();
  EXPECT_EQ(served(SlotKind::domain), "unreadable");
  EXPECT_NE(served(SlotKind::server), "unreadable");
}

TEST_F(CertificateVault, RsaAndEcdsaStandBesideEachOtherInOneSlot) {
  const Issued ecdsa = authority.issue({.names = "DNS:edge.example.com"}), rsa = authority.issue({.names = "DNS:edge.example.com"}, new_key(KeyKind::rsa_2048));
  ASSERT_TRUE(install("server", ecdsa.pem(), ecdsa.key_pem()));
  ASSERT_TRUE(install("server", rsa.pem(), rsa.key_pem()));
  EXPECT_EQ(vault->snapshot()->held(SlotKind::server).size(), 2u);
  ASSERT_TRUE(vault->remove(*Slot::parse("server"), tls::KeyFamily::rsa, "test"));
  EXPECT_EQ(vault->snapshot()->held(SlotKind::server).size(), 1u);
  EXPECT_THAT(vault->remove(*Slot::parse("server"), tls::KeyFamily::rsa, "test").fault().text(), HasSubstr("holds no such certificate"));
}

TEST_F(CertificateVault, ADryRunJudgesAndChangesNothing) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  ASSERT_TRUE(install("server", own.pem(), own.key_pem(), true));
  EXPECT_EQ(served(SlotKind::server), "nothing");
  EXPECT_EQ(news, 0);
}

TEST_F(CertificateVault, ARefusedUploadLosesNothing) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  ASSERT_TRUE(install("server", own.pem(), own.key_pem()));
  const std::string before = served(SlotKind::server);
  EXPECT_FALSE(install("server", "rubbish", own.key_pem()));
  EXPECT_FALSE(install("server", authority.issue({.names = "DNS:edge.example.com", .not_before_s = -7200, .not_after_s = -3600}).pem()));
  EXPECT_EQ(served(SlotKind::server), before);
}

TEST_F(CertificateVault, C31_TheCertificateOfAnotherSlotsRequestIsNamed) {
  ASSERT_TRUE(vault->add_domain("a.example.com", "test"));
  const auto theirs = request("domain/a.example.com", "a.example.com");
  ASSERT_TRUE(request("server", "edge.example.com"));
  EXPECT_THAT(install("server", authority.answer(theirs->pem, {})).fault().text(), HasSubstr("belongs to the request for domain/a.example.com"));
}

TEST_F(CertificateVault, C15_DomainsAreCreatedListedAndGoWithTheirCertificates) {
  EXPECT_THAT(install("domain/b.example.com", "x").fault().text(), HasSubstr("does not exist"));
  ASSERT_TRUE(vault->add_domain("B.example.com", "test"));
  ASSERT_TRUE(vault->add_domain("100.example-name.com", "test"));
  EXPECT_THAT(vault->add_domain("b.example.com.", "test").fault().text(), HasSubstr("is there already"));
  EXPECT_THAT(vault->add_domain("b", "test").fault().text(), HasSubstr("domain \"b\""));
  EXPECT_THAT(vault->snapshot()->domains, testing::ElementsAre("100.example-name.com", "b.example.com"));
  const Issued own = authority.issue({.names = "DNS:b.example.com"});
  ASSERT_TRUE(install("domain/b.example.com", own.pem(), own.key_pem()));
  ASSERT_TRUE(vault->remove_domain("b.example.com", "test"));
  EXPECT_TRUE(vault->snapshot()->certificates.empty());
  EXPECT_FALSE(vault->remove_domain("b.example.com", "test"));
}

TEST_F(CertificateVault, IntermediatesAreKeptOnceAndGoWithTheLastThatNeedsThem) {
  const Authority middle("Test Intermediate", authority);
  for (const char* name : {"a.example.com", "b.example.com"}) {
    ASSERT_TRUE(vault->add_domain(name, "test"));
    const Issued own = middle.issue({.names = std::string("DNS:") + name});
    ASSERT_TRUE(install(std::string("domain/") + name, own.pem() + middle.pem(), own.key_pem()));
  }
  EXPECT_EQ(vault->chain(*Slot::parse("domain/a.example.com"), tls::KeyFamily::ecdsa)->size(), 2u);
  // In memory too: ten thousand domains of one authority have its certificate once.
  std::vector<std::shared_ptr<const tls::Credential>> served;
  for (const tls::HeldCredentialPtr& held : vault->snapshot()->held(SlotKind::domain)) served.push_back(held->get());
  ASSERT_EQ(served.size(), 2u);
  EXPECT_EQ(served[0]->chain, served[1]->chain);
  EXPECT_EQ(tls::links_of(served[0]->chain).at(0), tls::links_of(served[1]->chain).at(0));
  served.clear();
  const auto kept = [&] {
    store::SqliteDatabase database(folder.path() + "/site.db");
    store::SqliteStatement count = database.prepare("SELECT count(*) FROM intermediate");
    count.step();
    return count.integer(0);
  };
  EXPECT_EQ(kept(), 1);
  ASSERT_TRUE(vault->remove_domain("a.example.com", "test"));
  EXPECT_EQ(kept(), 1);
  ASSERT_TRUE(vault->remove_domain("b.example.com", "test"));
  EXPECT_EQ(kept(), 0);
}

TEST_F(CertificateVault, B03_TwoSelfSignedCertificatesWithOneCnAreRefusedUnlessAllowed) {
  const Authority one("tomcat"), two("tomcat");
  ASSERT_TRUE(vault->add_trust(TrustPurpose::call_control, one.pem(), "cm1.pem", "test"));
  const auto refused = vault->add_trust(TrustPurpose::call_control, two.pem(), "cm2.pem", "test");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.fault().text(), AllOf(HasSubstr("cm2.pem: certificate 1"), HasSubstr("CN \"tomcat\""), HasSubstr(tls::describe_certificate(one.certificate().get()).serial), HasSubstr(tls::describe_certificate(two.certificate().get()).serial)));
  EXPECT_TRUE(vault->add_trust(TrustPurpose::presence, two.pem(), "imp.pem", "test"));  // another purpose
  ASSERT_TRUE(vault->set("duplicate_self_signed_cn", "allow", "test"));
  EXPECT_TRUE(vault->add_trust(TrustPurpose::call_control, two.pem(), "cm2.pem", "test"));
  EXPECT_EQ(vault->snapshot()->trust.size(), 3u);
}

TEST_F(CertificateVault, TrustIsAddedOnceShownAndRemovedByFingerprint) {
  ASSERT_TRUE(vault->add_trust(TrustPurpose::traversal, authority.pem(), "ca.pem", "test"));
  const auto again = vault->add_trust(TrustPurpose::traversal, authority.pem(), "ca.pem", "test");
  EXPECT_TRUE(again->added.empty());
  EXPECT_EQ(again->present.size(), 1u);
  const std::string fingerprint = again->present[0].fingerprint_sha256;
  EXPECT_THAT(vault->find_trust(TrustPurpose::traversal, "abc").fault().text(), HasSubstr("too short"));
  EXPECT_THAT(vault->find_trust(TrustPurpose::guests, fingerprint).fault().text(), HasSubstr("is not trusted for that"));
  const Issued leaf = authority.issue({.common_name = "leaf", .names = "DNS:x.example.com"});
  EXPECT_THAT(vault->add_trust(TrustPurpose::traversal, leaf.pem(), "leaf.pem", "test").fault().text(), HasSubstr("is no authority"));
  ASSERT_TRUE(vault->remove_trust(TrustPurpose::traversal, fingerprint.substr(0, 8), "test"));
  EXPECT_TRUE(vault->snapshot()->trust.empty());
}

TEST_F(CertificateVault, A05_SingleStoreModeIsRefusedWhileTheServerCertificateCannotPlayTheClient) {
  vault->set_unified_communications([] { return true; });
  const Issued own = authority.issue({.names = "DNS:edge.example.com", .extended_key_usage = "serverAuth"});
  ASSERT_TRUE(install("server", own.pem(), own.key_pem()));
  EXPECT_THAT(vault->set("mode", "single", "test").fault().text(), HasSubstr("lacks clientAuth"));
  EXPECT_THAT(vault->set("mode", "triple", "test").fault().text(), HasSubstr("give two or single"));
  EXPECT_THAT(vault->set("colour", "red", "test").fault().text(), HasSubstr("is none"));
  const Issued both = authority.issue({.names = "DNS:edge.example.com"});
  ASSERT_TRUE(install("server", both.pem(), both.key_pem()));
  EXPECT_TRUE(vault->set("mode", "single", "test"));
  EXPECT_FALSE(install("server", own.pem(), own.key_pem()));
}

TEST_F(CertificateVault, WhatAnotherProcessInstalledIsTakenIn) {
  VaultOptions options{.state_dir = folder.path(), .node_name = "e1", .node_fqdn = "edge.example.com"};
  auto other = certificates::CertificateVault::open(std::move(options));
  ASSERT_TRUE(other);
  EXPECT_FALSE(*vault->refresh());
  ASSERT_TRUE((*other)->add_domain("c.example.com", "other"));
  EXPECT_TRUE(*vault->refresh());
  EXPECT_TRUE(vault->snapshot()->has_domain("c.example.com"));
}

TEST_F(CertificateVault, A18_EShowsNothingAsAClientAndSaysSo) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  EXPECT_THAT(install("client", own.pem(), own.key_pem()).fault().text(), HasSubstr("is not used on E"));
  EXPECT_THAT(request("client", "edge.example.com").fault().text(), HasSubstr("is not used on E"));
}

TEST_F(CertificateVault, ReplacingACertificateLeavesTheOthersHeldAsTheyAre) {
  for (const char* name : {"a.example.com", "b.example.com"}) {
    ASSERT_TRUE(vault->add_domain(name, "test"));
    const Issued own = authority.issue({.names = std::string("DNS:") + name});
    ASSERT_TRUE(install(std::string("domain/") + name, own.pem(), own.key_pem()));
  }
  const auto before = vault->snapshot();
  const Issued fresh = authority.issue({.names = "DNS:a.example.com"});
  ASSERT_TRUE(install("domain/a.example.com", fresh.pem(), fresh.key_pem()));
  const auto after = vault->snapshot();
  EXPECT_NE(after->certificates[0].held, before->certificates[0].held);
  EXPECT_EQ(after->certificates[1].held, before->certificates[1].held);
}

}  // namespace
}  // namespace sallyport::certificates::test
