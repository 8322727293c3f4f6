// SPDX-License-Identifier: Apache-2.0
// Domains, trust, ACME and certificate settings in the site document.
#include "controlplane/certificates/certificate_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/store/backup.h"
#include "controlplane/store/site_store.h"
#include "tests/unit/certificates/authority.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::certificates::test {
namespace {

using store::DocumentOrigin;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Node {
  explicit Node(config::Role of_role = config::Role::edge) : role(of_role) { open(); }
  void open() {
    auto site_opened = store::SiteStore::open({.state_dir = folder.path("state"), .role = role, .node_name = "n1"});
    EXPECT_TRUE(site_opened) << site_opened.fault().text();
    site = std::move(*site_opened);
    VaultOptions options{.state_dir = folder.path("state"), .role = role, .node_name = "n1", .node_fqdn = "edge.example.com"};
    auto vault_opened = CertificateVault::open(std::move(options));
    EXPECT_TRUE(vault_opened) << vault_opened.fault().text();
    vault = std::move(*vault_opened);
    vault->set_listener([this] { ++vault_news; });
    auto acme_opened = AcmeStore::open(folder.path("state"), role);
    EXPECT_TRUE(acme_opened) << acme_opened.fault().text();
    acme = std::move(*acme_opened);
    acme->set_listener([this] { ++acme_news; });
    site->set_part(make_certificate_part(*vault, *acme, [this](TrustPurpose, const std::string&) { return dependants; }));
  }
  store::SitePlan plan(const std::string& document, DocumentOrigin origin = DocumentOrigin::node) {
    auto planned = site->plan(document, "site.toml", origin);
    EXPECT_TRUE(planned) << planned.fault().text();
    return *planned;
  }
  store::SitePlan apply(const std::string& document, DocumentOrigin origin = DocumentOrigin::node) {
    auto applied = site->apply(document, "site.toml", "test", origin);
    EXPECT_TRUE(applied) << applied.fault().text();
    return *applied;
  }
  // Applied, and nothing was refused.
  store::SitePlan fine(const std::string& document) {
    store::SitePlan applied = apply(document);
    for (const config::Finding& finding : applied.refusals) ADD_FAILURE() << finding.text();
    return applied;
  }
  std::string document() { return *site->export_document(); }
  // An export without the line that has its revision.
  std::string sections() {
    const std::string text = document();
    return text.substr(text.find('\n') + 1);
  }
  Outcome<Installed> install(const std::string& slot, const Issued& issued) {
    const std::string certificate = issued.pem(), key = issued.key_pem();
    InstallWish wish;
    wish.slot = *Slot::parse(slot);
    wish.upload.certificate = certificate;
    wish.upload.key = key;
    return vault->install(wish, "test");
  }

  const config::Role role;
  store::StateFolder folder;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<CertificateVault> vault;
  std::unique_ptr<AcmeStore> acme;
  std::vector<std::string> dependants;
  int vault_news = 0, acme_news = 0;
};

std::vector<std::string> lines_of(const store::SitePlan& plan) {
  std::vector<std::string> lines;
  for (const store::PlanLine& line : plan.lines) lines.push_back(line.text());
  return lines;
}

std::string effect_of(const store::SitePlan& plan, const std::string& start) {
  for (const store::PlanLine& line : plan.lines)
    if (line.text().starts_with(start)) return line.effect;
  return "there is no line \"" + start + "\"";
}

std::string refusal_of(const store::SitePlan& plan) { return plan.refusals.empty() ? "nothing was refused" : plan.refusals.front().text(); }

std::string trust(const std::string& purpose, const std::string& pem) { return "[[trust]]\npurpose = \"" + purpose + "\"\npem = \"\"\"\n" + pem + "\"\"\"\n"; }

std::string edited(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in\n" << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

constexpr const char* acme_sections = R"([acme]
challenge = "dns-01"
key = "rsa-3072"
dns_server = "192.0.2.53"
dns_key_name = "update."
dns_key = "c2VjcmV0LWRucw=="
slots = ["server", "domain/chat.example.com"]

[[acme_authority]]
name = "le"
directory_url = "https://acme.example/dir"
contacts = ["mailto:a@example.com"]
agrees_to_terms = true

[[acme_authority]]
name = "spare"
directory_url = "https://spare.example/dir"
external_key_id = "kid-1"
external_hmac_key = "c2VjcmV0LWhtYWM"
)";

std::string whole_site(const Authority& authority) {
  return std::string("format = 2\n") + store::edge_site + "\n[certificates]\nduplicate_self_signed_cn = \"allow\"\ndomains = [\"Chat.Example.com\", \"bücher.example\"]\n" + trust("traversal", authority.pem()) +
         trust("call_control", authority.pem()) + acme_sections;
}

class EachRole : public testing::TestWithParam<config::Role> {};
INSTANTIATE_TEST_SUITE_P(Roles, EachRole, testing::Values(config::Role::core, config::Role::edge), [](const auto& info) { return config::name_of(info.param); });

TEST(CertificatePart, OneDocumentBringsDomainsTrustAcmeAndSettingsInOneRevision) {
  Node node;
  const Authority authority;
  const store::SitePlan plan = node.fine(whole_site(authority));
  EXPECT_THAT(lines_of(plan), testing::IsSupersetOf({std::string("create domain \"chat.example.com\""), std::string("create domain \"xn--bcher-kva.example\""), std::string("change certificates: duplicate_self_signed_cn: refuse -> allow"),
                                                     std::string("create acme_authority \"le\": directory_url: https://acme.example/dir"), std::string("create acme_slot \"server\""), std::string("create acme_slot \"domain/chat.example.com\"")}));
  for (const store::PlanLine& line : plan.lines) EXPECT_THAT(line.effect, testing::StartsWith("none")) << line.text();
  const auto set = node.vault->snapshot();
  EXPECT_THAT(set->domains, ElementsAre("chat.example.com", "xn--bcher-kva.example"));
  EXPECT_TRUE(set->allow_duplicate_self_signed);
  EXPECT_EQ(set->trust.size(), 2u);
  EXPECT_EQ(set->revision, plan.revision);
  const auto acme = node.acme->snapshot();
  ASSERT_EQ(acme->authorities.size(), 2u);
  EXPECT_EQ(acme->authorities[0].name, "le");
  EXPECT_EQ(acme->challenge, "dns-01");
  EXPECT_TRUE(acme->keeps(*Slot::parse("domain/chat.example.com")));
  EXPECT_EQ(node.acme->dns_key()->reveal(), "c2VjcmV0LWRucw==");
  EXPECT_EQ(node.acme->hmac_key("spare")->reveal(), "c2VjcmV0LWhtYWM");
  EXPECT_EQ(node.vault_news, 1);
  EXPECT_EQ(node.acme_news, 1);
}

TEST(CertificatePart, AnExportAppliedAgainChangesNothingAndHoldsNoSecret) {
  Node node;
  const Authority authority;
  const std::uint64_t revision = node.fine(whole_site(authority)).revision;
  const std::string document = node.document();
  for (const char* secret : {"c2VjcmV0LWRucw==", "c2VjcmV0LWhtYWM", "s3cret", "PRIVATE KEY"}) EXPECT_THAT(document, Not(HasSubstr(secret)));
  EXPECT_THAT(document, HasSubstr("purpose = [\"traversal\", \"call_control\"]\n"));
  const store::SitePlan again = node.fine(document);
  EXPECT_THAT(lines_of(again), IsEmpty()) << document;
  EXPECT_EQ(again.revision, revision);
  EXPECT_EQ(node.document(), document);
  EXPECT_EQ(node.acme->hmac_key("spare")->reveal(), "c2VjcmV0LWhtYWM");
  EXPECT_EQ(node.acme->dns_key()->reveal(), "c2VjcmV0LWRucw==");
}

TEST_P(EachRole, AnEmptyNodesExportChangesNothing) {
  Node node(GetParam());
  EXPECT_EQ(node.sections(), "format = 2\n");
  EXPECT_THAT(lines_of(node.fine(node.document())), IsEmpty());
}

// What commands made half-way must be exportable too.
TEST_P(EachRole, WhatCommandsLeftHalfMadeIsExportedAndAppliedAsItIs) {
  Node node(GetParam());
  ASSERT_TRUE(node.acme->set("dns_key", "a2V5", "test"));
  ASSERT_TRUE(node.acme->set("challenge", "dns-01", "test"));
  ASSERT_TRUE(node.acme->put_authority({.name = "le", .directory_url = "https://acme.example/dir"}, store::Secret(), "test"));
  ASSERT_TRUE(node.acme->turn(*Slot::parse("server"), true, "test"));
  ASSERT_TRUE(node.acme->remove_authority("le", "test"));
  ASSERT_TRUE(node.acme->set("dns_hook", "/usr/bin/hook", "test"));
  EXPECT_THAT(lines_of(node.fine(node.document())), IsEmpty()) << node.document();
}

TEST(CertificatePart, AnExportBringsAnEmptyNodeToTheSameConfigurationOnceSecretsAreGiven) {
  Node first, second;
  const Authority authority;
  first.fine(whole_site(authority));
  std::string document = first.document();
  const store::SitePlan refused = second.apply(document);
  EXPECT_TRUE(refused.is_refused());
  EXPECT_TRUE(second.vault->snapshot()->domains.empty());
  EXPECT_THAT(refused.refusals, testing::SizeIs(3)) << "password, dns_key, external_hmac_key";
  document = edited(document, "password = { keep = true }", "password = \"s3cret\"");
  document = edited(document, "dns_key = { keep = true }", "dns_key = \"c2VjcmV0LWRucw==\"");
  document = edited(document, "external_hmac_key = { keep = true }", "external_hmac_key = \"c2VjcmV0LWhtYWM\"");
  second.fine(document);
  EXPECT_EQ(second.sections(), first.sections());
  EXPECT_EQ(second.acme->hmac_key("spare")->reveal(), "c2VjcmV0LWhtYWM");
}

TEST(CertificatePart, ABackupRestoredToAnEmptyNodeExportsTheSameAndTakesTheFormersExportWithoutAChange) {
  Node first;
  const Authority authority;
  first.fine(whole_site(authority));
  ASSERT_TRUE(first.install("domain/chat.example.com", authority.issue({.names = "DNS:chat.example.com"})));
  const store::Secret passphrase("a passphrase of some length");
  const auto backup = store::make_backup(first.folder.path("state"), {"n1", "E", "1", "2026-01-01T00:00:00Z"}, passphrase);
  ASSERT_TRUE(backup) << backup.fault().text();
  Node second;
  second.site.reset();
  second.vault.reset();
  second.acme.reset();
  std::filesystem::remove_all(second.folder.path("state"));
  ASSERT_TRUE(store::restore_backup(*backup, passphrase, second.folder.path("state")));
  second.open();
  EXPECT_EQ(second.document(), first.document());
  EXPECT_THAT(lines_of(second.fine(first.document())), IsEmpty());
  EXPECT_EQ(second.vault->snapshot()->certificates.size(), 1u);
}

// Documents of before the certificates were in it must not take them away.
TEST(CertificatePart, ADocumentOfFormatOneLeavesCertificatesTrustAndAcmeAlone) {
  Node node;
  const Authority authority;
  node.fine(whole_site(authority));
  EXPECT_THAT(lines_of(node.fine("")), ElementsAre("delete zone \"Traversal zone\"", "delete credential \"exampleauth\""));
  EXPECT_EQ(node.vault->snapshot()->domains.size(), 2u);
  EXPECT_EQ(node.acme->snapshot()->authorities.size(), 2u);
  const store::SitePlan refused = node.apply("[certificates]\ndomains = [\"a.example.com\"]\n");
  EXPECT_THAT(refusal_of(refused), HasSubstr("site.toml:1:1: certificates: belongs into a document of format 2"));
}

TEST(CertificatePart, WhatADocumentOfFormatTwoDoesNotNameIsDeletedWithItsSecrets) {
  Node node;
  const Authority authority;
  node.fine(whole_site(authority));
  ASSERT_TRUE(node.acme->keep_account("le", store::Secret("account key"), "https://acme.example/1"));
  const store::SitePlan plan = node.fine("format = 2\n");
  EXPECT_THAT(lines_of(plan), testing::IsSupersetOf({std::string("delete domain \"chat.example.com\""), std::string("delete acme_authority \"le\": its account's key goes too"), std::string("delete acme_slot \"server\"")}));
  EXPECT_EQ(node.sections(), "format = 2\n");
  EXPECT_TRUE(node.acme->dns_key()->is_empty());
  EXPECT_TRUE(node.acme->account_key("le")->is_empty());
  EXPECT_TRUE(node.acme->hmac_key("spare")->is_empty());
}

TEST(CertificatePart, ADomainsCertificateAndRequestAreNamedBeforeTheyGo) {
  Node node;
  const Authority authority;
  node.fine("format = 2\n[certificates]\ndomains = [\"a.example.com\", \"b.example.com\"]\n");
  const auto installed = node.install("domain/a.example.com", authority.issue({.names = "DNS:a.example.com"}));
  ASSERT_TRUE(installed) << installed.fault().text();
  const store::SitePlan plan = node.plan("format = 2\n");
  EXPECT_THAT(lines_of(plan).at(0), HasSubstr("delete domain \"a.example.com\": its certificate " + installed->verdict.description.serial + " (ECDSA P-256, until "));
  EXPECT_THAT(effect_of(plan, "delete domain \"a.example.com\""), HasSubstr("from the next handshake on clients that ask for it are shown another certificate"));
  EXPECT_EQ(effect_of(plan, "delete domain \"b.example.com\""), "none: it has no certificate of its own");
  EXPECT_EQ(node.vault->snapshot()->domains.size(), 2u);
  node.fine("format = 2\n");
  EXPECT_TRUE(node.vault->snapshot()->certificates.empty());
}

TEST(CertificatePart, WhoDependsOnAnAuthorityIsNamedUnlessItsKeyStaysTrusted) {
  Node node;
  const Authority authority, other("other");
  node.dependants = {"zone Z, peer c1.example.com", "zone Z, peer c2.example.com"};
  node.fine("format = 2\n" + trust("traversal", authority.pem()) + trust("traversal", other.pem()));
  const store::SitePlan plan = node.plan("format = 2\n" + trust("traversal", other.pem()));
  EXPECT_THAT(lines_of(plan), ElementsAre(HasSubstr("delete trust \"CN=Test Root\": purpose: traversal, serial: ")));
  EXPECT_EQ(plan.lines[0].effect, "what is connected stays; these would not connect again without it: zone Z, peer c1.example.com; zone Z, peer c2.example.com");
  node.dependants.clear();
  EXPECT_EQ(node.plan("format = 2\n" + trust("traversal", other.pem())).lines[0].effect, "none: nothing that is connected now depends on it");
}

// A fault at the very end, in what is written last.
TEST(CertificatePart, AFaultAnywhereChangesNothing) {
  Node node;
  const Authority authority;
  node.fine(whole_site(authority));
  const std::string before = node.document();
  const std::string wanted = edited(edited(before, "Traversal zone", "Other zone"), "chat.example.com\",\n  \"xn", "chat.example.com\",\n  \"new.example.com\",\n  \"xn");
  const int news = node.vault_news + node.acme_news;
  const std::pair<const char*, const char*> faults[] = {{"https://spare.example", "http://spare.example"}, {"\"server\",\n]", "\"server\",\n  \"client\",\n]"}, {"agrees_to_terms = false", "agrees_to_terms = 1"},
                                                        {"challenge = \"dns-01\"", "challenge = \"smoke\""}, {"-----END", "-----ENDE"}, {"\"allow\"", "\"perhaps\""}};
  for (const auto& [from, to] : faults) {
    const store::SitePlan refused = node.apply(edited(wanted, from, to));
    EXPECT_TRUE(refused.is_refused()) << to;
    EXPECT_THAT(refused.lines, IsEmpty());
    EXPECT_FALSE(refused.applied);
    for (const config::Finding& finding : refused.refusals) EXPECT_THAT(finding.text(), testing::AllOf(testing::StartsWith("site.toml:"), Not(HasSubstr(":0:")), HasSubstr("; ")));
  }
  EXPECT_EQ(node.document(), before);
  EXPECT_EQ(node.vault_news + node.acme_news, news);
  EXPECT_TRUE(node.fine(wanted).applied);
}

struct Row {
  const char* what;
  std::string section;
  const char* says;
};

TEST(CertificatePart, EachRefusalNamesLineKeyCauseAndRemedy) {
  Node node;
  const Authority authority;
  const std::string leaf = authority.issue({.names = "DNS:a.example.com"}).pem();
  const Row rows[] = {
      {"no domain", "[certificates]\ndomains = [\n\"a.example.com\",\n\"-bad-\"]\n", "site.toml:5:1: certificates.domains: domain \"-bad-\""},
      {"twice", "[certificates]\ndomains = [\"a.example.com\", \"A.example.com.\"]\n", "site.toml:3:29: certificates.domains: \"a.example.com\" is listed twice"},
      {"setting", "[certificates]\nmode = \"three\"\n", "site.toml:3:8: certificates.mode: certificate setting mode: cannot be \"three\"; give two or single"},
      {"unknown key", "[certificates]\nmodes = \"two\"\n", "did you mean mode?"},
      {"purpose", trust("everything", authority.pem()), "trust.purpose: \"everything\" is none; give one of traversal"},
      {"a leaf", trust("traversal", leaf), "trust.pem: pem: certificate 1: \"CN=leaf\" is no authority"},
      {"no pem", "[[trust]]\npurpose = \"traversal\"\n", "site.toml:2:1: trust: has neither pem nor file"},
      {"file", "[[trust]]\npurpose = \"traversal\"\nfile = \"ca.pem\"\n", "site.toml:4:8: trust.file: \"ca.pem\" did not come with the document"},
      {"no authority", "[acme]\nslots = [\"server\"]\n", "acme.slots: there is no authority to ask"},
      {"no such domain", std::string(acme_sections), "acme.slots: there is no domain chat.example.com; add it to certificates.domains"},
      {"key to keep", "[acme]\ndns_key = { keep = true }\n", "acme.dns_key: there is no stored key to keep"},
      {"half a binding", "[[acme_authority]]\nname = \"le\"\ndirectory_url = \"https://a.example/\"\nexternal_key_id = \"kid\"\n", "belong together"},
      {"two of one name", "[[acme_authority]]\nname = \"le\"\ndirectory_url = \"https://a.example/\"\n[[acme_authority]]\nname = \"LE\"\ndirectory_url = \"https://b.example/\"\n", "another authority is named \"LE\""},
  };
  for (const Row& row : rows) EXPECT_THAT(refusal_of(node.plan("format = 2\n" + row.section)), HasSubstr(row.says)) << row.what;
  EXPECT_THAT(refusal_of(node.plan("format = 3\n")), HasSubstr("format: must be 1 or 2"));
}

TEST(CertificatePart, B03_TwoSelfSignedCertificatesOfOneNameAreRefusedUnlessTheDocumentAllowsThem) {
  Node node;
  const Authority one("tomcat"), two("tomcat");
  const std::string both = trust("call_control", one.pem()) + trust("call_control", two.pem());
  EXPECT_THAT(refusal_of(node.apply("format = 2\n" + both)), HasSubstr("has the CN \"tomcat\""));
  EXPECT_EQ(node.fine("format = 2\n[certificates]\nduplicate_self_signed_cn = \"allow\"\n" + both).lines.size(), 3u);
  EXPECT_THAT(lines_of(node.fine(node.document())), IsEmpty());
}

TEST(CertificatePart, A05_SingleStoreModeIsRefusedWithACertificateThatLacksClientAuth) {
  Node node;
  const Authority authority;
  ASSERT_TRUE(node.install("server", authority.issue({.names = "DNS:edge.example.com", .extended_key_usage = "serverAuth"})));
  const std::string single = "format = 2\n[certificates]\nmode = \"single\"\n";
  EXPECT_THAT(refusal_of(node.apply(single + store::edge_site)), HasSubstr("certificates.mode: certificate setting mode: server certificate"));
  node.fine(single);
  EXPECT_TRUE(node.apply(single + store::edge_site).is_refused()) << "the first zone comes later";
}

TEST(CertificatePart, C30_OnCAnAcmeSlotNeedsDns01) {
  Node node(config::Role::core);
  const std::string authority = "[[acme_authority]]\nname = \"le\"\ndirectory_url = \"https://a.example/\"\n";
  EXPECT_THAT(refusal_of(node.apply("format = 2\n[acme]\nslots = [\"server\"]\n" + authority)), HasSubstr("ACME challenge http-01: works on E only"));
  node.fine("format = 2\n[acme]\nchallenge = \"dns-01\"\nslots = [\"server\"]\n" + authority);
}

TEST(CertificatePart, AProgramIsNotNamedOverTheNetworkAndStaysIfItIsNamedAlready) {
  Node node;
  const std::string hook = "format = 2\n[acme]\ndns_hook = \"/usr/bin/hook\"\n";
  EXPECT_THAT(refusal_of(node.apply(hook, DocumentOrigin::network)), HasSubstr("acme.dns_hook: names a program, which cannot be changed over HTTPS"));
  node.fine(hook);
  EXPECT_FALSE(node.apply(node.document(), DocumentOrigin::network).is_refused());
  EXPECT_TRUE(node.apply("format = 2\n", DocumentOrigin::network).is_refused());
  EXPECT_EQ(node.acme->snapshot()->dns_hook, "/usr/bin/hook");
}

TEST(CertificatePart, SecretsThatAreNotGivenStayAndOthersReplaceThem) {
  Node node;
  const Authority authority;
  node.fine(whole_site(authority));
  std::string document = edited(edited(node.document(), "dns_key = { keep = true }\n", ""), "external_hmac_key = { keep = true }\n", "");
  EXPECT_THAT(lines_of(node.fine(document)), IsEmpty());
  EXPECT_EQ(node.acme->dns_key()->reveal(), "c2VjcmV0LWRucw==");
  document = edited(document, "dns_key_name", "dns_key = \"b3RoZXI=\"\ndns_key_name");
  EXPECT_THAT(lines_of(node.fine(document)), ElementsAre("change acme: dns_key: changed"));
  EXPECT_EQ(node.acme->dns_key()->reveal(), "b3RoZXI=");
  document = edited(document, "dns_key = \"b3RoZXI=\"", "dns_key = \"\"");
  EXPECT_THAT(lines_of(node.fine(document)), ElementsAre("change acme: dns_key: removed"));
  EXPECT_TRUE(node.acme->dns_key()->is_empty());
}

TEST(CertificatePart, AnAccountStaysWithItsDirectoryAndTheOrderOfAuthoritiesIsTheDocuments) {
  Node node;
  const Authority authority;
  node.fine(whole_site(authority));
  ASSERT_TRUE(node.acme->keep_account("le", store::Secret("account key"), "https://acme.example/1"));
  std::string document = node.document();
  const std::size_t first = document.find("\n[[acme_authority]]"), second = document.find("\n[[acme_authority]]", first + 1);
  const std::string swapped = document.substr(0, first) + document.substr(second) + document.substr(first, second - first);
  EXPECT_THAT(lines_of(node.fine(swapped)), ElementsAre("change acme_authority: order: le, spare -> spare, le"));
  EXPECT_EQ(node.acme->snapshot()->authorities[1].account_url, "https://acme.example/1");
  EXPECT_EQ(node.acme->account_key("le")->reveal(), "account key");
  node.fine(edited(swapped, "https://acme.example/dir", "https://acme.example/other"));
  EXPECT_TRUE(node.acme->account_key("le")->is_empty());
  EXPECT_EQ(node.acme->snapshot()->authorities[1].account_url, "");
}

// A domain that is deleted by hand leaves its wish behind; the same name must not be ordered for when it comes anew.
TEST(CertificatePart, ADomainThatComesAnewIsNotKeptByAcmeUnlessTheDocumentSaysSo) {
  Node node;
  const std::string authority = "[[acme_authority]]\nname = \"le\"\ndirectory_url = \"https://a.example/\"\n", domain = "[certificates]\ndomains = [\"a.example.com\"]\n";
  node.fine("format = 2\n" + domain + "[acme]\nslots = [\"domain/a.example.com\"]\n" + authority);
  ASSERT_TRUE(node.vault->remove_domain("a.example.com", "test"));
  node.fine("format = 2\n" + domain + authority);
  EXPECT_TRUE(node.acme->snapshot()->slots.empty());
}

TEST(CertificatePart, TenThousandDomainsAreOneRevisionOneSnapshotAndAFewLinesOfHistory) {
  Node node;
  std::string domains = "format = 2\n[certificates]\ndomains = [\n", slots;
  for (int i = 0; i < 10000; ++i) {
    domains += "  \"d" + std::to_string(i) + ".example.com\",\n";
    slots += "  \"domain/d" + std::to_string(i) + ".example.com\",\n";
  }
  const std::string document = domains + "]\n[acme]\nslots = [\n" + slots + "]\n[[acme_authority]]\nname = \"le\"\ndirectory_url = \"https://a.example/\"\n";
  const store::SitePlan plan = node.fine(document);
  EXPECT_EQ(plan.lines.size(), 20001u);
  EXPECT_EQ(node.vault_news, 1);
  EXPECT_EQ(node.vault->snapshot()->domains.size(), 10000u);
  EXPECT_EQ(node.acme->snapshot()->slots.size(), 10000u);
  const auto history = node.site->history(100);
  ASSERT_TRUE(history);
  EXPECT_LE(history->size(), 5u);
  EXPECT_THAT(history->at(history->size() - 2).change, HasSubstr("create 10000 domain: d0.example.com, d1.example.com, d2.example.com and 9997 more"));
  EXPECT_THAT(lines_of(node.fine(node.document())), IsEmpty());
  node.fine("format = 2\n");
  EXPECT_TRUE(node.vault->snapshot()->domains.empty());
}

}  // namespace
}  // namespace sallyport::certificates::test
