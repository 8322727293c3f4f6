// SPDX-License-Identifier: Apache-2.0
#pragma once
// libsrtp2 as the oracle: one session with a master key of ours, for one SSRC or any, with a window as long as ours.
// One packet at a time; the verdict in our words. For the differential test and the benchmark.

#include <srtp2/srtp.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include "dataplane/srtp_keys.h"
#include "dataplane/srtp_verdict.h"

namespace sallyport::dataplane {

class SrtpOracle {
 public:
  enum class Role { sender, receiver };

  SrtpOracle(Role role, const SrtpKeys& keys, std::optional<uint32_t> ssrc = std::nullopt) {
    [[maybe_unused]] static const srtp_err_status_t started = srtp_init();
    srtp_policy_t policy{};
    set_suite(keys.suite(), policy);
    std::vector<uint8_t> key(keys.master_key().begin(), keys.master_key().end());
    key.insert(key.end(), keys.master_salt().begin(), keys.master_salt().end());
    key.resize(SRTP_MAX_KEY_LEN);
    policy.ssrc.type = ssrc ? ssrc_specific : role == Role::sender ? ssrc_any_outbound : ssrc_any_inbound;
    policy.ssrc.value = ssrc.value_or(0);
    policy.key = key.data();
    policy.window_size = 256;
    if (srtp_create(&session_, &policy) != srtp_err_status_ok) std::abort();
  }
  ~SrtpOracle() { srtp_dealloc(session_); }
  SrtpOracle(const SrtpOracle&) = delete;
  SrtpOracle& operator=(const SrtpOracle&) = delete;

  SrtpVerdict seal(bool is_rtcp, uint8_t* packet, int& length_bytes) {
    const SrtpVerdict verdict =
        verdict_of(is_rtcp ? srtp_protect_rtcp(session_, packet, &length_bytes) : srtp_protect(session_, packet, &length_bytes));
    return verdict == SrtpVerdict::replay ? SrtpVerdict::duplicate_index : verdict;
  }
  SrtpVerdict open(bool is_rtcp, uint8_t* packet, int& length_bytes) {
    return verdict_of(is_rtcp ? srtp_unprotect_rtcp(session_, packet, &length_bytes)
                              : srtp_unprotect(session_, packet, &length_bytes));
  }

 private:
  static void set_suite(SrtpSuite suite, srtp_policy_t& policy) {
    switch (suite) {
      case SrtpSuite::aes_cm_128_hmac_sha1_80:
        srtp_crypto_policy_set_rtp_default(&policy.rtp);
        srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
        break;
      case SrtpSuite::aes_cm_128_hmac_sha1_32:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp);
        srtp_crypto_policy_set_rtcp_default(&policy.rtcp);  // RFC 4568 6.2.2: RTCP keeps 80 bits
        break;
      case SrtpSuite::aes_256_cm_hmac_sha1_80:
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtcp);
        break;
      case SrtpSuite::aead_aes_128_gcm:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
        break;
      case SrtpSuite::aead_aes_256_gcm:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp);
        break;
    }
  }

  static SrtpVerdict verdict_of(srtp_err_status_t status) {
    switch (status) {
      case srtp_err_status_ok: return SrtpVerdict::ok;
      case srtp_err_status_replay_fail: return SrtpVerdict::replay;
      case srtp_err_status_replay_old: return SrtpVerdict::too_old;
      case srtp_err_status_auth_fail: return SrtpVerdict::auth_failed;
      case srtp_err_status_key_expired: return SrtpVerdict::key_limit;
      default: return SrtpVerdict::malformed;
    }
  }

  srtp_t session_ = nullptr;
};

}  // namespace sallyport::dataplane
