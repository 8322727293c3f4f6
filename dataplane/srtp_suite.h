// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpSuite: the protection suites offered, and the lengths each one uses on the wire.
// Numbers are fixed: they cross the shared region. Any thread; constant tables only.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::dataplane {

enum class SrtpSuite : uint8_t {
  aes_cm_128_hmac_sha1_80 = 1,  // RFC 3711, RFC 4568
  aes_cm_128_hmac_sha1_32 = 2,
  aes_256_cm_hmac_sha1_80 = 3,  // RFC 6188
  aead_aes_128_gcm = 4,         // RFC 7714
  aead_aes_256_gcm = 5,
};

struct SrtpSuiteInfo {
  std::string_view sdes_name;   // as in a=crypto
  std::string_view bench_name;  // as in benchmark and metric names
  uint8_t key_length_bytes;
  uint8_t salt_length_bytes;      // of master and session salt
  uint8_t rtp_tag_length_bytes;   // RFC 4568 6.2: the _32 suite shortens RTP's tag only
  uint8_t rtcp_tag_length_bytes;
  bool is_gcm;
};

// Null for a number that is no suite: what comes from the region is checked with this.
const SrtpSuiteInfo* find_srtp_suite(uint8_t number);
std::optional<SrtpSuite> srtp_suite_by_sdes_name(std::string_view name);
// Precondition: suite is one of the enumerators.
const SrtpSuiteInfo& srtp_suite_info(SrtpSuite suite);

}  // namespace sallyport::dataplane
