// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/base64.h"

#include <array>

namespace sallyport::sip {
namespace {

constexpr std::string_view common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view standard_tail = "+/";
constexpr std::string_view url_tail = "-_";

char digit(Base64 alphabet, unsigned value) {
  if (value < common.size()) return common[value];
  return (alphabet == Base64::url ? url_tail : standard_tail)[value - common.size()];
}

// -1: not of this alphabet. Arithmetic, no table: key material is looked up nowhere that a cache would remember.
int value_of(Base64 alphabet, char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  const std::string_view tail = alphabet == Base64::url ? url_tail : standard_tail;
  if (c == tail[0]) return 62;
  return c == tail[1] ? 63 : -1;
}

}  // namespace

void encode_base64(Base64 alphabet, std::span<const std::uint8_t> bytes, std::string& out) {
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const unsigned group = static_cast<unsigned>(bytes[i]) << 16 | bytes[i + 1] << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) out.push_back(digit(alphabet, group >> shift & 63));
  }
  const std::size_t left = bytes.size() - i;
  if (left == 0) return;
  const unsigned group = static_cast<unsigned>(bytes[i]) << 16 | (left == 2 ? bytes[i + 1] << 8 : 0);
  out.push_back(digit(alphabet, group >> 18 & 63));
  out.push_back(digit(alphabet, group >> 12 & 63));
  if (left == 2) out.push_back(digit(alphabet, group >> 6 & 63));
  if (alphabet == Base64::standard) out.append(3 - left, '=');
}

std::optional<std::size_t> decode_base64(Base64 alphabet, std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() % 4 == 0 && !text.empty() && text.back() == '=') {
    text.remove_suffix(text[text.size() - 2] == '=' ? 2 : 1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::size_t written = 0;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    const int value = value_of(alphabet, c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(value);
    held += 6;
    if (held < 8) continue;
    if (written == out.size()) return std::nullopt;
    held -= 8;
    out[written++] = static_cast<std::uint8_t>(bits >> held & 0xff);
  }
  // Spare bits must be zero, so that one value has one spelling.
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return written;
}

}  // namespace sallyport::sip
