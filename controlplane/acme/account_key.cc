// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/account_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "controlplane/acme/jws.h"

namespace sallyport::acme {
namespace {

using BigNumber = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
constexpr int coordinate_bytes = 32;
constexpr unsigned generated_rsa_bits = 3072;

Fault key_fault(std::string cause) {
  ERR_clear_error();
  return Fault{FaultCode::invalid, "ACME account key", std::move(cause), "use a P-256 key, or an RSA key of 2048 to 8192 bits"};
}

BigNumber number(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &value);
  return BigNumber(value, &BN_free);
}

// width 0: as many bytes as it has (RFC 7518 6.3.1: no leading zero).
std::string number_text(const BIGNUM* value, int width) {
  std::string bytes(static_cast<size_t>(width == 0 ? BN_num_bytes(value) : width), '\0');
  if (BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) < 0) return "";
  return base64url(bytes);
}

std::string elliptic_jwk(const EVP_PKEY* key) {
  const BigNumber x = number(key, OSSL_PKEY_PARAM_EC_PUB_X), y = number(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  if (x == nullptr || y == nullptr) return "";
  return R"({"crv":"P-256","kty":"EC","x":")" + number_text(x.get(), coordinate_bytes) + R"(","y":")" + number_text(y.get(), coordinate_bytes) + "\"}";
}

std::string rsa_jwk(const EVP_PKEY* key) {
  const BigNumber n = number(key, OSSL_PKEY_PARAM_RSA_N), e = number(key, OSSL_PKEY_PARAM_RSA_E);
  if (n == nullptr || e == nullptr) return "";
  return R"({"e":")" + number_text(e.get(), 0) + R"(","kty":"RSA","n":")" + number_text(n.get(), 0) + "\"}";
}

bool is_p256(const EVP_PKEY* key) {
  char group[64] = {};
  size_t length = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 && std::string_view(group, length) == "prime256v1";
}

// OpenSSL signs in DER; a JWS wants r and s side by side (RFC 7518 3.4).
std::string raw_signature(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
  if (parts == nullptr) return "";
  std::string raw(2 * coordinate_bytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  const bool fits = BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), out, coordinate_bytes) == coordinate_bytes &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), out + coordinate_bytes, coordinate_bytes) == coordinate_bytes;
  return fits ? raw : "";
}

}  // namespace

Outcome<AccountKey> AccountKey::generate(AccountAlgorithm algorithm) {
  EVP_PKEY* made = algorithm == AccountAlgorithm::es256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(generated_rsa_bits);
  if (made == nullptr) return key_fault("OpenSSL could not make one");
  return from(std::shared_ptr<EVP_PKEY>(made, &EVP_PKEY_free));
}

Outcome<AccountKey> AccountKey::from(std::shared_ptr<EVP_PKEY> key) {
  if (key == nullptr) return key_fault("is missing");
  AccountKey account;
  if (is_p256(key.get())) {
    account.jwk_ = elliptic_jwk(key.get());
  } else if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key.get());
    if (bits < 2048 || bits > 8192) return key_fault("is an RSA key of " + std::to_string(bits) + " bits");
    account.algorithm_ = AccountAlgorithm::rs256;
    account.jwk_ = rsa_jwk(key.get());
  } else {
    return key_fault("is neither RSA nor on the curve P-256");
  }
  if (account.jwk_.empty()) return key_fault("cannot be read");
  account.thumbprint_ = base64url(sha256(account.jwk_));
  account.key_ = std::move(key);
  return account;
}

Outcome<std::string> AccountKey::sign(std::string_view text) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t length = 0;
  bool fine = context != nullptr && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &length, bytes, text.size()) == 1;
  std::string signature(length, '\0');
  fine = fine && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, bytes, text.size()) == 1;
  signature.resize(fine ? length : 0);
  if (fine && algorithm_ == AccountAlgorithm::es256) signature = raw_signature(signature);
  if (signature.empty()) return key_fault("could not sign: it has no private part");
  return signature;
}

}  // namespace sallyport::acme
