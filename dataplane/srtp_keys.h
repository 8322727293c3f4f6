// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpKeys: master key and master salt of one direction of one stream. Move-only, wipes itself.
// Where the same bytes lie in the shared region their owner calls wipe_secret on removal.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/srtp_suite.h"

namespace sallyport::dataplane {

inline constexpr size_t kMaxMasterKeyBytes = 32;
inline constexpr size_t kMaxMasterSaltBytes = 14;

// Zeroes memory in a way the compiler may not drop.
void wipe_secret(void* memory, size_t length_bytes);

class SrtpKeys {
 public:
  // Nothing when the suite asks for other lengths: a short key must not be padded silently.
  static std::optional<SrtpKeys> from_bytes(SrtpSuite suite, std::span<const uint8_t> master_key,
                                            std::span<const uint8_t> master_salt);

  SrtpKeys(SrtpKeys&& other) noexcept;
  SrtpKeys& operator=(SrtpKeys&& other) noexcept;
  ~SrtpKeys() { wipe(); }

  SrtpSuite suite() const { return suite_; }
  std::span<const uint8_t> master_key() const { return {key_, srtp_suite_info(suite_).key_length_bytes}; }
  std::span<const uint8_t> master_salt() const { return {salt_, srtp_suite_info(suite_).salt_length_bytes}; }
  void wipe();

 private:
  explicit SrtpKeys(SrtpSuite suite) : suite_(suite) {}

  SrtpSuite suite_;
  uint8_t key_[kMaxMasterKeyBytes] = {};
  uint8_t salt_[kMaxMasterSaltBytes] = {};
};

}  // namespace sallyport::dataplane
