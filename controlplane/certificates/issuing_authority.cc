// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/issuing_authority.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "controlplane/certificates/request.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::certificates {
namespace {

constexpr std::int64_t authority_lifetime_s = std::int64_t{3653} * 86400;

Fault failed(const char* what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  return {FaultCode::internal, "issuing authority", std::string(what) + ": " + (code == 0 ? "no reason given" : ERR_reason_error_string(code)), "check the system's OpenSSL configuration"};
}

// 127 bits: positive, and never twice (RFC 5280 4.1.2.2 asks for 20 octets at most).
bool draw_serial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number(BN_bin2bn(bytes, sizeof bytes, nullptr), &BN_free);
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()), &X509_EXTENSION_free);
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_name(X509_NAME* name, const std::string& common_name) {
  // RFC 5280 A.1: ub-common-name 64.
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()), static_cast<int>(std::min<std::size_t>(common_name.size(), 64)), -1, 0) == 1;
}

bool set_validity(X509* certificate, std::int64_t from_s, std::int64_t until_s) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), from_s) != nullptr && ASN1_TIME_set(X509_getm_notAfter(certificate), until_s) != nullptr;
}

std::string random_digits() {
  unsigned char bytes[4] = {};
  RAND_bytes(bytes, sizeof bytes);
  std::string text;
  for (const unsigned char byte : bytes) text.append(1, "0123456789abcdef"[byte >> 4]).append(1, "0123456789abcdef"[byte & 15]);
  return text;
}

}  // namespace

Outcome<IssuingAuthority> make_issuing_authority(const std::string& use, const std::string& node_fqdn, std::int64_t now_s) {
  auto key = make_key(KeyKind::ecdsa_p256);
  if (!key) return key.fault();
  IssuingAuthority authority{CertificatePtr(X509_new(), &X509_free), std::move(*key)};
  X509* certificate = authority.certificate.get();
  const std::string name = "Sallyport " + use + " " + random_digits() + " " + node_fqdn;
  const bool fine = certificate != nullptr && X509_set_version(certificate, X509_VERSION_3) == 1 && draw_serial(certificate) && set_name(X509_get_subject_name(certificate), name) &&
                    X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 && set_validity(certificate, now_s - issue_clock_slack_s, now_s + authority_lifetime_s) &&
                    X509_set_pubkey(certificate, authority.key.get()) == 1 && add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") && add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
                    X509_sign(certificate, authority.key.get(), EVP_sha256()) > 0;
  if (!fine) return failed("its certificate could not be made");
  return authority;
}

Outcome<CertificatePtr> issue(const IssuingAuthority& authority, EVP_PKEY* subject_key, const IssueWish& wish) {
  CertificatePtr certificate(X509_new(), &X509_free);
  std::string names;
  for (const std::string& name : wish.names) names += (names.empty() ? "" : ",") + std::string(config::is_ip_literal(name) ? "IP:" : "DNS:") + name;
  X509* issuer = authority.certificate.get();
  const bool fine = certificate != nullptr && !wish.names.empty() && X509_set_version(certificate.get(), X509_VERSION_3) == 1 && draw_serial(certificate.get()) &&
                    set_name(X509_get_subject_name(certificate.get()), wish.names.front()) && X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1 &&
                    set_validity(certificate.get(), wish.now_s - issue_clock_slack_s, wish.now_s + wish.lifetime_s) && X509_set_pubkey(certificate.get(), subject_key) == 1 &&
                    add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") && add_extension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature") &&
                    add_extension(certificate.get(), issuer, NID_ext_key_usage, wish.part == IssuedFor::server ? "serverAuth" : "clientAuth") && add_extension(certificate.get(), issuer, NID_subject_alt_name, names) &&
                    add_extension(certificate.get(), issuer, NID_subject_key_identifier, "hash") && add_extension(certificate.get(), issuer, NID_authority_key_identifier, "keyid:always") &&
                    X509_sign(certificate.get(), authority.key.get(), EVP_sha256()) > 0;
  if (!fine) return failed("a certificate could not be issued");
  return certificate;
}

Outcome<KeyPtr> requested_key(const std::string& request_pem, const std::string& subject, const std::string& remedy) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(BIO_new_mem_buf(request_pem.data(), static_cast<int>(request_pem.size())), &BIO_free);
  const std::unique_ptr<X509_REQ, void (*)(X509_REQ*)> request(PEM_read_bio_X509_REQ(text.get(), nullptr, nullptr, nullptr), &X509_REQ_free);
  KeyPtr key(request == nullptr ? nullptr : X509_REQ_get_pubkey(request.get()), &EVP_PKEY_free);
  ERR_clear_error();
  // Before its signature is looked at: a key of any size would be work for whoever asks.
  if (key != nullptr) {
    if (const auto family = judge_key(key.get(), subject, false); !family) return family.fault();
  }
  const bool is_signed = key != nullptr && X509_REQ_verify(request.get(), key.get()) == 1;
  ERR_clear_error();
  if (!is_signed) return Fault{FaultCode::invalid, subject, "sent no signing request whose signature holds", remedy};
  return key;
}

}  // namespace sallyport::certificates
