// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key derivation of RFC 3711 4.3 with key derivation rate 0: session keys from the master key, once for each use.
// The PRF is AES-CM with a key as long as the master key (RFC 6188 for 256 bits); 12-byte salts are padded (RFC 7714 11).
// Called when a flow is added, on the lcore that owns the engine. No allocation.

#include <cstdint>

#include "dataplane/srtp_keys.h"
#include "drivers/crypto_engine.h"

namespace sallyport::dataplane {

enum class SrtpUse : uint8_t { rtp = 0, rtcp = 1 };

inline constexpr size_t kHmacSha1KeyBytes = 20;

struct SrtpSessionKeys {
  alignas(16) uint8_t cipher_key[kMaxMasterKeyBytes] = {};
  uint8_t auth_key[kHmacSha1KeyBytes] = {};  // unused by GCM suites
  uint8_t salt[kMaxMasterSaltBytes] = {};

  SrtpSessionKeys() = default;
  SrtpSessionKeys(const SrtpSessionKeys&) = delete;
  SrtpSessionKeys& operator=(const SrtpSessionKeys&) = delete;
  ~SrtpSessionKeys() { wipe_secret(this, sizeof *this); }
};

void derive_session_keys(drivers::CryptoEngine& engine, const SrtpKeys& keys, SrtpUse use, SrtpSessionKeys& out);

}  // namespace sallyport::dataplane
