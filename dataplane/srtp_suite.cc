// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_suite.h"

namespace sallyport::dataplane {
namespace {

constexpr SrtpSuiteInfo kSuites[] = {
    {"AES_CM_128_HMAC_SHA1_80", "aes128cm_sha1_80", 16, 14, 10, 10, false},
    {"AES_CM_128_HMAC_SHA1_32", "aes128cm_sha1_32", 16, 14, 4, 10, false},
    {"AES_256_CM_HMAC_SHA1_80", "aes256cm_sha1_80", 32, 14, 10, 10, false},
    {"AEAD_AES_128_GCM", "aes128gcm", 16, 12, 16, 16, true},
    {"AEAD_AES_256_GCM", "aes256gcm", 32, 12, 16, 16, true},
};
constexpr uint8_t kSuiteCount = sizeof kSuites / sizeof kSuites[0];

}  // namespace

const SrtpSuiteInfo* find_srtp_suite(uint8_t number) {
  return number >= 1 && number <= kSuiteCount ? &kSuites[number - 1] : nullptr;
}

std::optional<SrtpSuite> srtp_suite_by_sdes_name(std::string_view name) {
  for (uint8_t at = 0; at < kSuiteCount; ++at)
    if (kSuites[at].sdes_name == name) return static_cast<SrtpSuite>(at + 1);
  return std::nullopt;
}

const SrtpSuiteInfo& srtp_suite_info(SrtpSuite suite) { return kSuites[static_cast<uint8_t>(suite) - 1]; }

}  // namespace sallyport::dataplane
