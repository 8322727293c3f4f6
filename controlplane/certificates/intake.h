// SPDX-License-Identifier: Apache-2.0
#pragma once
// Intake: certificates and keys as an operator or an authority hands them in (PEM), taken apart within limits and put in order.
// Every Fault names the file, the certificate in it, the cause and the remedy. Pure but for OpenSSL's objects; any thread.

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/store/secret.h"
#include "controlplane/tls/certificate_names.h"
#include "controlplane/tls/credential.h"
#include "dataplane/abi/fault.h"

namespace sallyport::certificates {

inline constexpr std::size_t max_pem_bytes = 512 << 10;
inline constexpr std::size_t max_chain_certificates = 10;
inline constexpr std::size_t max_bundle_certificates = 500;  // a file of all public authorities has about 140
inline constexpr std::size_t max_certificate_names = 1000;
inline constexpr int max_rsa_bits = 8192;                    // a handshake with 16,384 bits takes most of a second
inline constexpr int min_rsa_bits = 2048;                    // C18

using CertificatePtr = std::shared_ptr<X509>;
using KeyPtr = std::shared_ptr<EVP_PKEY>;

// All certificates of a text, in its order, each with the limits above. `most`: how many there may be.
Outcome<std::vector<CertificatePtr>> read_certificates(std::string_view pem, const std::string& file, std::size_t most);

// The one key of a text (PKCS#8, PKCS#1, SEC1). Encrypted without a passphrase is refused with that reason (C25).
Outcome<KeyPtr> read_private_key(std::string_view pem, const std::string& file, const store::Secret* passphrase);
bool holds_private_key(std::string_view pem);

// RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384; RSA 1024 only where that is allowed (C12, C18). DSA and the rest are refused.
Outcome<tls::KeyFamily> judge_key(EVP_PKEY* key, const std::string& subject, bool allow_weak);
std::string key_text(EVP_PKEY* key);  // "RSA 2048", "ECDSA P-256"

struct OrderedChain {
  std::vector<CertificatePtr> certificates;  // leaf first, each issued by the next; without a self-signed root
  std::vector<std::string> remarks;          // what was mended or left out
  bool is_complete = false;                  // ends at an authority that is among `known`, or at a self-signed one that was handed in
};

// Puts certificates in order: the leaf is the one whose key is `key`, or without one that which issued no other. Refused: no leaf or
// several, one that does not belong, two of one issuer and serial, a loop.
Outcome<OrderedChain> order_chain(const std::vector<CertificatePtr>& certificates, EVP_PKEY* key, const std::string& file, const std::vector<CertificatePtr>& known);

std::string pem_of(X509* certificate);
std::string pem_of(const std::vector<CertificatePtr>& certificates);
std::string decoded_text(X509* certificate);  // as `openssl x509 -text`
// DER, for the store. The key's is PKCS#8 and wipes itself.
std::string der_of(X509* certificate);
store::Secret der_of(EVP_PKEY* key);
Outcome<CertificatePtr> certificate_from_der(std::string_view der, const std::string& subject);
Outcome<KeyPtr> key_from_der(std::string_view der, const std::string& subject);
std::string public_key_digest(EVP_PKEY* key);  // SHA-256 of the SubjectPublicKeyInfo, hex
std::string authority_key_digest(X509* certificate);

}  // namespace sallyport::certificates
