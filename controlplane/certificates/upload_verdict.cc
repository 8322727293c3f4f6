// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/upload_verdict.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "controlplane/tls/alert_text.h"

namespace sallyport::certificates {
namespace {

bool fits(X509* certificate, EVP_PKEY* key) {
  const bool same = key != nullptr && EVP_PKEY_eq(X509_get0_pubkey(certificate), key) == 1;
  ERR_clear_error();
  return same;
}

const CertificatePtr* find_for(const std::vector<CertificatePtr>& certificates, EVP_PKEY* key) {
  const auto found = std::find_if(certificates.begin(), certificates.end(), [&](const CertificatePtr& certificate) { return fits(certificate.get(), key); });
  return found == certificates.end() ? nullptr : &*found;
}

// C24 to C26, C31: which private key this certificate is to be served with.
Outcome<KeyPtr> choose_key(const Upload& upload, const UploadContext& context, const std::vector<CertificatePtr>& certificates, UploadVerdict& verdict) {
  const std::string slot = context.slot.text();
  if (upload.own_key != nullptr) return upload.own_key;
  const bool key_given = !upload.key.empty() || holds_private_key(upload.certificate);
  if (key_given) {
    if (context.request) {
      return Fault{FaultCode::conflict, upload.file, "comes with a private key while a request for " + slot + " is open, whose key is here already", "discard the request first: sallyport cert discard " + slot + "; or upload the certificate alone"};
    }
    auto key = read_private_key(upload.key.empty() ? upload.certificate : upload.key, upload.file, upload.passphrase);
    if (!key) return key.fault();
    if (find_for(certificates, key->get()) == nullptr) return Fault{FaultCode::conflict, upload.file, "no certificate in it belongs to the private key", "give the key that the certificate's request was made with"};
    return key;
  }
  if (context.request_key != nullptr && find_for(certificates, context.request_key.get()) != nullptr) {
    verdict.answers_request = true;
    return context.request_key;
  }
  for (const KeyPtr& present : context.present_keys)
    if (find_for(certificates, present.get()) != nullptr) return present;
  for (const CertificatePtr& certificate : certificates) {
    const std::string owner = context.owner_of ? context.owner_of(authority_key_digest(certificate.get())) : "";
    if (!owner.empty()) return Fault{FaultCode::conflict, upload.file, "belongs to " + owner + ", not to " + slot, "upload it there"};
  }
  if (context.request_key != nullptr) {
    return Fault{FaultCode::conflict, upload.file, "does not match the key of the open request for " + slot, "upload the certificate that was issued for that request; in a cluster each peer has a request and a certificate of its own"};
  }
  return Fault{FaultCode::missing, upload.file, "there is no matching private key on this node", "make a request here first (sallyport cert request " + slot + "), or give the key along with the certificate"};
}

Outcome<> judge_signature(X509* certificate, const std::string& file, const tls::PeerCertificate& said) {
  int digest = NID_undef;
  OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, nullptr);
  if (digest != NID_md5 && digest != NID_sha1 && digest != NID_md4 && digest != NID_md2) return Done{};
  return Fault{FaultCode::invalid, file + ": certificate " + said.serial, std::string("is signed with ") + OBJ_nid2sn(digest) + ", which no client accepts any more", "have it issued with SHA-256 or better"};
}

Outcome<> judge_validity(const tls::PeerCertificate& said, const std::string& file, std::int64_t now_s) {
  const std::string subject = file + ": certificate " + said.serial;
  if (said.not_after_s < now_s) return Fault{FaultCode::invalid, subject, "expired on " + tls::date_text(said.not_after_s), "have it issued anew, or correct this node's clock"};
  if (said.not_before_s > now_s) return Fault{FaultCode::invalid, subject, "is not valid before " + tls::date_text(said.not_before_s), "upload it then, or correct this node's clock"};
  if (said.not_after_s < said.not_before_s) return Fault{FaultCode::invalid, subject, "ends before it begins", "have it issued anew"};
  return Done{};
}

Outcome<> judge_usage(const tls::PeerCertificate& said, const Upload& upload, const UploadContext& context) {
  const std::string subject = upload.file + ": certificate " + said.serial;
  const bool dropped = context.request && context.request->client_auth && !said.allows_client_auth;
  if (context.slot.kind == SlotKind::client) {
    if (context.mode == StoreMode::single_store) return Fault{FaultCode::refused, subject, "there is no client slot in single-store mode: the server certificate plays both parts", "upload it as server, or choose the two-store mode: sallyport cert mode two"};
    if (!said.allows_client_auth) return Fault{FaultCode::invalid, subject, dropped ? "may not be used by a client: the authority dropped clientAuth" : "may not be used by a client (clientAuth is missing in its extended key usage)", "have the authority issue it with clientAuth"};
    return Done{};
  }
  if (!said.allows_server_auth) return Fault{FaultCode::invalid, subject, "may not be used by a server (serverAuth is missing in its extended key usage)", "have the authority issue it with serverAuth"};
  if (context.slot.kind == SlotKind::server && context.mode == StoreMode::single_store && context.uses_unified_communications && !said.allows_client_auth) {
    return Fault{FaultCode::refused, subject, std::string("lacks clientAuth in its extended key usage, which single-store mode needs while a unified communications zone exists (A05)") + (dropped ? ": the authority dropped clientAuth" : ""),
                 "have the authority issue it with clientAuth, or choose the two-store mode: sallyport cert mode two"};
  }
  return Done{};
}

bool lies_in(const std::string& name, const std::string& domain) {
  return name == domain || (name.size() > domain.size() && name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.');
}

Outcome<> judge_names(const tls::PeerCertificate& said, const Upload& upload, const UploadContext& context, std::vector<std::string>& warnings) {
  const std::string subject = upload.file + ": certificate " + said.serial;
  if (context.slot.kind == SlotKind::domain) {
    // A wildcard counts by the parent it stands for. C06: mra-host.DOMAIN, collab-edge.DOMAIN and DOMAIN are what clients ask for.
    const bool any = std::any_of(said.names.begin(), said.names.end(), [&](const tls::CertificateName& name) { return name.kind == tls::NameKind::dns && lies_in(name.value, context.slot.domain); });
    if (!any) return Fault{FaultCode::invalid, subject, "has no name in " + context.slot.domain + "; its names are: " + said.names_text(), "have it issued with a name of that domain in the SAN, or upload it for the domain it is for"};
    for (const tls::CertificateName& name : said.names)
      if (name.kind == tls::NameKind::dns && !lies_in(name.value, context.slot.domain)) warnings.push_back("it also carries " + name.value + ", which is served from here only where no domain of its own has a certificate");
    return Done{};
  }
  if (said.names.empty()) return Fault{FaultCode::invalid, subject, "has no subject alternative name; the CN does not count", "have it issued with DNS:" + context.node_fqdn};
  if (!tls::match_name(said, context.node_fqdn, tls::WildcardRule::one_label).matched) warnings.push_back("it lacks the name of this node, " + context.node_fqdn + "; its names are: " + said.names_text());
  return Done{};
}

}  // namespace

const char* name_of(StoreMode mode) { return mode == StoreMode::two_store ? "two" : "single"; }

Outcome<UploadVerdict> judge_upload(const Upload& upload, const UploadContext& context) {
  UploadVerdict verdict;
  auto certificates = read_certificates(upload.certificate, upload.file, max_chain_certificates);
  if (!certificates) return certificates.fault();
  auto key = choose_key(upload, context, *certificates, verdict);
  if (!key) return key.fault();
  verdict.key = *key;
  auto ordered = order_chain(*certificates, key->get(), upload.file, context.authorities);
  if (!ordered) return ordered.fault();
  verdict.chain = std::move(ordered->certificates);
  verdict.warnings = std::move(ordered->remarks);
  verdict.is_complete = ordered->is_complete;
  X509* leaf = verdict.chain.front().get();
  verdict.description = tls::describe_certificate(leaf);
  const tls::PeerCertificate& said = verdict.description;
  auto family = judge_key(key->get(), upload.file + ": certificate " + said.serial, context.allow_weak_keys);
  if (!family) return family.fault();
  verdict.family = *family;
  if (*family == tls::KeyFamily::rsa && EVP_PKEY_get_bits(key->get()) < min_rsa_bits) verdict.warnings.emplace_back("its key is short: most clients will refuse it");
  for (const CertificatePtr& certificate : verdict.chain) {
    const tls::PeerCertificate each = tls::describe_certificate(certificate.get());
    if (const Outcome<> fine = judge_validity(each, upload.file, context.now_s); !fine) return fine.fault();
    if (const Outcome<> fine = judge_signature(certificate.get(), upload.file, each); !fine) return fine.fault();
  }
  if (const Outcome<> fine = judge_usage(said, upload, context); !fine) return fine.fault();
  if (const Outcome<> fine = judge_names(said, upload, context, verdict.warnings); !fine) return fine.fault();
  if (verdict.answers_request && context.request)
    for (std::string& difference : differences(*context.request, leaf)) verdict.warnings.push_back(std::move(difference));
  const bool is_self_signed = X509_self_signed(leaf, 0) == 1;
  if (is_self_signed) verdict.warnings.emplace_back("it is self-signed: every peer must be told to trust it");
  else if (!verdict.is_complete) verdict.warnings.push_back("its chain is incomplete: \"" + tls::describe_certificate(verdict.chain.back().get()).issuer + "\" is neither in the file nor trusted here; clients that do not know it will refuse");
  if (X509_check_ca(leaf) != 0 && !is_self_signed) verdict.warnings.emplace_back("it is a CA certificate; use one that was issued for this server");
  ERR_clear_error();
  return verdict;
}

}  // namespace sallyport::certificates
