// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/certificate_probe.h"

#include <fmt/format.h>
#include <openssl/x509.h>

#include <memory>

#include "controlplane/config/utc.h"
#include "controlplane/tls/certificate_verdict.h"

namespace sallyport::node {

using api::ProbedView;
using certificates::CertificatePtr;
using certificates::TrustPurpose;

namespace {

constexpr std::chrono::milliseconds connect_deadline{4000}, handshake_deadline{5000};
constexpr std::size_t most_links = 10;

using ChainStack = std::unique_ptr<stack_st_X509, void (*)(stack_st_X509*)>;

bool is_self_signed(const tls::PeerCertificate& said) { return said.subject == said.issuer; }

Outcome<std::shared_ptr<tls::CredentialStore>> trust_of(Node& node, TrustPurpose purpose) {
  tls::CredentialSource source;
  const config::TlsSection& files = node.config().tls;
  const std::string& file = purpose == TrustPurpose::call_control && !files.call_control_ca_file.empty() ? files.call_control_ca_file : files.ca_file;
  if (!file.empty() && (purpose == TrustPurpose::traversal || purpose == TrustPurpose::call_control)) source.ca_paths.push_back(file);
  const auto set = node.vault().snapshot();
  for (const certificates::TrustedAuthority& authority : set->trust)
    if (authority.purpose == purpose) source.trusted.push_back({authority.certificate, std::string("sallyport trust add ") + certificates::name_of(purpose)});
  return tls::CredentialStore::load(std::move(source));
}

}  // namespace

ProbeFindings findings_of(const std::vector<CertificatePtr>& chain, const std::string& host, X509_STORE* trust, const std::string& trust_origin, const std::string& purpose) {
  ProbeFindings findings;
  const tls::PeerCertificate said = tls::describe_certificate(chain.front().get());
  const ChainStack presented(sk_X509_new_null(), [](stack_st_X509* list) { sk_X509_free(list); });
  for (const CertificatePtr& link : chain) sk_X509_push(presented.get(), link.get());
  tls::PeerQuestion question;
  question.leaf = chain.front().get();
  question.presented_chain = presented.get();
  question.trust = trust;
  question.trust_origin = trust_origin.empty() ? "trust for " + purpose + ", which is empty" : trust_origin;
  const tls::PeerVerdict verdict = tls::judge_peer(question);
  findings.is_trusted = !verdict.failure;
  if (verdict.failure) findings.texts.push_back("not trusted: " + verdict.failure->text + (verdict.failure->remedy.empty() ? "" : "; " + verdict.failure->remedy));
  if (const tls::NameVerdict names = tls::match_name(said, host, tls::WildcardRule::refuse); !names.matched)
    findings.texts.push_back(fmt::format("{}: the certificate has no SAN for it ({}); have it issued anew with that name, since a common name does not count", host, said.names_text()));
  if (is_self_signed(said)) findings.texts.push_back(fmt::format("self-signed, subject {}: trusting it means trusting this one certificate, and another one when it is replaced; one of an authority is recommended", said.subject));
  return findings;
}

boost::asio::awaitable<Outcome<ProbedView>> run_certificate_probe(Node& node, std::string host, std::uint16_t port, std::string purpose) {
  const auto wanted = certificates::trust_purpose_from(purpose);
  if (!wanted) co_return Fault{FaultCode::invalid, "trust purpose \"" + purpose.substr(0, 64) + "\"", "is none", "give one of " + certificates::trust_purpose_list()};
  auto trust = trust_of(node, *wanted);
  if (!trust) co_return trust.fault();
  auto nobody = tls::CredentialStore::load({});
  if (!nobody) co_return nobody.fault();
  tls::TlsPolicyOptions policy_options;
  policy_options.role = tls::TlsRole::client;
  policy_options.verify_peer = false;
  auto policy = tls::TlsPolicy::create(std::move(policy_options), std::move(*nobody));
  if (!policy) co_return policy.fault();
  tls::ConnectOptions options;
  options.tls = std::move(*policy);
  options.connect_deadline = connect_deadline;
  options.handshake_deadline = handshake_deadline;
  const tls::ConnectResult result = co_await tls::dial(node.engine(), node.resolver(), host, port, std::move(options));
  if (!result) co_return result.failure->fault();
  const std::vector<CertificatePtr> chain = result.stream->peer_chain();
  ProbedView view;
  view.address = result.stream->peer_address().text();
  const tls::TlsFacts facts = result.stream->tls_facts();
  view.tls_version = facts.version;
  view.tls_cipher = facts.cipher;
  result.stream->close_after_send();
  if (chain.empty()) co_return Fault{FaultCode::refused, view.address, "showed no certificate", "check the port"};
  for (const CertificatePtr& link : chain) {
    if (view.chain.size() >= most_links) break;
    const tls::PeerCertificate said = tls::describe_certificate(link.get());
    view.chain.push_back({said.subject, said.issuer, said.serial, said.fingerprint_sha256, config::utc(said.not_after_s), said.names_text(), certificates::pem_of(link.get()), is_self_signed(said)});
  }
  const auto snapshot = (*trust)->snapshot();
  ProbeFindings findings = findings_of(chain, host, snapshot->trust(), snapshot->trust_origin(), purpose);
  view.is_trusted = findings.is_trusted;
  view.findings = std::move(findings.texts);
  co_return view;
}

}  // namespace sallyport::node
