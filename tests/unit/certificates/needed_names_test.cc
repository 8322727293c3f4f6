// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/needed_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/certificates/authority.h"

namespace sallyport::certificates::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

NameFacts of_c() {
  NameFacts facts{.role = config::Role::core, .node_fqdn = "vcsc.example.com"};
  facts.features.mobile_remote_access = facts.features.federation = true;
  facts.features.chat_node_aliases = {"chatnode1.xmpp.example.com", "chatnode2.xmpp.example.com"};
  facts.features.phone_profiles = {{.name = "Dx80TLSProfile.example.com"}, {.name = "JabberTLSProfile.example.com"}};
  return facts;
}

NameFacts of_e() {
  NameFacts facts{.role = config::Role::edge, .node_fqdn = "vcse1.example.com"};
  facts.features.mobile_remote_access = facts.features.federation = true;
  facts.features.cluster_name = "vcse.example.com";
  facts.features.registration_domains = {"example.com"};
  facts.features.federation_domains = {"example.com"};
  facts.features.chat_node_aliases = {"chatnode1.xmpp.example.com", "chatnode2.xmpp.example.com"};
  return facts;
}

std::vector<std::string> preview(const NameFacts& facts, const char* slot = "server") {
  const auto needed = needed_names(*Slot::parse(slot), facts);
  std::vector<std::string> list;
  if (!needed) return {needed.fault().text()};
  for (const NeededName& each : needed->names) list.push_back(text_of(each.name));
  return list;
}

// B16: of two profile names each becomes a SAN.
TEST(NeededNames, B26_PreviewOfCStandsInTheOrderOfFigure1) {
  EXPECT_THAT(preview(of_c()), ElementsAre("DNS:vcsc.example.com", "DNS:chatnode1.xmpp.example.com", "DNS:chatnode2.xmpp.example.com", "DNS:Dx80TLSProfile.example.com", "DNS:JabberTLSProfile.example.com"));
}

TEST(NeededNames, B36_PreviewOfEStandsInTheOrderOfFigure2) {
  EXPECT_THAT(preview(of_e()), ElementsAre("DNS:vcse1.example.com", "DNS:vcse.example.com", "DNS:collab-edge.example.com", "DNS:example.com", "DNS:chatnode1.xmpp.example.com", "DNS:chatnode2.xmpp.example.com"));
}

TEST(NeededNames, B06_FeaturesThatAreOffNeedNoNames) {
  NameFacts facts = of_e();
  facts.features.mobile_remote_access = facts.features.federation = false;
  EXPECT_THAT(preview(facts), ElementsAre("DNS:vcse1.example.com", "DNS:vcse.example.com"));  // B12, B11
  facts.features.mobile_remote_access = true;
  EXPECT_THAT(preview(facts), ElementsAre("DNS:vcse1.example.com", "DNS:vcse.example.com", "DNS:collab-edge.example.com"));
  NameFacts inside = of_c();
  inside.features.federation = false;
  EXPECT_THAT(preview(inside), ElementsAre("DNS:vcsc.example.com", "DNS:Dx80TLSProfile.example.com", "DNS:JabberTLSProfile.example.com"));  // B23
  inside.features.mobile_remote_access = false;
  inside.features.cluster_name = "vcscluster.example.com";
  EXPECT_THAT(preview(inside), ElementsAre("DNS:vcsc.example.com"));  // B11: neither MRA, guests nor federation
  inside.features.guests = true;
  EXPECT_THAT(preview(inside), ElementsAre("DNS:vcsc.example.com", "DNS:vcscluster.example.com"));
}

TEST(NeededNames, B07_B08_B10_EachRoleHasItsOwn) {
  NameFacts e = of_e();
  e.features.phone_profiles = {{.name = "profile.example.com"}};
  EXPECT_THAT(preview(e), testing::Not(testing::Contains("DNS:profile.example.com")));
  NameFacts c = of_c();
  c.features.registration_domains = {"users.example.com"};
  c.features.federation_domains = {"fed.example.com"};
  EXPECT_THAT(preview(c), testing::Not(testing::Contains(HasSubstr("users.example.com"))));
  EXPECT_THAT(preview(c), testing::Not(testing::Contains(HasSubstr("fed.example.com"))));
}

TEST(NeededNames, B31_RegistrationDomainsTakeEitherForm) {
  NameFacts facts = of_e();
  facts.features.federation = false;
  facts.features.registration_domain_form = "dns";
  EXPECT_THAT(preview(facts), ElementsAre("DNS:vcse1.example.com", "DNS:vcse.example.com", "DNS:example.com"));
}

TEST(NeededNames, B30_B32_OnlyTheDomainsThatAreSetAreNeeded) {
  NameFacts facts = of_e();
  facts.node_fqdn = "vcse1.corp.example.com";
  facts.features.registration_domains = {"public.example.com"};  // clients register in corp.local: no certificate carries that
  facts.features.federation_domains = {};
  const auto names = preview(facts);
  EXPECT_THAT(names, testing::Contains("DNS:collab-edge.public.example.com"));
  EXPECT_THAT(names, testing::Each(testing::Not(HasSubstr(".local"))));
  EXPECT_THAT(names, testing::Not(testing::Contains("DNS:example.com"))) << "a federation domain that is missing on C is not offered";
}

TEST(NeededNames, B18_ProfileNamesAreHeldAgainstTheRuleForNames) {
  for (const char* good : {"jabbersecureprofile.domain.com", "DX80SecureProfile.domain.com"}) {
    NameFacts facts = of_c();
    facts.features.phone_profiles = {{.name = good}};
    EXPECT_THAT(preview(facts), testing::Contains(std::string("DNS:") + good));
  }
  for (const char* bad : {"jabbersecure", "-a.example.com", "a_b.example.com", "a..example.com", "a.1b"}) {
    NameFacts facts = of_c();
    facts.features.phone_profiles = {{.name = bad}};
    EXPECT_THAT(preview(facts), ElementsAre(HasSubstr(bad))) << "refused, by its name";
  }
}

TEST(NeededNames, B33_XmppAddressIsTakenWithAWarning) {
  NameFacts facts = of_e();
  facts.features.federation_domain_form = "xmpp_address";
  EXPECT_THAT(preview(facts), testing::Contains("XMPPAddress:example.com"));
  EXPECT_THAT(needed_names({}, facts)->warnings, ElementsAre(HasSubstr("choose dns")));
}

TEST(NeededNames, B17_AProfileWithoutFqdnIsRefusedByNameAndRule) {
  NameFacts facts = of_c();
  facts.features.phone_profiles.push_back({.name = "jabbersecure"});
  EXPECT_THAT(preview(facts), ElementsAre(AllOf(HasSubstr("jabbersecure"), HasSubstr("B17"), HasSubstr("FQDN"))));
}

TEST(NeededNames, B20_B21_ProfilesWithOAuthOrWithoutEncryptionNeedNoName) {
  NameFacts facts = of_c();
  facts.features.phone_profiles = {{.name = "plain", .encrypted = false}, {.name = "oauth", .oauth = true}, {.name = "tls.example.com"}};
  EXPECT_THAT(preview(facts), ElementsAre("DNS:vcsc.example.com", "DNS:chatnode1.xmpp.example.com", "DNS:chatnode2.xmpp.example.com", "DNS:tls.example.com"));
}

TEST(NeededNames, C06_ADomainIsServedByItsNameAndByCollabEdge) {
  EXPECT_THAT(preview(of_e(), "domain/100.example-name.com"), ElementsAre("DNS:100.example-name.com", "DNS:collab-edge.100.example-name.com"));
  EXPECT_THAT(preview(of_e(), "client"), ElementsAre("DNS:vcse1.example.com", "DNS:vcse.example.com"));
}

TEST(NeededNames, B13_WhatACertificateLacksIsListed) {
  const Authority authority;
  const auto needed = needed_names({}, of_e());
  const auto lacks = [&](const char* names) {
    std::vector<std::string> list;
    for (const NeededName& each : missing_names(*needed, tls::describe_certificate(authority.issue({.names = names}).certificate.get()))) list.push_back(text_of(each.name));
    return list;
  };
  EXPECT_THAT(lacks("DNS:*.example.com,DNS:example.com"), ElementsAre("DNS:chatnode1.xmpp.example.com", "DNS:chatnode2.xmpp.example.com"));
  EXPECT_THAT(lacks("DNS:vcse1.example.com,DNS:vcse.example.com,DNS:collab-edge.example.com,DNS:example.com,DNS:chatnode1.xmpp.example.com,DNS:chatnode2.xmpp.example.com"), ElementsAre());
}

TEST(Slot, DomainsAreNormalisedAndHeldAgainstTheRule) {
  EXPECT_EQ(Slot::parse("domain/Example.COM.")->domain, "example.com");
  EXPECT_EQ(Slot::parse("domain/b\xC3\xBC" "cher.example")->domain, "xn--bcher-kva.example");
  EXPECT_EQ(*domain_name("100.example-name.com"), "100.example-name.com");  // C15
  const char* bad[] = {"a", "-a.b", "a-.b", "a.1b", "a_b.c", "a..b", "", "domain"};  // B19
  for (const char* name : bad) EXPECT_FALSE(domain_name(name)) << name;
  for (const char* name : {"a.b", "a.b1"}) EXPECT_TRUE(domain_name(name)) << name;
  EXPECT_EQ(Slot::parse("server")->text(), "server");
  EXPECT_EQ(Slot::parse("client")->kind, SlotKind::client);
  EXPECT_THAT(Slot::parse("platform").fault().text(), HasSubstr("give server, client, or domain/NAME"));
}

}  // namespace
}  // namespace sallyport::certificates::test
