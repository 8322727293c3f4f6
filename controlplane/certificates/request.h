// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests: a key and a PKCS#10 request (RFC 2986) for it, and what became of the wishes in the certificate that came back. Pure but
// for OpenSSL's objects and its random numbers; any thread. RSA keys of 4,096 bits take up to seconds to make.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/intake.h"

namespace sallyport::certificates {

enum class KeyKind : std::uint8_t { rsa_1024, rsa_2048, rsa_3072, rsa_4096, ecdsa_p256, ecdsa_p384 };
const char* name_of(KeyKind kind);  // "rsa-2048", "ecdsa-p256"
std::optional<KeyKind> key_kind_from(std::string_view name);
tls::KeyFamily family_of(KeyKind kind);

enum class Digest : std::uint8_t { sha256, sha384, sha512 };  // C17
const char* name_of(Digest digest);
std::optional<Digest> digest_from(std::string_view name);

Outcome<KeyPtr> make_key(KeyKind kind);

struct RequestSubject {
  std::string common_name, organization, unit, locality, state, country;  // empty: left out; country: two letters
};

struct RequestWish {
  KeyKind key = KeyKind::rsa_2048;
  Digest digest = Digest::sha256;
  RequestSubject subject;
  std::vector<tls::CertificateName> names;  // of the SAN, in this order; dns, ip, xmpp_address, srv
  bool server_auth = true, client_auth = false;
};

// PEM of a request that is signed by the key.
Outcome<std::string> make_request(const RequestWish& wish, EVP_PKEY* key);

struct RequestFacts {
  std::string subject;
  std::vector<tls::CertificateName> names;
  bool server_auth = false, client_auth = false;
  std::string key_digest;  // of the public key
  std::string key;         // "RSA 2048"
  std::string digest;      // "SHA256"
};
Outcome<RequestFacts> read_request(std::string_view pem, const std::string& file);
std::string decoded_request(std::string_view pem);  // as `openssl req -text`; empty if it cannot be read
std::string request_der(std::string_view pem);

// A07: each way in which the certificate is less than, or other than, what was asked for: "the authority dropped clientAuth".
std::vector<std::string> differences(const RequestFacts& asked, X509* issued);

std::string text_of(const tls::CertificateName& name);  // "DNS:a.example", as the preview shows it

}  // namespace sallyport::certificates
