// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/credential.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/detached.hpp>

#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::tls_test {
namespace {

class Credential : public EngineTest {};
INSTANTIATE_FOR_BOTH_BACKENDS(Credential);

class CredentialStore : public ::testing::Test {
 public:
  Fault refused(tls::CredentialSource source) {
    auto loaded = tls::CredentialStore::load(std::move(source));
    EXPECT_FALSE(loaded);
    return loaded ? Fault{} : loaded.fault();
  }
  CertificateFactory certificates;
};

tls::CredentialSource platform_of(const Issued& own) {
  tls::CredentialSource source;
  source.platform = {"platform", own.certificate_path, own.key_path};
  return source;
}

TEST_F(CredentialStore, ExactNameBeatsWildcardBeatsPlatform) {
  tls::CredentialSource source = platform_of(certificates.leaf("platform", {.subject_alt_names = "DNS:edge.example"}));
  const Issued exact = certificates.leaf("exact", {.subject_alt_names = "DNS:a.tenant.example,DNS:collab-edge.tenant.example"});
  const Issued wild = certificates.leaf("wild", {.subject_alt_names = "DNS:*.tenant.example"});
  source.domains = {{"wild", wild.certificate_path, wild.key_path}, {"exact", exact.certificate_path, exact.key_path}};
  auto loaded = tls::CredentialStore::load(source);
  ASSERT_TRUE(loaded) << loaded.fault().text();
  const auto snapshot = (*loaded)->snapshot();
  const std::pair<const char*, const char*> rows[] = {
      {"a.tenant.example", "exact"},  {"A.Tenant.Example", "exact"},       {"a.tenant.example.", "exact"}, {"b.tenant.example", "wild"},
      {"x.b.tenant.example", "platform"}, {"tenant.example", "platform"}, {"unknown.example", "platform"}, {"", "platform"},
  };
  for (const auto& [sni, label] : rows) EXPECT_EQ(snapshot->find(sni)->label, label) << sni;
}

tls::HeldCredentialPtr held(const char* label, tls::KeyFamily family, std::vector<std::string> names, std::string home, int* reads = nullptr) {
  return std::make_shared<const tls::HeldCredential>(label, family, std::move(names), std::move(home), [=]() -> Outcome<std::shared_ptr<const tls::Credential>> {
    if (reads != nullptr) ++*reads;
    return tls::make_credential(label, nullptr, nullptr, {});
  });
}

std::string served(const tls::CredentialStore& store, const char* sni) {
  const tls::ServedCredential found = store.snapshot()->find(sni);
  if (!found) return "none";
  return found.second == nullptr ? found->label : found->label + "+" + found.second->label;
}

TEST_F(CredentialStore, AHeldCertificateIsReadWhenItIsFirstAskedForAndThenKept) {
  int reads = 0;
  tls::CredentialSource source;
  source.held = {held("a", tls::KeyFamily::rsa, {"a.example"}, "a.example", &reads)};
  auto store = *tls::CredentialStore::load(source);
  EXPECT_EQ(reads, 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(served(*store, "a.example"), "a");
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(served(*store, "b.example"), "none");
}

TEST_F(CredentialStore, OneThatCannotBeReadLeavesItsNameToThePlatform) {
  tls::CredentialSource source;
  source.held_platform = {held("platform", tls::KeyFamily::rsa, {"edge.example"}, "")};
  source.held = {std::make_shared<const tls::HeldCredential>("broken", tls::KeyFamily::rsa, std::vector<std::string>{"a.example"}, "a.example",
                                                             []() -> Outcome<std::shared_ptr<const tls::Credential>> { return Fault{FaultCode::invalid, "a", "is damaged", "upload it again"}; })};
  auto store = *tls::CredentialStore::load(source);
  EXPECT_EQ(served(*store, "a.example"), "platform");
  EXPECT_EQ(source.held[0]->failures(), 1u);
}

TEST_F(CredentialStore, C07_ANameBelongsToItsOwnDomainWhoeverElseCarriesIt) {
  const auto own = held("own", tls::KeyFamily::rsa, {"b.example", "mra.b.example"}, "b.example");
  const auto stranger = held("stranger", tls::KeyFamily::rsa, {"a.example", "mra.b.example", "c.example"}, "a.example");
  const auto strange_ecdsa = held("strange-ecdsa", tls::KeyFamily::ecdsa, {"a.example", "mra.b.example"}, "a.example");
  for (int order = 0; order < 6; ++order) {
    std::vector<tls::HeldCredentialPtr> list = {own, stranger, strange_ecdsa};
    for (int swap = 0; swap < order; ++swap) std::next_permutation(list.begin(), list.end());
    tls::CredentialSource source;
    source.held = list;
    auto store = *tls::CredentialStore::load(source);
    EXPECT_EQ(served(*store, "mra.b.example"), "own") << order;
    EXPECT_EQ(served(*store, "a.example"), "strange-ecdsa+stranger") << order;
    EXPECT_EQ(served(*store, "c.example"), "stranger") << order;
  }
}

TEST_F(CredentialStore, B27_NamesThatNobodyCoversAreCountedWithinBounds) {
  tls::CredentialSource source;
  source.held_platform = {held("platform", tls::KeyFamily::rsa, {"edge.example", "*.edge.example"}, "")};
  auto store = *tls::CredentialStore::load(source);
  for (const char* name : {"edge.example", "x.edge.example", "EDGE.example."}) EXPECT_TRUE(store->snapshot()->covers(name)) << name;
  for (const char* name : {"other.example", "a.b.edge.example"}) EXPECT_FALSE(store->snapshot()->covers(name)) << name;
  tls::UncoveredNames& uncovered = store->uncovered();
  for (int i = 0; i < 3; ++i) uncovered.note("Www.example");
  uncovered.note("bad name\n");
  for (int i = 0; i < 1000; ++i) uncovered.note("n" + std::to_string(i) + ".example");
  const auto list = uncovered.list();
  EXPECT_EQ(list.size(), 256u);
  EXPECT_EQ(list[0], (std::pair<std::string, uint64_t>("www.example", 3)));
  EXPECT_EQ(uncovered.total(), 1004u);
  source.held = {held("www", tls::KeyFamily::rsa, {"www.example"}, "www.example")};
  ASSERT_TRUE(store->reload(source));
  EXPECT_NE(uncovered.list()[0].first, "www.example");
}

TEST_F(CredentialStore, KeyOfAnotherCertificateIsRefusedByFileName) {
  const Issued one = certificates.leaf("one", {.subject_alt_names = "DNS:one.example"});
  const Issued two = certificates.leaf("two", {.subject_alt_names = "DNS:two.example"});
  tls::CredentialSource source;
  source.platform = {"platform", one.certificate_path, two.key_path};
  const Fault fault = refused(source);
  EXPECT_NE(fault.text().find("two.key"), std::string::npos);
  EXPECT_NE(fault.text().find("does not belong to certificate " + one.serial), std::string::npos) << fault.text();
}

TEST_F(CredentialStore, EncryptedKeyIsRefusedWithTheWayOut) {
  const Issued one = certificates.leaf("one", {.subject_alt_names = "DNS:one.example"});
  tls::CredentialSource source;
  source.platform = {"platform", one.certificate_path, certificates.encrypted_key("one")};
  const Fault fault = refused(source);
  EXPECT_NE(fault.cause.find("passphrase"), std::string::npos) << fault.text();
  EXPECT_NE(fault.remedy.find("openssl pkey"), std::string::npos) << fault.text();
}

TEST_F(CredentialStore, MissingEmptyAndBrokenFilesAreNamed) {
  const Issued one = certificates.leaf("one", {.subject_alt_names = "DNS:one.example"});
  certificates.write("empty.pem", "");
  certificates.write("broken.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  const std::pair<std::string, std::string> rows[] = {{"nowhere.pem", "No such file"}, {"empty.pem", "holds no PEM certificate"}, {"broken.pem", "is broken"}};
  for (const auto& [name, cause] : rows) {
    tls::CredentialSource source;
    source.platform = {"platform", certificates.path(name), one.key_path};
    const Fault fault = refused(source);
    EXPECT_NE(fault.text().find(name), std::string::npos) << fault.text();
    EXPECT_NE(fault.text().find(cause), std::string::npos) << fault.text();
    source = platform_of(one);
    source.ca_paths = {certificates.path(name)};
    EXPECT_NE(refused(source).text().find(cause), std::string::npos);
  }
}

TEST_F(CredentialStore, BrokenReloadKeepsTheOldSnapshot) {
  const Issued one = certificates.leaf("one", {.subject_alt_names = "DNS:one.example"});
  auto loaded = tls::CredentialStore::load(platform_of(one));
  ASSERT_TRUE(loaded);
  const auto before = (*loaded)->snapshot();
  certificates.write("one.pem", "garbage");
  const auto reloaded = (*loaded)->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_NE(reloaded.fault().text().find("one.pem"), std::string::npos);
  EXPECT_EQ((*loaded)->snapshot(), before);
  const Issued fresh = certificates.leaf("one", {.subject_alt_names = "DNS:one.example"});
  ASSERT_TRUE((*loaded)->reload());
  EXPECT_EQ(tls::describe_certificate((*loaded)->snapshot()->platform()->certificate.get()).serial, fresh.serial);
  EXPECT_EQ((*loaded)->snapshot()->revision(), before->revision() + 1);
}

TEST_F(CredentialStore, WorldReadableKeyAndMissingSanAreWarnings) {
  const Issued one = certificates.leaf("one", {});
  ::chmod(one.key_path.c_str(), 0644);
  auto loaded = tls::CredentialStore::load(platform_of(one));
  ASSERT_TRUE(loaded);
  const auto snapshot = (*loaded)->snapshot();
  ASSERT_EQ(snapshot->warnings().size(), 2u);
  EXPECT_NE(snapshot->warnings()[0].find("can be read by everyone"), std::string::npos);
  EXPECT_NE(snapshot->warnings()[1].find("no SAN"), std::string::npos);
}

TEST_P(Credential, SniChoosesTheCertificateOfTheDomain) {
  run([&]() -> awaitable<void> {
    tls::CredentialSource source = platform_of(certificates.leaf("platform", {.subject_alt_names = "DNS:server.example"}));
    const Issued tenant = certificates.leaf("tenant", {.subject_alt_names = "DNS:tenant.example"});
    source.domains = {{"tenant", tenant.certificate_path, tenant.key_path}};
    auto loaded = tls::CredentialStore::load(source);
    auto server_tls = policy(tls::TlsRole::server, *loaded);
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    const tls::Listener& listener = listen(server_tls);
    auto platform = co_await dial(listener, client_tls, "server.example");
    auto domain = co_await dial(listener, client_tls, "tenant.example");
    EXPECT_TRUE(platform && domain);
    EXPECT_EQ(domain.stream->tls_facts().peer->serial, tenant.serial);
    EXPECT_NE(platform.stream->tls_facts().peer->serial, tenant.serial);
  }());
}

TEST_P(Credential, ReloadBetweenTwoHandshakesServesTheNewOneWhileTheOldConnectionEchoes) {
  run([&]() -> awaitable<void> {
    const Issued old_one = certificates.leaf("server", {.subject_alt_names = "DNS:server.example"});
    auto credentials = store(old_one, {});
    auto server_tls = policy(tls::TlsRole::server, credentials);
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    const tls::Listener& listener = listen(server_tls);
    auto before = co_await dial(listener, client_tls);
    EXPECT_TRUE(before);
    boost::asio::co_spawn(context, echo(co_await next_accepted()), boost::asio::detached);
    const Issued new_one = certificates.leaf("server", {.subject_alt_names = "DNS:server.example"});
    EXPECT_TRUE(credentials->reload());
    auto after = co_await dial(listener, client_tls);
    EXPECT_TRUE(after);
    EXPECT_EQ(before.stream->tls_facts().peer->serial, old_one.serial);
    EXPECT_EQ(after.stream->tls_facts().peer->serial, new_one.serial);
    before.stream->send("still here");
    EXPECT_EQ(co_await receive_exactly(before.stream, 10), "still here");
  }());
}

TEST_P(Credential, WithdrawnCaRefusesTheNextClientAndKeepsTheRunningOne) {
  run([&]() -> awaitable<void> {
    auto credentials = store(certificates.leaf("server", {.subject_alt_names = "DNS:server.example"}), trusted());
    auto server_tls = policy(tls::TlsRole::server_verifies_client, credentials);
    auto client_tls = policy(tls::TlsRole::client, store(certificates.leaf("client", {.subject_alt_names = "DNS:c.example"}), trusted()));
    const tls::Listener& listener = listen(server_tls);
    auto first = co_await dial(listener, client_tls);
    auto running = co_await next_accepted();
    tls::CredentialSource without;
    without.platform = {"platform", certificates.path("server.pem"), certificates.path("server.key")};
    without.ca_paths = {certificates.ca("other")};
    EXPECT_TRUE(credentials->reload(without));
    [[maybe_unused]] auto second = co_await dial(listener, client_tls);
    EXPECT_TRUE(co_await eventually([&] { return failures.size() == 1; }));
    EXPECT_EQ(failures.front().reason, tls::HandshakeReason::untrusted_issuer);
    first.stream->send("alive");
    EXPECT_EQ(co_await receive_exactly(running, 5), "alive");
  }());
}

TEST_P(Credential, ServerWithoutAnyCertificateRefusesWithAReason) {
  run([&]() -> awaitable<void> {
    auto server_tls = policy(tls::TlsRole::server, trust_only({}));
    auto client_tls = policy(tls::TlsRole::client, trust_only(trusted()));
    auto result = co_await dial(listen(server_tls), client_tls);
    EXPECT_FALSE(result);
    EXPECT_TRUE(co_await eventually([&] { return failures.size() == 1; }));
    EXPECT_EQ(failures.front().reason, tls::HandshakeReason::no_credential);
    EXPECT_EQ(result.failure->handshake->alert, 112);  // unrecognized_name
  }());
}

}  // namespace
}  // namespace sallyport::tls_test
