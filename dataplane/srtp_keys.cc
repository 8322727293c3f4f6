// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_keys.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

namespace sallyport::dataplane {

void wipe_secret(void* memory, size_t length_bytes) { explicit_bzero(memory, length_bytes); }

std::optional<SrtpKeys> SrtpKeys::from_bytes(SrtpSuite suite, std::span<const uint8_t> master_key,
                                             std::span<const uint8_t> master_salt) {
  const SrtpSuiteInfo& info = srtp_suite_info(suite);
  if (master_key.size() != info.key_length_bytes || master_salt.size() != info.salt_length_bytes) return std::nullopt;
  SrtpKeys keys(suite);
  std::copy(master_key.begin(), master_key.end(), keys.key_);
  std::copy(master_salt.begin(), master_salt.end(), keys.salt_);
  return keys;
}

SrtpKeys::SrtpKeys(SrtpKeys&& other) noexcept : suite_(other.suite_) {
  std::memcpy(key_, other.key_, sizeof key_);
  std::memcpy(salt_, other.salt_, sizeof salt_);
  other.wipe();
}

SrtpKeys& SrtpKeys::operator=(SrtpKeys&& other) noexcept {
  if (this == &other) return *this;
  suite_ = other.suite_;
  std::memcpy(key_, other.key_, sizeof key_);
  std::memcpy(salt_, other.salt_, sizeof salt_);
  other.wipe();
  return *this;
}

void SrtpKeys::wipe() {
  wipe_secret(key_, sizeof key_);
  wipe_secret(salt_, sizeof salt_);
}

}  // namespace sallyport::dataplane
