// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hexadecimal text of the RFCs as bytes, and one packet through the burst engine. For the srtp_rfc*_test.cc programs.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/srtp_burst.h"

namespace sallyport::dataplane {

using Bytes = std::vector<uint8_t>;

inline int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

inline Bytes bytes_of(std::string_view text) {
  Bytes bytes;
  int high = -1;
  for (const char digit : text) {
    const int value = hex_digit(digit);
    if (value < 0) continue;
    if (high >= 0) bytes.push_back(static_cast<uint8_t>(high << 4 | value));
    high = high >= 0 ? -1 : value;
  }
  return bytes;
}

inline std::string hex_of(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

inline SrtpSessionKeys& fill_session_keys(SrtpSessionKeys& keys, std::string_view cipher_key, std::string_view salt) {
  const Bytes key = bytes_of(cipher_key);
  const Bytes salt_bytes = bytes_of(salt);
  std::copy(key.begin(), key.end(), keys.cipher_key);
  std::copy(salt_bytes.begin(), salt_bytes.end(), keys.salt);
  return keys;
}

class SrtpVector : public testing::Test {
 protected:
  SrtpVector() : engine_(std::move(drivers::CryptoEngine::create().value())), burst_(engine_) {}

  enum class Direction { open, seal };

  // The packet afterwards, empty when the verdict was not ok.
  Bytes pass(Direction direction, const SrtpContext& context, SrtpStreamState& state, Bytes packet) {
    const size_t length = packet.size();
    packet.resize(length + 64);
    SrtpJob job{packet.data(), static_cast<uint32_t>(length), 64, &context, &state, SrtpVerdict::malformed};
    if (direction == Direction::open)
      burst_.open({&job, 1});
    else
      burst_.seal({&job, 1});
    packet.resize(job.verdict == SrtpVerdict::ok ? job.length_bytes : 0);
    return packet;
  }

  // Key stream blocks `first` to `first + count` of a session key and salt with SSRC and index zero.
  std::string key_stream(std::string_view session_key, std::string_view salt, size_t first, size_t count) {
    const Bytes key = bytes_of(session_key);
    Bytes iv = bytes_of(salt);
    iv.resize(16);
    alignas(16) uint8_t round_keys[15 * 16];
    engine_.expand_aes_key(key.data(), key.size(), round_keys);
    Bytes stream((first + count) * 16);
    IMB_JOB job;
    drivers::CryptoEngine::prepare_ctr_job(job);
    job.enc_keys = job.dec_keys = round_keys;
    job.key_len_in_bytes = key.size();
    job.src = job.dst = stream.data();
    job.msg_len_to_cipher_in_bytes = stream.size();
    job.iv = iv.data();
    engine_.cipher_ctr({&job, 1}, key.size());
    return hex_of(std::span(stream).subspan(first * 16));
  }

  drivers::CryptoEngine engine_;
  SrtpBurst burst_;
};

}  // namespace sallyport::dataplane
