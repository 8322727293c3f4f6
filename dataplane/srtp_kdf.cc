// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_kdf.h"

#include <algorithm>
#include <cstring>

namespace sallyport::dataplane {
namespace {

// RFC 3711 4.3.1: with a derivation rate of 0 the packet index does not enter, so the key_id is the label alone and stands
// in the byte seven places from the right of the 14-byte salt. 4.3.3: the two bytes behind are the block counter.
void build_prf_iv(std::span<const uint8_t> master_salt, uint8_t label, uint8_t* iv) {
  std::memset(iv, 0, 16);
  std::copy(master_salt.begin(), master_salt.end(), iv);
  iv[7] ^= label;
}

}  // namespace

void derive_session_keys(drivers::CryptoEngine& engine, const SrtpKeys& keys, SrtpUse use, SrtpSessionKeys& out) {
  const SrtpSuiteInfo& info = srtp_suite_info(keys.suite());
  alignas(16) uint8_t round_keys[15 * 16];
  engine.expand_aes_key(keys.master_key().data(), info.key_length_bytes, round_keys);

  // RFC 3711 4.3.2: labels 0, 1, 2 for RTP and 3, 4, 5 for RTCP: cipher key, authentication key, salt.
  const struct {
    uint8_t* out;
    size_t length_bytes;
  } parts[] = {{out.cipher_key, info.key_length_bytes}, {out.auth_key, kHmacSha1KeyBytes}, {out.salt, info.salt_length_bytes}};

  IMB_JOB jobs[3];
  alignas(16) uint8_t ivs[3][16];
  for (uint8_t part = 0; part < 3; ++part) {
    build_prf_iv(keys.master_salt(), static_cast<uint8_t>(part + (use == SrtpUse::rtcp ? 3 : 0)), ivs[part]);
    std::memset(parts[part].out, 0, parts[part].length_bytes);
    drivers::CryptoEngine::prepare_ctr_job(jobs[part]);
    jobs[part].enc_keys = jobs[part].dec_keys = round_keys;
    jobs[part].key_len_in_bytes = info.key_length_bytes;
    jobs[part].src = jobs[part].dst = parts[part].out;
    jobs[part].msg_len_to_cipher_in_bytes = parts[part].length_bytes;
    jobs[part].iv = ivs[part];
  }
  engine.cipher_ctr(jobs, info.key_length_bytes);
  wipe_secret(round_keys, sizeof round_keys);
}

}  // namespace sallyport::dataplane
