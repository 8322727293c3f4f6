// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/upload_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "tests/unit/certificates/authority.h"

namespace sallyport::certificates::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class UploadVerdict : public testing::Test {
 protected:
  UploadVerdict() {
    context.node_fqdn = "edge.example.com";
    context.now_s = std::time(nullptr);
    context.authorities = {authority.certificate()};
  }
  Outcome<certificates::UploadVerdict> judge(const std::string& certificate, const std::string& key = "", const store::Secret* passphrase = nullptr) const {
    Upload upload;
    upload.certificate = certificate;
    upload.key = key;
    upload.passphrase = passphrase;
    upload.file = "edge.pem";
    return judge_upload(upload, context);
  }
  std::string refusal(const std::string& certificate, const std::string& key = "") const {
    const auto verdict = judge(certificate, key);
    EXPECT_FALSE(verdict);
    return verdict ? "" : verdict.fault().text();
  }
  // Opens a request for the slot.
  std::string open_request(bool client_auth = false) {
    context.request_key = new_key();
    RequestWish wish;
    wish.names = {{tls::NameKind::dns, "edge.example.com"}};
    wish.client_auth = client_auth;
    std::string pem = *make_request(wish, context.request_key.get());
    context.request = *read_request(pem, "request");
    return pem;
  }

  const Authority authority;
  UploadContext context;
};

TEST_F(UploadVerdict, ACertificateWithItsKeyIsTaken) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  for (const bool in_one_file : {false, true}) {
    const auto verdict = in_one_file ? judge(own.pem() + own.key_pem()) : judge(own.pem(), own.key_pem());
    ASSERT_TRUE(verdict) << verdict.fault().text();
    EXPECT_TRUE(verdict->warnings.empty()) << verdict->warnings[0];
    EXPECT_TRUE(verdict->is_complete);
    EXPECT_EQ(verdict->family, tls::KeyFamily::ecdsa);
  }
}

TEST_F(UploadVerdict, A05_SingleStoreModeRefusesAServerCertificateWithoutClientAuthWhileUnifiedCommunicationsIsOn) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com", .extended_key_usage = "serverAuth"});
  EXPECT_TRUE(judge(own.pem(), own.key_pem()));  // two-store mode
  context.mode = StoreMode::single_store;
  EXPECT_TRUE(judge(own.pem(), own.key_pem()));  // no zone
  context.uses_unified_communications = true;
  const auto refused = judge(own.pem(), own.key_pem());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.fault().code, FaultCode::refused);
  EXPECT_THAT(refused.fault().text(), AllOf(HasSubstr("lacks clientAuth"), HasSubstr("A05")));
}

TEST_F(UploadVerdict, A07_AnAuthorityThatDroppedClientAuthIsNamed) {
  context.mode = StoreMode::single_store;
  context.uses_unified_communications = true;
  const std::string request = open_request(true);
  EXPECT_THAT(refusal(authority.answer(request, {.extended_key_usage = "serverAuth"})), HasSubstr("the authority dropped clientAuth"));
  EXPECT_TRUE(judge(authority.answer(request, {})));
}

TEST_F(UploadVerdict, A18_UsageIsJudgedByTheSlot) {
  const Issued server_only = authority.issue({.names = "DNS:edge.example.com", .extended_key_usage = "serverAuth"});
  const Issued client_only = authority.issue({.names = "DNS:edge.example.com", .extended_key_usage = "clientAuth"});
  EXPECT_THAT(refusal(client_only.pem(), client_only.key_pem()), HasSubstr("serverAuth is missing"));
  context.slot = {SlotKind::client, {}};
  EXPECT_TRUE(judge(client_only.pem(), client_only.key_pem()));
  EXPECT_THAT(refusal(server_only.pem(), server_only.key_pem()), HasSubstr("clientAuth is missing"));
  context.mode = StoreMode::single_store;
  EXPECT_THAT(refusal(client_only.pem(), client_only.key_pem()), HasSubstr("no client slot in single-store mode"));
}

TEST_F(UploadVerdict, C24_WithoutKeyAndWithoutRequestThereIsNoMatchingPrivateKey) {
  EXPECT_THAT(refusal(authority.issue({.names = "DNS:edge.example.com"}).pem()), HasSubstr("no matching private key"));
}

TEST_F(UploadVerdict, C26_NoKeyUploadWhileARequestIsOpen) {
  open_request();
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  EXPECT_THAT(refusal(own.pem(), own.key_pem()), AllOf(HasSubstr("a request for server is open"), HasSubstr("discard the request first")));
}

TEST_F(UploadVerdict, TheRequestsKeyIsFoundAndDifferencesAreTold) {
  const std::string request = open_request();
  const auto verdict = judge(authority.answer(request, {.names = "DNS:edge.example.com,DNS:www.example.com"}));
  ASSERT_TRUE(verdict) << verdict.fault().text();
  EXPECT_TRUE(verdict->answers_request);
  EXPECT_THAT(verdict->warnings, Contains("the authority added the name DNS:www.example.com"));
}

TEST_F(UploadVerdict, ARenewalMayKeepItsKey) {
  const KeyPtr key = new_key();
  context.present_keys = {key};
  EXPECT_TRUE(judge(authority.issue({.names = "DNS:edge.example.com"}, key).pem()));
}

TEST_F(UploadVerdict, C31_C32_TheCertificateOfAnotherIsNamedAsSuch) {
  open_request();
  const KeyPtr theirs = new_key();
  context.owner_of = [wanted = public_key_digest(theirs.get())](const std::string& digest) { return digest == wanted ? std::string("the request for domain/a.example.com") : std::string(); };
  EXPECT_THAT(refusal(authority.issue({.names = "DNS:edge.example.com"}, theirs).pem()), HasSubstr("belongs to the request for domain/a.example.com, not to server"));
  EXPECT_THAT(refusal(authority.issue({.names = "DNS:edge.example.com"}).pem()), AllOf(HasSubstr("does not match the key of the open request"), HasSubstr("each peer has a request")));
}

TEST_F(UploadVerdict, LastYearsAndNextYearsCertificatesAreRefused) {
  const Issued old = authority.issue({.names = "DNS:edge.example.com", .not_before_s = -700 * 86400, .not_after_s = -400 * 86400});
  EXPECT_THAT(refusal(old.pem(), old.key_pem()), HasSubstr("expired on"));
  const Issued coming = authority.issue({.names = "DNS:edge.example.com", .not_before_s = 300 * 86400, .not_after_s = 700 * 86400});
  EXPECT_THAT(refusal(coming.pem(), coming.key_pem()), HasSubstr("is not valid before"));
}

TEST_F(UploadVerdict, ASha1SignatureIsRefused) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com", .digest = EVP_sha1()});
  EXPECT_THAT(refusal(own.pem(), own.key_pem()), HasSubstr("SHA1"));
}

TEST_F(UploadVerdict, ADomainsCertificateNeedsANameOfTheDomain) {
  context.slot = Slot::of_domain("example.org");
  const Issued stranger = authority.issue({.names = "DNS:edge.example.com"});
  EXPECT_THAT(refusal(stranger.pem(), stranger.key_pem()), AllOf(HasSubstr("has no name in example.org"), HasSubstr("DNS:edge.example.com")));
  for (const char* names : {"DNS:example.org", "DNS:mra-host.example.org", "DNS:*.example.org", "DNS:collab-edge.example.org,DNS:other.example"}) {
    const Issued own = authority.issue({.names = names});
    EXPECT_TRUE(judge(own.pem(), own.key_pem())) << names;
  }
  const Issued lookalike = authority.issue({.names = "DNS:badexample.org"});
  EXPECT_FALSE(judge(lookalike.pem(), lookalike.key_pem()));
}

TEST_F(UploadVerdict, WhatWorksButShouldNotStaySoIsWarnedOf) {
  const Issued elsewhere = authority.issue({.names = "DNS:www.example.com"});
  EXPECT_THAT(judge(elsewhere.pem(), elsewhere.key_pem())->warnings, Contains(HasSubstr("lacks the name of this node, edge.example.com")));
  const Issued nameless = authority.issue({});
  EXPECT_THAT(refusal(nameless.pem(), nameless.key_pem()), HasSubstr("no subject alternative name; the CN does not count"));
  const Issued unknown = Authority("Unknown Root").issue({.names = "DNS:edge.example.com"});
  EXPECT_THAT(judge(unknown.pem(), unknown.key_pem())->warnings, Contains(AllOf(HasSubstr("chain is incomplete"), HasSubstr("Unknown Root"))));
  const KeyPtr key = new_key();
  const Issued alone{sign({.common_name = "edge", .names = "DNS:edge.example.com"}, key.get(), nullptr, key.get()), key};
  EXPECT_THAT(judge(alone.pem(), alone.key_pem())->warnings, Contains(HasSubstr("self-signed")));
}

TEST_F(UploadVerdict, C25_APassphraseMayComeAlong) {
  const Issued own = authority.issue({.names = "DNS:edge.example.com"});
  const store::Secret passphrase("secret");
  EXPECT_TRUE(judge(own.pem(), own.encrypted_key_pem("secret", false), &passphrase));
  EXPECT_THAT(refusal(own.pem(), own.encrypted_key_pem("secret", true)), HasSubstr("encrypted with a passphrase"));
}

}  // namespace
}  // namespace sallyport::certificates::test
