// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/acme_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/store/site_store.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::certificates::test {
namespace {

using testing::HasSubstr;

class AcmeStore : public testing::Test {
 protected:
  AcmeStore() {
    auto opened = store::SiteStore::open({.state_dir = folder.path(), .role = config::Role::edge, .node_name = "e1"});
    EXPECT_TRUE(opened) << opened.fault().text();
    site = std::move(*opened);
    reopen();
  }
  void reopen() {
    auto opened = certificates::AcmeStore::open(folder.path(), config::Role::edge);
    ASSERT_TRUE(opened) << opened.fault().text();
    acme = std::move(*opened);
    acme->set_listener([this] { ++news; });
  }
  Outcome<> put(const std::string& name, const std::string& url = "https://acme.example/dir", const std::string& key_id = "", const std::string& hmac = "") {
    AcmeAuthority authority{.name = name, .directory_url = url, .contacts = {"mailto:a@example.com", "mailto:b@example.com"}, .external_key_id = key_id, .agrees_to_terms = true};
    return acme->put_authority(authority, store::Secret(hmac), "test");
  }
  store::StateFolder folder;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<certificates::AcmeStore> acme;
  int news = 0;
};

TEST_F(AcmeStore, AuthoritiesKeepTheirOrderAndOutliveAStart) {
  ASSERT_TRUE(put("first"));
  ASSERT_TRUE(put("second", "https://other.example/dir", "kid", "c2VjcmV0"));
  ASSERT_TRUE(put("first", "https://acme.example/dir"));  // changed, not moved
  reopen();
  const auto config = acme->snapshot();
  ASSERT_EQ(config->authorities.size(), 2u);
  EXPECT_EQ(config->authorities[0].name, "first");
  EXPECT_EQ(config->authorities[0].contacts.size(), 2u);
  EXPECT_TRUE(config->authorities[0].agrees_to_terms);
  EXPECT_EQ(acme->hmac_key("second")->reveal(), "c2VjcmV0");
  EXPECT_TRUE(acme->hmac_key("first")->is_empty());
}

TEST_F(AcmeStore, AnAccountStaysWithItsDirectoryAndGoesWithAnother) {
  ASSERT_TRUE(put("le"));
  ASSERT_TRUE(acme->keep_account("le", store::Secret("account key of thirty bytes or so"), ""));
  ASSERT_TRUE(acme->keep_account("le", store::Secret(), "https://acme.example/account/1"));
  ASSERT_TRUE(put("le"));
  EXPECT_EQ(acme->snapshot()->find("le")->account_url, "https://acme.example/account/1");
  EXPECT_FALSE(acme->account_key("le")->is_empty());
  ASSERT_TRUE(put("le", "https://acme.example/other"));
  EXPECT_EQ(acme->snapshot()->find("le")->account_url, "");
  EXPECT_TRUE(acme->account_key("le")->is_empty());
}

TEST_F(AcmeStore, SecretsAreSealedInTheFile) {
  ASSERT_TRUE(put("le", "https://acme.example/dir", "kid", "secret-of-the-contract"));
  ASSERT_TRUE(acme->set("dns_key", "secret-of-the-zone", "test"));
  EXPECT_EQ(acme->dns_key()->reveal(), "secret-of-the-zone");
  for (const char* name : {"/site.db", "/site.db-wal"}) {
    std::ifstream file(folder.path() + name, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(bytes.find("secret-of-the"), std::string::npos) << name;
  }
}

TEST_F(AcmeStore, ADomainThatIsDeletedIsNoLongerKept) {
  VaultOptions options{.state_dir = folder.path(), .node_name = "e1", .node_fqdn = "edge.example.com"};
  auto vault = CertificateVault::open(std::move(options));
  ASSERT_TRUE((*vault)->add_domain("a.example.com", "test"));
  ASSERT_TRUE(put("le"));
  ASSERT_TRUE(acme->turn(Slot::of_domain("a.example.com"), true, "test"));
  ASSERT_TRUE(acme->turn({}, true, "test"));
  EXPECT_FALSE(*acme->refresh());
  ASSERT_TRUE((*vault)->remove_domain("a.example.com", "test"));
  EXPECT_TRUE(*acme->refresh());
  EXPECT_EQ(acme->snapshot()->slots, (std::vector<Slot>{{}}));
}

TEST_F(AcmeStore, WhatIsRefusedChangesNothing) {
  EXPECT_THAT(put("le", "http://acme.example/dir").fault().text(), HasSubstr("no https URL"));
  EXPECT_THAT(put("", "https://acme.example/dir").fault().text(), HasSubstr("1 to 63 characters"));
  EXPECT_THAT(put("le", "https://acme.example/dir", "kid").fault().text(), HasSubstr("belong together"));
  for (int i = 0; i < static_cast<int>(max_acme_authorities); ++i) ASSERT_TRUE(put("a" + std::to_string(i)));
  EXPECT_THAT(put("one-more").fault().text(), HasSubstr("8 already"));
  news = 0;
  const std::pair<const char*, const char*> bad[] = {{"challenge", "smoke"}, {"key", "rsa-1024"}, {"dns_hook", "relative"}, {"dns_algorithm", "hmac-md5"}, {"colour", "red"}, {"dns_zone", "a\nb"}};
  for (const auto& [name, value] : bad) EXPECT_FALSE(acme->set(name, value, "test")) << name;
  EXPECT_THAT(acme->turn({SlotKind::client, {}}, true, "test").fault().text(), HasSubstr("issue no clientAuth"));
  EXPECT_EQ(news, 0);
}

}  // namespace
}  // namespace sallyport::certificates::test
