// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/jws.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <span>

#include "controlplane/sip/base64.h"

namespace sallyport::acme {
namespace {

std::span<const std::uint8_t> octets(std::string_view bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}; }

std::string flattened(const std::string& protected_part, const std::string& payload_part, std::string_view signature) {
  return R"({"protected":")" + protected_part + R"(","payload":")" + payload_part + R"(","signature":")" + base64url(signature) + "\"}";
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string text;
  sip::encode_base64(sip::Base64::url, octets(bytes), text);
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  const auto length = sip::decode_base64(sip::Base64::url, text, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  if (!length) return std::nullopt;
  bytes.resize(*length);
  return bytes;
}

std::string sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string json_string(std::string_view text) {
  const boost::json::string_view view(text.data(), text.size());
  return boost::json::serialize(view);
}

Outcome<std::string> sign_jws(const AccountKey& key, const JwsHeader& header, std::string_view payload) {
  std::string head = std::string(R"({"alg":")") + key.algorithm_name() + "\"";
  head += header.account_url.empty() ? ",\"jwk\":" + key.jwk() : ",\"kid\":" + json_string(header.account_url);
  if (!header.nonce.empty()) head += ",\"nonce\":" + json_string(header.nonce);
  head += ",\"url\":" + json_string(header.url) + "}";
  const std::string protected_part = base64url(head), payload_part = base64url(payload);
  const auto signature = key.sign(protected_part + "." + payload_part);
  if (!signature) return signature.fault();
  return flattened(protected_part, payload_part, *signature);
}

Outcome<std::string> bind_external_account(const AccountKey& key, const std::string& new_account_url, const std::string& key_id, std::string_view hmac_key_text) {
  auto secret = decode_base64url(hmac_key_text);
  if (!secret || secret->empty()) return Fault{FaultCode::invalid, "external account " + key_id, "its HMAC key is not base64url", "copy the key from the authority again, without blanks"};
  const std::string head = R"({"alg":"HS256","kid":)" + json_string(key_id) + ",\"url\":" + json_string(new_account_url) + "}";
  const std::string protected_part = base64url(head), payload_part = base64url(key.jwk());
  const std::string text = protected_part + "." + payload_part;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> mac{};
  unsigned length = 0;
  const bool fine = HMAC(EVP_sha256(), secret->data(), static_cast<int>(secret->size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &length) != nullptr;
  OPENSSL_cleanse(secret->data(), secret->size());
  if (!fine) return Fault{FaultCode::internal, "external account " + key_id, "OpenSSL could not compute its HMAC", ""};
  return flattened(protected_part, payload_part, {reinterpret_cast<const char*>(mac.data()), length});
}

std::string key_authorization(std::string_view token, const AccountKey& key) { return std::string(token) + "." + key.thumbprint(); }

}  // namespace sallyport::acme
