// SPDX-License-Identifier: Apache-2.0
#pragma once
// CryptoAttribute: an SDES key of an a=crypto line (RFC 4568, RFC 6188, RFC 7714). Only C includes this; E passes the
// lines on unread. MasterKey is move-only and wipes itself; format() is the only way out of it into text, and the
// caller wipes that text. Refused: suites not listed, key lengths that do not fit, several keys a line, session
// parameters that weaken SRTP.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controlplane/sip/sdp.h"

namespace sallyport::sip {

enum class CryptoSuite : std::uint8_t {
  aead_aes_256_gcm,
  aead_aes_128_gcm,
  aes_256_cm_hmac_sha1_80,
  aes_cm_128_hmac_sha1_80,
  aes_cm_128_hmac_sha1_32,
};
// Strongest first: the order in which they are offered.
constexpr std::array<CryptoSuite, 5> crypto_suites = {
    CryptoSuite::aead_aes_256_gcm, CryptoSuite::aead_aes_128_gcm, CryptoSuite::aes_256_cm_hmac_sha1_80,
    CryptoSuite::aes_cm_128_hmac_sha1_80, CryptoSuite::aes_cm_128_hmac_sha1_32};

struct CryptoSuiteFacts {
  std::string_view name;
  std::uint8_t key_bytes, salt_bytes, tag_bytes;
};
const CryptoSuiteFacts& facts(CryptoSuite suite);
std::optional<CryptoSuite> crypto_suite(std::string_view name);  // case-insensitive

class MasterKey {
 public:
  static constexpr std::size_t max_bytes = 46;
  MasterKey() = default;
  // Precondition: bytes is key ‖ salt of that suite's length.
  MasterKey(CryptoSuite suite, std::span<const std::uint8_t> bytes);
  MasterKey(MasterKey&& other) noexcept;
  MasterKey& operator=(MasterKey&& other) noexcept;
  ~MasterKey();

  // Fresh from the operating system's generator.
  static MasterKey generate(CryptoSuite suite);
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), length_}; }
  std::span<const std::uint8_t> key() const { return bytes().first(key_length_); }
  std::span<const std::uint8_t> salt() const { return bytes().subspan(key_length_); }
  bool empty() const { return length_ == 0; }

 private:
  void wipe();
  std::array<std::uint8_t, max_bytes> bytes_{};
  std::uint8_t length_ = 0, key_length_ = 0;
};

struct CryptoAttribute {
  std::uint32_t tag = 0;
  CryptoSuite suite = CryptoSuite::aes_cm_128_hmac_sha1_80;
  MasterKey key;
  std::uint64_t lifetime_packets = 0;  // 0: not given, the suite's default
  std::uint32_t mki = 0;
  std::uint8_t mki_bytes = 0;  // 0: no MKI
};

struct CryptoResult {
  std::optional<CryptoAttribute> attribute;
  std::string_view refusal;  // static text when there is no attribute: "unknown suite"
};
// `line` is an a=crypto line of a parsed Sdp.
CryptoResult read_crypto(const SdpLine& line);
// "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:..." appended to out, no line end.
void format_crypto(const CryptoAttribute& attribute, std::string& out);
// Overwrites a string that held key text, then empties it.
void wipe(std::string& text);

}  // namespace sallyport::sip
