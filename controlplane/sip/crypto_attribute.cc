// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/crypto_attribute.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "controlplane/sip/base64.h"
#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

// In the order of the enumeration. RFC 4568 6.2, RFC 6188 4, RFC 7714 12: master key and salt lengths.
constexpr std::array<CryptoSuiteFacts, 5> suites = {{
    {"AEAD_AES_256_GCM", 32, 12, 16},
    {"AEAD_AES_128_GCM", 16, 12, 16},
    {"AES_256_CM_HMAC_SHA1_80", 32, 14, 10},
    {"AES_CM_128_HMAC_SHA1_80", 16, 14, 10},
    {"AES_CM_128_HMAC_SHA1_32", 16, 14, 4},
}};

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view head = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return head;
}

// lifetime = ["2^"] 1*(DIGIT), in packets; 0 when malformed or beyond SRTP's 2^48 (RFC 3711 9.2).
std::uint64_t parse_lifetime(std::string_view text) {
  constexpr std::uint64_t max_packets = std::uint64_t{1} << 48;
  if (text.starts_with("2^")) {
    const auto power = parse_number(text.substr(2), 48);
    return power ? std::uint64_t{1} << *power : 0;
  }
  std::uint64_t packets = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    packets = packets * 10 + static_cast<std::uint64_t>(c - '0');
    if (packets > max_packets) return 0;
  }
  return packets;
}

std::string lifetime_text(std::uint64_t packets) {
  return std::has_single_bit(packets) ? "2^" + std::to_string(std::countr_zero(packets)) : std::to_string(packets);
}

bool parse_mki(std::string_view text, CryptoAttribute& attribute) {
  const std::string_view value = take_until(text, ':');
  const auto mki = parse_number(value);
  const auto length = parse_number(text, 128);
  // RFC 4568 6.1 allows up to 128 bytes; values that need more than four are not in use.
  if (!mki || !length || *length == 0 || *length > 4) return false;
  if (*length < 4 && *mki >> (8 * *length) != 0) return false;
  attribute.mki = *mki;
  attribute.mki_bytes = static_cast<std::uint8_t>(*length);
  return true;
}

// "key||salt [|lifetime] [|MKI:length]"
std::string_view read_key_info(std::string_view info, CryptoAttribute& attribute) {
  const CryptoSuiteFacts& suite = facts(attribute.suite);
  const std::size_t expected = static_cast<std::size_t>(suite.key_bytes) + suite.salt_bytes;
  std::array<std::uint8_t, MasterKey::max_bytes> bytes;
  const auto length = decode_base64(Base64::standard, take_until(info, '|'), bytes);
  const bool fits = length == expected;
  if (fits) attribute.key = MasterKey(attribute.suite, std::span(bytes).first(expected));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!fits) return "key length does not fit the suite";
  while (!info.empty()) {
    const std::string_view field = take_until(info, '|');
    if (field.find(':') != std::string_view::npos) {
      if (attribute.mki_bytes != 0 || !parse_mki(field, attribute)) return "malformed MKI";
      continue;
    }
    if (attribute.lifetime_packets != 0) return "malformed lifetime";
    attribute.lifetime_packets = parse_lifetime(field);
    if (attribute.lifetime_packets == 0) return "malformed lifetime";
  }
  return {};
}

// RFC 4568 6.3: an unknown session parameter without '-' in front, and each one known, changes the SRTP stream: refuse
// instead of guessing. WSH only hints at a replay window.
bool are_session_params_harmless(std::string_view text) {
  while (!text.empty()) {
    const std::string_view param = take_until(text, ' ');
    if (!param.empty() && param.front() != '-' && !param.starts_with("WSH=")) return false;
  }
  return true;
}

}  // namespace

const CryptoSuiteFacts& facts(CryptoSuite suite) {
  return suites[static_cast<std::size_t>(suite)];
}

std::optional<CryptoSuite> crypto_suite(std::string_view name) {
  for (std::size_t i = 0; i < suites.size(); ++i) {
    if (equals_ignoring_case(suites[i].name, name)) return static_cast<CryptoSuite>(i);
  }
  return std::nullopt;
}

MasterKey::MasterKey(CryptoSuite suite, std::span<const std::uint8_t> bytes) {
  const CryptoSuiteFacts& suite_facts = facts(suite);
  if (bytes.size() != static_cast<std::size_t>(suite_facts.key_bytes) + suite_facts.salt_bytes) std::abort();
  std::memcpy(bytes_.data(), bytes.data(), bytes.size());
  length_ = static_cast<std::uint8_t>(bytes.size());
  key_length_ = suite_facts.key_bytes;
}

MasterKey::MasterKey(MasterKey&& other) noexcept
    : bytes_(other.bytes_), length_(other.length_), key_length_(other.key_length_) {
  other.wipe();
}

MasterKey& MasterKey::operator=(MasterKey&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  length_ = other.length_;
  key_length_ = other.key_length_;
  other.wipe();
  return *this;
}

MasterKey::~MasterKey() {
  wipe();
}

void MasterKey::wipe() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
  length_ = key_length_ = 0;
}

MasterKey MasterKey::generate(CryptoSuite suite) {
  MasterKey key;
  key.key_length_ = facts(suite).key_bytes;
  key.length_ = static_cast<std::uint8_t>(key.key_length_ + facts(suite).salt_bytes);
  if (RAND_priv_bytes(key.bytes_.data(), key.length_) != 1) std::abort();
  return key;
}

CryptoResult read_crypto(const SdpLine& line) {
  const auto crypto = parse_crypto(line);
  if (!crypto) return {std::nullopt, "malformed crypto attribute"};
  const auto suite = crypto_suite(crypto->suite);
  if (!suite) return {std::nullopt, "unknown suite"};
  CryptoAttribute attribute;
  attribute.tag = crypto->tag;
  attribute.suite = *suite;
  std::string_view rest = crypto->unread;
  std::string_view key_params = take_until(rest, ' ');
  constexpr std::string_view method = "inline:";
  if (key_params.size() < method.size() || !equals_ignoring_case(key_params.substr(0, method.size()), method)) {
    return {std::nullopt, "unknown key method"};
  }
  key_params.remove_prefix(method.size());
  if (key_params.find(';') != std::string_view::npos) return {std::nullopt, "several keys in one attribute"};
  if (!are_session_params_harmless(rest)) return {std::nullopt, "unsupported session parameter"};
  if (const std::string_view refusal = read_key_info(key_params, attribute); !refusal.empty()) {
    return {std::nullopt, refusal};
  }
  return {std::move(attribute), {}};
}

void format_crypto(const CryptoAttribute& attribute, std::string& out) {
  // Room at once: a string that grows leaves copies of the key behind in freed memory.
  out.reserve(out.size() + 160);
  out.append("a=crypto:").append(std::to_string(attribute.tag)).append(" ");
  out.append(facts(attribute.suite).name).append(" inline:");
  encode_base64(Base64::standard, attribute.key.bytes(), out);
  if (attribute.lifetime_packets != 0) out.append("|").append(lifetime_text(attribute.lifetime_packets));
  if (attribute.mki_bytes != 0) {
    out.append("|").append(std::to_string(attribute.mki)).append(":").append(std::to_string(attribute.mki_bytes));
  }
}

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace sallyport::sip
