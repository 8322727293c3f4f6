// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_rules.h"

#include <gmock/gmock.h>

#include "tests/unit/store/state_folder.h"

namespace sallyport::store {
namespace {

using config::Role;
using testing::HasSubstr;

std::string edited(std::string text, const std::string& from, const std::string& to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

SitePlan plan_of(const std::string& text, Role role) {
  StateFolder folder;
  auto plan = folder.open(role)->plan(text, "site.toml");
  EXPECT_TRUE(plan) << plan.fault().text();
  return *plan;
}

std::string refusals_of(const std::string& text, Role role) {
  std::string lines;
  for (const config::Finding& finding : plan_of(text, role).refusals) lines += finding.text() + "\n";
  return lines;
}

struct Mistake {
  const char* name;
  Role role;
  const char* from;
  const char* to;
  const char* expected;
};

class SiteMistake : public testing::TestWithParam<Mistake> {};

TEST_P(SiteMistake, IsRefusedWithPlaceCauseAndRemedy) {
  const Mistake& mistake = GetParam();
  std::string base = mistake.role == Role::core ? core_site : edge_site;
  EXPECT_THAT(refusals_of(edited(base, mistake.from, mistake.to), mistake.role), HasSubstr(mistake.expected));
}

constexpr const char* seven_peers = R"(["a.b", "c.d", "e.f", "g.h", "i.j", "k.l", "m.n"])";
constexpr const char* two_peers = R"(["e1.example.com", "e2.example.com"])";
constexpr Role C = Role::core, E = Role::edge;

INSTANTIATE_TEST_SUITE_P(
    Each, SiteMistake,
    testing::Values(
        Mistake{"A16_TypeMissing", C, "type = \"uc_traversal\"\n", "", "site.toml:1:1: zone.type: is missing"},
        Mistake{"A16_TypeUnknown", C, "\"uc_traversal\"", "\"neighbour\"", "site.toml:3:8: zone.type: must be \"uc_traversal\""},
        Mistake{"A17_MediaEncryptionIsFixed", C, "user =", "media_encryption = \"off\"\nuser =", "zone.media_encryption: is fixed to \"force_encrypted\""},
        Mistake{"A17_TlsVerifyIsFixed", E, "user =", "tls_verify = \"off\"\nuser =", "zone.tls_verify: is fixed to \"on\""},
        Mistake{"A29_PolicyIsFixed", E, "user =", "authentication_policy = \"check\"\nuser =", "is fixed to \"do_not_check_credentials\""},
        Mistake{"A24_NameEmpty", C, "\"Traversal zone\"", "\"\"", "site.toml:2:8: zone.name: is missing or empty"},
        Mistake{"A24_NameMissing", C, "name = \"Traversal zone\"\n", "", "site.toml:1:1: zone.name: is missing or empty"},
        Mistake{"A25_UserWithSpaceOnC", C, "exampleauth", "example auth", "zone.user: \"example auth\" has a space"},
        Mistake{"A25_CredentialWithSpace", E, "[[credential]]\nname = \"exampleauth\"", "[[credential]]\nname = \"example auth\"", "credential.name: \"example auth\" has a space"},
        Mistake{"A26_PasswordMissingOnC", C, "password = \"s3cret\"\n", "", "zone.password: is missing"},
        Mistake{"A26_PasswordEmpty", C, "s3cret", "", "must have 1 to 128 characters"},
        Mistake{"A26_NothingToKeep", C, "\"s3cret\"", "{ keep = true }", "there is no stored password of zone \"Traversal zone\" to keep"},
        Mistake{"A26_KeepFalse", C, "\"s3cret\"", "{ keep = false }", "must be a string or { keep = true }"},
        Mistake{"A26_CredentialOnC", C, "sip_domains", "sip_domains = []\n[[credential]]\nname = \"x\"\npassword = \"y\"\n#", "credentials are checked on E; this node is C"},
        Mistake{"A26_PasswordOfZoneOnE", E, "user =", "password = \"x\"\nuser =", "zone.password: is a key of C"},
        Mistake{"A26_NoSuchCredential", E, "user = \"exampleauth\"", "user = \"other\"", "zone.user: there is no credential named \"other\""},
        Mistake{"A27_PortTooLow", C, "user =", "port = 80\nuser =", "zone.port: must be between 1024 and 65535, is 80"},
        Mistake{"A27_PortNotANumber", C, "user =", "port = \"7001\"\nuser =", "zone.port: must be an integer"},
        Mistake{"A28_SubjectNameMissing", E, "tls_verify_subject_name = \"c.example.com\"\n", "", "zone.tls_verify_subject_name: is missing or empty"},
        Mistake{"A28_SubjectNameOnC", C, "user =", "tls_verify_subject_name = \"c.d\"\nuser =", "is a key of E"},
        Mistake{"A28_SubjectNameNotAName", E, "c.example.com", "*.example.com", "is not an FQDN"},
        Mistake{"A30_PeerNotAName", C, "e1.example.com", "e1", "zone.peers: \"e1\" is not an FQDN"},
        Mistake{"A31_SeventhPeer", C, two_peers, seven_peers, "there are 7 peers, at most 6 are allowed"},
        Mistake{"A31_NoPeer", C, two_peers, "[]", "name 1 to 6 nodes of E by FQDN"},
        Mistake{"A31_PeersOnE", E, "user =", "peers = [\"a.b\"]\nuser =", "zone.peers: is a key of C"},
        Mistake{"PeerTwice", C, "e2.example.com", "E1.example.com", "\"E1.example.com\" is listed twice"},
        Mistake{"B19_Domain", C, "sip_domains = [\"example.com\"]", "sip_domains = [\"example_1.com\"]", "\"example_1.com\" is not a domain"},
        Mistake{"DomainTwice", C, "sip_domains = [\"example.com\"]", "sip_domains = [\"example.com\", \"EXAMPLE.com\"]", "\"example.com\" is listed twice"},
        Mistake{"Syntax", C, "user = \"exampleauth\"", "user = exampleauth", "site.toml:4:8: is not TOML"},
        Mistake{"UnknownKey", C, "user =", "usr =", "site.toml:4:7: zone.usr: there is no such key; did you mean user?"},
        Mistake{"UnknownSection", C, "[[zone]]", "[[zones]]", "there is no such section in a site document"},
        Mistake{"NodeFileInstead", C, "[[zone]]", "[node]\nname = \"x\"\n[[zone]]", "this is a node file"},
        Mistake{"ZoneNotRepeated", C, "[[zone]]", "[zone]", "write each as [[zone]]"},
        Mistake{"ControlCharacter", C, "exampleauth", "a\\u0007b", "holds a control character"},
        Mistake{"NotAString", C, "user = \"exampleauth\"", "user = 5", "site.toml:4:8: zone.user: must be a string"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SiteRules, A03_CHasOneZoneOnly) {
  std::string second = edited(edited(core_site, "Traversal zone", "Second"), "sip_domains = [\"example.com\"]", "sip_domains = [\"example.org\"]");
  SitePlan plan = plan_of(std::string(core_site) + second, Role::core);
  ASSERT_EQ(plan.refusals.size(), 1u);
  EXPECT_EQ(plan.refusals[0].code, FaultCode::conflict);
  EXPECT_EQ(plan.refusals[0].line, 8u);
  EXPECT_THAT(plan.refusals[0].text(), HasSubstr("C has one UC traversal zone only"));
}

constexpr const char* second_edge_zone = R"(
[[zone]]
name = "Second"
type = "uc_traversal"
user = "exampleauth"
tls_verify_subject_name = ["c.example.org"]
sip_domains = ["example.org"]
)";

TEST(SiteRules, A03_ASecondZoneOnENeedsANewSipDomain) {
  EXPECT_THAT(refusals_of(std::string(edge_site) + edited(second_edge_zone, "sip_domains = [\"example.org\"]", "sip_domains = [\"EXAMPLE.com\"]"), Role::edge),
              HasSubstr("\"example.com\" belongs to zone \"Traversal zone\" already"));
  EXPECT_THAT(refusals_of(std::string(edge_site) + edited(second_edge_zone, "sip_domains = [\"example.org\"]\n", ""), Role::edge), HasSubstr("there is more than one zone"));
  EXPECT_EQ(refusals_of(std::string(edge_site) + second_edge_zone, Role::edge), "");
}

TEST(SiteRules, A24_TwoZonesOfOneNameAreRefused) {
  EXPECT_THAT(refusals_of(std::string(edge_site) + edited(second_edge_zone, "Second", "traversal ZONE"), Role::edge), HasSubstr("another zone is named \"traversal ZONE\""));
}

TEST(SiteRules, A27_TheNextZoneTakesTheNextPortAndAClashIsRefused) {
  StateFolder folder;
  auto store = folder.open(Role::edge);
  ASSERT_TRUE(store->apply(std::string(edge_site) + second_edge_zone, "s", "test"));
  EXPECT_EQ(store->snapshot()->find_zone("Traversal zone")->port, 7001);
  EXPECT_EQ(store->snapshot()->find_zone("second")->port, 7002);
  EXPECT_THAT(refusals_of(std::string(edge_site) + edited(second_edge_zone, "user", "port = 7001\nuser") + "[[zone]]\nname=\"Third\"\ntype=\"uc-traversal\"\nport=7001\nuser=\"exampleauth\"\ntls_verify_subject_name=\"a.b\"\nsip_domains=[\"a.b\"]\n", Role::edge),
              HasSubstr("7001 is the port of another zone"));
}

TEST(SiteRules, A27_A29_WhatIsNotGivenIsTheDocumentedDefaultOnBothNodes) {
  for (const auto& [role, document] : {std::pair(Role::core, core_site), std::pair(Role::edge, edge_site)}) {
    StateFolder folder;
    auto store = folder.open(role);
    ASSERT_TRUE(store->apply(document, "s", "test"));
    EXPECT_EQ(store->snapshot()->find_zone("Traversal zone")->port, 7001);
  }
  EXPECT_STREQ(Zone::authentication_policy, "do_not_check_credentials");
  EXPECT_STREQ(Zone::role_name(Role::core), "client");
  EXPECT_STREQ(Zone::role_name(Role::edge), "server");
}

TEST(SiteRules, A31_SixPeersAreTakenInTheirOrder) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  ASSERT_TRUE(store->apply(edited(core_site, two_peers, R"(["f.b", "e.d", "d.f", "c.h", "b.j", "a.l"])"), "s", "test"));
  EXPECT_EQ(store->snapshot()->find_zone("Traversal zone")->peers, (std::vector<std::string>{"f.b", "e.d", "d.f", "c.h", "b.j", "a.l"}));
}

TEST(SiteRules, A28_AListOfSubjectNamesIsTaken) {
  StateFolder folder;
  auto store = folder.open(Role::edge);
  ASSERT_TRUE(store->apply(edited(edge_site, "\"c.example.com\"", R"(["c.example.com", "cluster.example.com"])"), "s", "test"));
  EXPECT_EQ(store->snapshot()->find_zone("Traversal zone")->tls_verify_subject_names, (std::vector<std::string>{"c.example.com", "cluster.example.com"}));
}

TEST(SiteRules, A30_AnIpPeerIsTakenWithAWarning) {
  SitePlan plan = plan_of(edited(core_site, "e1.example.com", "192.0.2.10"), Role::core);
  EXPECT_FALSE(plan.is_refused());
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_EQ(plan.warnings[0].line, 6u);
  EXPECT_THAT(plan.warnings[0].text(), HasSubstr("only if E's certificate has that address as a SAN"));
}

TEST(SiteRules, FixedValuesMayBeStated) {
  EXPECT_EQ(refusals_of(edited(core_site, "user =", "transport = \"tls\"\ntls_verify = \"on\"\nmedia_encryption = \"force-encrypted\"\nauthentication_policy = \"do_not_check_credentials\"\nuser ="), Role::core), "");
}

TEST(SiteRules, AnUnusedCredentialGivesAWarning) {
  SitePlan plan = plan_of(std::string(edge_site) + "[[credential]]\nname = \"old\"\npassword = \"x\"\n", Role::edge);
  EXPECT_FALSE(plan.is_refused());
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_THAT(plan.warnings[0].text(), HasSubstr("no zone has the user \"old\""));
}

TEST(SiteRules, ADocumentAboveEightMebibytesIsRefusedUnread) {
  EXPECT_THAT(refusals_of(std::string(core_site) + std::string(8 << 20, '#'), Role::core), HasSubstr("is larger than 8 MiB"));
}

}  // namespace
}  // namespace sallyport::store
