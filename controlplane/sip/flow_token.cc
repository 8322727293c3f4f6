// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/flow_token.h"

#include <cstdlib>
#include <span>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "controlplane/sip/base64.h"

namespace sallyport::sip {
namespace {

constexpr std::size_t named_bytes = 9;  // generation, flow id
constexpr std::size_t mac_bytes = 10;   // RFC 5626 5.2: HMAC truncated to 80 bits
constexpr std::size_t token_bytes = named_bytes + mac_bytes;
static_assert((token_bytes * 8 + 5) / 6 == FlowTokens::token_chars);

using TokenBytes = std::array<std::uint8_t, token_bytes>;

}  // namespace

// A keyed HMAC context, copied for every token: setting the key up costs more than the token does.
struct FlowTokens::Signer {
  std::uint8_t generation;
  std::string purpose;
  EVP_MAC* mac = nullptr;
  EVP_MAC_CTX* keyed = nullptr;

  Signer(std::string_view for_purpose, const FlowKey& key) : generation(key.generation), purpose(for_purpose) {
    mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    keyed = mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    // Without HMAC-SHA256 nothing of this program can work.
    if (keyed == nullptr || EVP_MAC_init(keyed, key.secret.data(), key.secret.size(), params) != 1 ||
        EVP_MAC_update(keyed, reinterpret_cast<const std::uint8_t*>(purpose.c_str()), purpose.size() + 1) != 1) {
      std::abort();
    }
  }
  Signer(const Signer&) = delete;
  ~Signer() {
    EVP_MAC_CTX_free(keyed);
    EVP_MAC_free(mac);
  }

  void sign(TokenBytes& token) const {
    std::uint8_t full[EVP_MAX_MD_SIZE];
    std::size_t length = 0;
    EVP_MAC_CTX* context = EVP_MAC_CTX_dup(keyed);
    if (context == nullptr || EVP_MAC_update(context, token.data(), named_bytes) != 1 ||
        EVP_MAC_final(context, full, &length, sizeof full) != 1) {
      std::abort();
    }
    EVP_MAC_CTX_free(context);
    std::copy(full, full + mac_bytes, token.begin() + named_bytes);
  }
};

FlowTokens::FlowTokens(std::string_view purpose, const FlowKey& current, const FlowKey* previous)
    : current_(std::make_unique<Signer>(purpose, current)),
      previous_(previous == nullptr ? nullptr : std::make_unique<Signer>(purpose, *previous)) {}
FlowTokens::~FlowTokens() = default;
FlowTokens::FlowTokens(FlowTokens&&) noexcept = default;
FlowTokens& FlowTokens::operator=(FlowTokens&&) noexcept = default;

void FlowTokens::encode(std::uint64_t flow_id, std::string& out) const {
  TokenBytes token;
  token[0] = current_->generation;
  for (int i = 0; i < 8; ++i) token[1 + i] = static_cast<std::uint8_t>(flow_id >> (56 - 8 * i));
  current_->sign(token);
  encode_base64(Base64::url, token, out);
}

std::string FlowTokens::encode(std::uint64_t flow_id) const {
  std::string token;
  encode(flow_id, token);
  return token;
}

std::optional<std::uint64_t> FlowTokens::verify(std::string_view text) const {
  TokenBytes token;
  if (text.size() != token_chars || decode_base64(Base64::url, text, token) != token_bytes) return std::nullopt;
  for (const Signer* signer : {current_.get(), previous_.get()}) {
    if (signer == nullptr || signer->generation != token[0]) continue;
    TokenBytes expected = token;
    signer->sign(expected);
    if (CRYPTO_memcmp(expected.data(), token.data(), token_bytes) != 0) continue;
    std::uint64_t flow_id = 0;
    for (int i = 0; i < 8; ++i) flow_id = flow_id << 8 | token[1 + i];
    return flow_id;
  }
  return std::nullopt;
}

}  // namespace sallyport::sip
