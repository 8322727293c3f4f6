// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/challenge_certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "controlplane/acme/jws.h"

namespace sallyport::acme {
namespace {

constexpr const char* identifier_oid = "1.3.6.1.5.5.7.1.31";  // id-pe-acmeIdentifier
constexpr long life_s = 86400;

using Extension = std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)>;

bool add(X509* certificate, X509_EXTENSION* made) {
  const Extension extension(made, &X509_EXTENSION_free);
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// An OCTET STRING of 32 octets within the extension's own OCTET STRING.
X509_EXTENSION* identifier_extension(const std::string& digest) {
  const std::string der = std::string("\x04\x20", 2) + digest;
  const std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> value(ASN1_OCTET_STRING_new(), &ASN1_OCTET_STRING_free);
  const std::unique_ptr<ASN1_OBJECT, decltype(&ASN1_OBJECT_free)> oid(OBJ_txt2obj(identifier_oid, 1), &ASN1_OBJECT_free);
  if (value == nullptr || oid == nullptr || ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size())) != 1) return nullptr;
  return X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 1, value.get());
}

// Made of parts, not of OpenSSL's configuration text, in which a name could smuggle commas.
X509_EXTENSION* name_extension(const std::string& domain) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(sk_GENERAL_NAME_new_null(), &GENERAL_NAMES_free);
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  if (names == nullptr || name == nullptr || text == nullptr || ASN1_STRING_set(text, domain.data(), static_cast<int>(domain.size())) != 1) {
    GENERAL_NAME_free(name);
    ASN1_IA5STRING_free(text);
    return nullptr;
  }
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  sk_GENERAL_NAME_push(names.get(), name);
  return X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get());
}

bool fill(X509* certificate, EVP_PKEY* key, const std::string& domain, const std::string& digest) {
  unsigned char serial_bytes[16];
  if (RAND_bytes(serial_bytes, sizeof serial_bytes) != 1) return false;
  serial_bytes[0] &= 0x7f;
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> serial(BN_bin2bn(serial_bytes, sizeof serial_bytes, nullptr), &BN_free);
  X509_NAME* name = X509_get_subject_name(certificate);
  constexpr const char* common_name = "ACME challenge";
  return serial != nullptr && X509_set_version(certificate, X509_VERSION_3) == 1 && BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != nullptr && X509_gmtime_adj(X509_getm_notAfter(certificate), life_s) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0) == 1 && X509_set_issuer_name(certificate, name) == 1 &&
         X509_set_pubkey(certificate, key) == 1 && add(certificate, name_extension(domain)) && add(certificate, identifier_extension(digest)) &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

Outcome<ChallengeCertificate> make_challenge_certificate(const std::string& domain, const std::string& key_authorization) {
  ChallengeCertificate made;
  made.key.reset(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  made.certificate.reset(X509_new(), &X509_free);
  const bool fine = made.key != nullptr && made.certificate != nullptr && fill(made.certificate.get(), made.key.get(), domain, sha256(key_authorization));
  if (fine) return made;
  ERR_clear_error();
  return Fault{FaultCode::internal, "tls-alpn-01 challenge for " + domain, "OpenSSL could not make its certificate", ""};
}

}  // namespace sallyport::acme
