// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_context.h"

#include <algorithm>
#include <cstring>

namespace sallyport::dataplane {

void SrtpContext::expand(drivers::CryptoEngine& engine, const SrtpKeys& keys, SrtpUse use, uint8_t mki_length_bytes) {
  SrtpSessionKeys session;
  derive_session_keys(engine, keys, use, session);
  expand_session(engine, keys.suite(), session, use, mki_length_bytes);
}

void SrtpContext::expand_session(drivers::CryptoEngine& engine, SrtpSuite suite, const SrtpSessionKeys& session, SrtpUse use,
                                 uint8_t mki_length_bytes) {
  wipe();
  const SrtpSuiteInfo& info = srtp_suite_info(suite);
  if (info.is_gcm) {
    std::memcpy(gcm_salt_, session.salt, sizeof gcm_salt_);
    engine.expand_gcm_key(session.cipher_key, info.key_length_bytes, gcm_);
  } else {
    std::memcpy(cm_.salt, session.salt, sizeof session.salt);
    engine.expand_aes_key(session.cipher_key, info.key_length_bytes, cm_.round_keys);
    engine.expand_hmac_key(session.auth_key, ipad_state_, opad_state_);
  }
  is_gcm_ = info.is_gcm;
  is_rtcp_ = use == SrtpUse::rtcp;
  tag_length_ = is_rtcp_ ? info.rtcp_tag_length_bytes : info.rtp_tag_length_bytes;
  mki_length_ = static_cast<uint8_t>(std::min<size_t>(mki_length_bytes, kMaxMkiBytes));
  key_length_ = info.key_length_bytes;
}

void SrtpContext::wipe() {
  wipe_secret(ipad_state_, sizeof ipad_state_);
  wipe_secret(opad_state_, sizeof opad_state_);
  wipe_secret(gcm_salt_, sizeof gcm_salt_);
  wipe_secret(&gcm_, sizeof gcm_);
  key_length_ = tag_length_ = mki_length_ = 0;
  is_gcm_ = is_rtcp_ = false;
}

}  // namespace sallyport::dataplane
