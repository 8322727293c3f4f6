// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/certificate_verdict.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>

#include "controlplane/tls/alert_text.h"

namespace sallyport::tls {
namespace {

HandshakeReason reason_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return HandshakeReason::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return HandshakeReason::not_yet_valid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA: return HandshakeReason::untrusted_issuer;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return HandshakeReason::bad_signature;
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_CERT_REJECTED: return HandshakeReason::wrong_usage;
    default: return HandshakeReason::other;
  }
}

void explain(HandshakeFailure& failure, const PeerCertificate& culprit, bool is_leaf, const PeerQuestion& question, int error) {
  const bool peer_is_server = question.peer_is_server;
  const std::string who = (is_leaf ? "certificate serial " : "CA certificate serial ") + culprit.serial + " for \"" + culprit.subject + "\", issued by \"" + culprit.issuer + "\",";
  switch (failure.reason) {
    case HandshakeReason::expired:
      failure.text = who + " expired on " + date_text(culprit.not_after_s);
      failure.remedy = "renew it on the peer, or correct this node's clock";
      break;
    case HandshakeReason::not_yet_valid:
      failure.text = who + " is not valid before " + date_text(culprit.not_before_s);
      failure.remedy = "correct the clock of this node or of the CA";
      break;
    case HandshakeReason::untrusted_issuer:
      failure.text = who + " does not lead to a trusted CA (" + X509_verify_cert_error_string(error) + ")";
      failure.remedy = "add the CA \"" + culprit.issuer + "\" to this node's trusted CAs" + (question.trust_origin.empty() ? "" : " (" + question.trust_origin + ")") + ", or have the peer send its intermediate certificates";
      break;
    case HandshakeReason::wrong_usage:
      failure.text = who + " may not be used by a TLS " + (peer_is_server ? "server (serverAuth" : "client (clientAuth") + " is missing in its extended key usage)";
      failure.remedy = std::string("have the CA issue it with ") + (peer_is_server ? "serverAuth" : "clientAuth");
      break;
    case HandshakeReason::bad_signature:
      failure.text = who + " has a signature that does not verify";
      failure.remedy = "the trusted CA has the same name but another key: install the CA that really issued it";
      break;
    default:
      failure.text = who + " was refused: " + X509_verify_cert_error_string(error);
      failure.remedy = "replace it on the peer";
  }
}

using ChainContext = std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)>;

bool verify_chain(X509_STORE_CTX* chain, const PeerQuestion& question, STACK_OF(X509)* only) {
  if (X509_STORE_CTX_init(chain, question.trust, question.leaf, question.presented_chain) != 1) {
    X509_STORE_CTX_set_error(chain, X509_V_ERR_OUT_OF_MEM);
    return false;
  }
  if (only != nullptr) X509_STORE_CTX_set0_trusted_stack(chain, only);
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(chain);
  X509_VERIFY_PARAM_set_auth_level(rules, question.security_level);
  X509_VERIFY_PARAM_set_depth(rules, 8);
  // An operator may trust an intermediate CA, or one self-signed peer, without its root.
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (question.require_eku) X509_VERIFY_PARAM_set_purpose(rules, question.peer_is_server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  return X509_verify_cert(chain) == 1;
}

// Of two trusted authorities with one name and different keys OpenSSL tries one only, unless the certificate tells the key. So each
// of them is tried by itself, the others of its name left out (requirement B03).
bool verify_by_each_key(X509_STORE_CTX* chain, const PeerQuestion& question, X509* unverified) {
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> all(X509_STORE_get1_all_certs(question.trust), [](STACK_OF(X509)* list) { sk_X509_pop_free(list, &X509_free); });
  const X509_NAME* issuer = X509_get_issuer_name(unverified);
  const auto is_candidate = [&](X509* certificate) { return X509_NAME_cmp(X509_get_subject_name(certificate), issuer) == 0; };
  for (int i = 0; i < sk_X509_num(all.get()); ++i) {
    X509* candidate = sk_X509_value(all.get(), i);
    if (!is_candidate(candidate)) continue;
    const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> only(sk_X509_new_null(), [](STACK_OF(X509)* list) { sk_X509_free(list); });
    for (int k = 0; k < sk_X509_num(all.get()); ++k) {
      X509* other = sk_X509_value(all.get(), k);
      if (other == candidate || !is_candidate(other)) sk_X509_push(only.get(), other);
    }
    X509_STORE_CTX_cleanup(chain);
    if (verify_chain(chain, question, only.get())) return true;
  }
  return false;
}

std::string anchor_of(X509_STORE_CTX* chain) {
  STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(chain);
  const int length = sk_X509_num(verified);
  return length <= 0 ? std::string() : describe_certificate(sk_X509_value(verified, length - 1)).fingerprint_sha256;
}

}  // namespace

PeerVerdict judge_peer(const PeerQuestion& question) {
  PeerVerdict verdict;
  const PeerCertificate presented = describe_certificate(question.leaf);
  const ChainContext chain(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  HandshakeFailure failure;
  failure.certificate = presented;
  if (chain == nullptr) {
    failure.text = "certificate check could not start: out of memory";
    return {failure, X509_V_ERR_OUT_OF_MEM, {}};
  }
  if (question.is_withdrawn) {
    failure.reason = HandshakeReason::untrusted_issuer;
    failure.text = "certificate serial " + presented.serial + " of " + presented.subject + " was withdrawn here";
    failure.remedy = "let the node join again: sallyport pair";
    return {failure, X509_V_ERR_CERT_REVOKED, {}};
  }
  bool verified = verify_chain(chain.get(), question, nullptr);
  if (!verified && X509_STORE_CTX_get_error(chain.get()) == X509_V_ERR_CERT_SIGNATURE_FAILURE) {
    X509* unverified = X509_STORE_CTX_get_current_cert(chain.get());
    if (unverified != nullptr && X509_up_ref(unverified) == 1) {
      const std::unique_ptr<X509, void (*)(X509*)> held(unverified, &X509_free);
      verified = verify_by_each_key(chain.get(), question, unverified);
    }
  }
  if (!verified) {
    verdict.x509_error = X509_STORE_CTX_get_error(chain.get());
    if (verdict.x509_error == X509_V_OK) verdict.x509_error = X509_V_ERR_UNSPECIFIED;
    X509* culprit = X509_STORE_CTX_get_current_cert(chain.get());
    failure.reason = reason_of(verdict.x509_error);
    const bool is_leaf = culprit == nullptr || X509_STORE_CTX_get_error_depth(chain.get()) == 0;
    explain(failure, is_leaf ? presented : describe_certificate(culprit), is_leaf, question, verdict.x509_error);
    verdict.failure = std::move(failure);
    return verdict;
  }
  verdict.authority = anchor_of(chain.get());
  if (question.names == nullptr || question.names->empty()) return verdict;
  NameVerdict names = match_names(presented, *question.names, question.wildcards);
  if (names.matched) return verdict;
  failure.reason = HandshakeReason::name_mismatch;
  failure.text = std::move(names.text);
  failure.remedy = "reissue the peer's certificate with that name in its SAN, or configure one of the names it has";
  verdict.failure = std::move(failure);
  verdict.x509_error = X509_V_ERR_HOSTNAME_MISMATCH;
  return verdict;
}

}  // namespace sallyport::tls
