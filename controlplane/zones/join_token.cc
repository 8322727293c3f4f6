// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/join_token.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "controlplane/sip/base64.h"

namespace sallyport::zones {
namespace {

constexpr std::string_view mark = "sp1-";
constexpr std::size_t fixed_bytes = 2 + 8 + 16 + 32, check_bytes = 4, most_host_chars = 253;
constexpr std::size_t most_token_chars = 512;

std::span<const std::uint8_t> octets(std::string_view bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}; }

std::string check_of(std::string_view bytes) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(octets(bytes).data(), bytes.size(), digest.data());
  return std::string(reinterpret_cast<const char*>(digest.data()), check_bytes);
}

template <std::size_t size>
std::string hex(const std::array<std::uint8_t, size>& bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

template <std::size_t size>
void append(std::string& to, const std::array<std::uint8_t, size>& bytes) {
  to.append(reinterpret_cast<const char*>(bytes.data()), size);
}

template <std::size_t size>
void take(std::string_view& from, std::array<std::uint8_t, size>& bytes) {
  std::memcpy(bytes.data(), from.data(), size);
  from.remove_prefix(size);
}

Fault unusable(const char* cause) { return {FaultCode::invalid, "join token", cause, "copy the whole line that `sallyport pair` printed on E"}; }

}  // namespace

std::string JoinToken::text() const {
  std::string bytes{static_cast<char>(port >> 8), static_cast<char>(port & 0xff)};
  append(bytes, id);
  append(bytes, secret);
  append(bytes, authority_key);
  bytes += host;
  bytes += check_of(bytes);
  std::string token(mark);
  sip::encode_base64(sip::Base64::url, octets(bytes), token);
  return token;
}

Outcome<JoinToken> JoinToken::parse(std::string_view text) {
  if (text.size() > most_token_chars) return unusable("is longer than any token");
  if (!text.starts_with(mark)) return unusable("does not begin with sp1-");
  std::string bytes(text.size(), '\0');
  const auto length = sip::decode_base64(sip::Base64::url, text.substr(mark.size()), {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  if (!length) return unusable("holds characters that no token has");
  bytes.resize(*length);
  if (bytes.size() <= fixed_bytes + check_bytes) return unusable("was cut short");
  std::string_view rest(bytes);
  const std::string_view check = rest.substr(rest.size() - check_bytes);
  rest.remove_suffix(check_bytes);
  if (check != check_of(rest)) return unusable("is damaged: its check does not fit");
  JoinToken token;
  token.port = static_cast<std::uint16_t>(static_cast<std::uint8_t>(rest[0]) << 8 | static_cast<std::uint8_t>(rest[1]));
  rest.remove_prefix(2);
  take(rest, token.id);
  take(rest, token.secret);
  take(rest, token.authority_key);
  token.host = rest;
  const bool odd = std::any_of(token.host.begin(), token.host.end(), [](char c) { return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == ':'); });
  if (token.port == 0 || token.host.size() > most_host_chars || odd) return unusable("names no host and port");
  return token;
}

std::string JoinToken::id_text() const { return hex(id); }
std::string JoinToken::secret_text() const { return hex(secret); }
std::string JoinToken::authority_key_text() const { return hex(authority_key); }

}  // namespace sallyport::zones
