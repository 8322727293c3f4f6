// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/contact_binding.h"

#include <openssl/sha.h>

#include <array>
#include <cstring>
#include <span>

#include "controlplane/sip/base64.h"

namespace sallyport::proxy {

namespace {

std::span<const uint8_t> bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// The token signs 64 bits: a digest of what it guards.
uint64_t digest_of(std::string_view payload) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(bytes_of(payload).data(), payload.size(), digest.data());
  uint64_t value;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

}  // namespace

std::string encode_binding(const ContactBinding& binding, const sip::FlowTokens& tokens) {
  std::string payload(reinterpret_cast<const char*>(&binding.link_id), sizeof binding.link_id);
  payload.append(binding.contact_uri).append("\n").append(binding.path);
  std::string text = tokens.encode(digest_of(payload));
  sip::encode_base64(sip::Base64::url, bytes_of(payload), text);
  return text.size() <= max_binding_chars ? text : std::string{};
}

std::optional<ContactBinding> decode_binding(std::string_view user, const sip::FlowTokens& tokens) {
  if (user.size() <= sip::FlowTokens::token_chars || user.size() > max_binding_chars) return std::nullopt;
  const auto digest = tokens.verify(user.substr(0, sip::FlowTokens::token_chars));
  std::array<uint8_t, max_binding_chars> buffer;
  const auto size = sip::decode_base64(sip::Base64::url, user.substr(sip::FlowTokens::token_chars), buffer);
  ContactBinding binding;
  if (!digest || !size || *size < sizeof binding.link_id) return std::nullopt;
  const std::string_view payload(reinterpret_cast<const char*>(buffer.data()), *size);
  if (digest_of(payload) != *digest) return std::nullopt;
  std::memcpy(&binding.link_id, payload.data(), sizeof binding.link_id);
  const std::string_view rest = payload.substr(sizeof binding.link_id);
  const size_t split = rest.find('\n');
  if (split == std::string_view::npos) return std::nullopt;
  binding.contact_uri = rest.substr(0, split);
  binding.path = rest.substr(split + 1);
  return binding;
}

}  // namespace sallyport::proxy
