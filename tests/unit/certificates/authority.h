// SPDX-License-Identifier: Apache-2.0
#pragma once
// Authority: a certificate authority in memory that issues what a test wants, good or bad. Keys are ECDSA P-256 unless given.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/certificates/intake.h"
#include "controlplane/certificates/request.h"

namespace sallyport::certificates::test {

struct Wish {
  std::string common_name = "leaf";
  std::string names;  // OpenSSL's syntax: "DNS:a.example,IP:192.0.2.1"
  std::string extended_key_usage = "serverAuth,clientAuth";
  long not_before_s = -3600, not_after_s = 90 * 86400;
  bool is_authority = false;
  long serial = 0;  // 0: the next
  std::string ocsp_url, crl_url;  // who tells whether it was revoked
  bool must_staple = false;
  const EVP_MD* digest = EVP_sha256();
};

inline KeyPtr new_key(KeyKind kind = KeyKind::ecdsa_p256) { return *make_key(kind); }

inline void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, const_cast<char*>(value.c_str()));
  if (extension == nullptr) return;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

inline CertificatePtr sign(const Wish& wish, EVP_PKEY* subject_key, const X509_NAME* issuer, EVP_PKEY* issuer_key, GENERAL_NAMES* raw_names = nullptr) {
  static long next_serial = 1000;
  CertificatePtr made(X509_new(), &X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), wish.serial != 0 ? wish.serial : ++next_serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), wish.not_before_s);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wish.not_after_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(made.get(), issuer == nullptr ? X509_get_subject_name(made.get()) : issuer);
  X509_set_pubkey(made.get(), subject_key);
  if (wish.is_authority) add_extension(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  if (!wish.names.empty()) add_extension(made.get(), NID_subject_alt_name, wish.names);
  if (raw_names != nullptr) X509_add1_ext_i2d(made.get(), NID_subject_alt_name, raw_names, 0, 0);
  if (!wish.extended_key_usage.empty() && !wish.is_authority) add_extension(made.get(), NID_ext_key_usage, wish.extended_key_usage);
  if (!wish.ocsp_url.empty()) add_extension(made.get(), NID_info_access, "OCSP;URI:" + wish.ocsp_url);
  if (!wish.crl_url.empty()) add_extension(made.get(), NID_crl_distribution_points, "URI:" + wish.crl_url);
  if (wish.must_staple) add_extension(made.get(), NID_tlsfeature, "status_request");
  X509_sign(made.get(), issuer_key, wish.digest);
  return made;
}

struct Issued {
  CertificatePtr certificate;
  KeyPtr key;
  std::string pem() const { return pem_of(certificate.get()); }
  std::string key_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  // is_legacy: "Proc-Type: 4,ENCRYPTED", else PKCS#8.
  std::string encrypted_key_pem(const std::string& passphrase, bool is_legacy) const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    const auto* phrase = reinterpret_cast<const unsigned char*>(passphrase.data());
    if (is_legacy) PEM_write_bio_PrivateKey_traditional(out.get(), key.get(), EVP_aes_128_cbc(), phrase, static_cast<int>(passphrase.size()), nullptr, nullptr);
    else PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), passphrase.data(), static_cast<int>(passphrase.size()), nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
};

class Authority {
 public:
  explicit Authority(const std::string& name = "Test Root") : key_(new_key()) {
    certificate_ = sign({.common_name = name, .not_after_s = 3650L * 86400, .is_authority = true}, key_.get(), nullptr, key_.get());
  }
  Authority(const std::string& name, const Authority& parent) : key_(new_key()) {
    certificate_ = sign({.common_name = name, .not_after_s = 1825L * 86400, .is_authority = true}, key_.get(), X509_get_subject_name(parent.certificate_.get()), parent.key_.get());
  }

  const CertificatePtr& certificate() const { return certificate_; }
  const KeyPtr& key() const { return key_; }
  std::string pem() const { return pem_of(certificate_.get()); }
  Issued issue(const Wish& wish, KeyPtr key = new_key()) const { return {sign(wish, key.get(), X509_get_subject_name(certificate_.get()), key_.get()), key}; }
  CertificatePtr issue_raw(const Wish& wish, EVP_PKEY* key, GENERAL_NAMES* names) const { return sign(wish, key, X509_get_subject_name(certificate_.get()), key_.get(), names); }
  // As an authority would: the request's key and names, unless the wish has its own.
  std::string answer(const std::string& request_pem, Wish wish) const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(request_pem.data(), static_cast<int>(request_pem.size())), &BIO_free);
    const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr), &X509_REQ_free);
    if (wish.names.empty()) {
      const auto facts = read_request(request_pem, "request");
      for (const tls::CertificateName& name : facts->names) wish.names += (wish.names.empty() ? "" : ",") + text_of(name);
    }
    return pem_of(sign(wish, X509_REQ_get0_pubkey(request.get()), X509_get_subject_name(certificate_.get()), key_.get()).get());
  }

 private:
  KeyPtr key_;
  CertificatePtr certificate_;
};

}  // namespace sallyport::certificates::test
