// SPDX-License-Identifier: Apache-2.0
#pragma once
// Character classes of the SIP grammar as one table look-up, and the scan that finds where a line ends.
// Header-only because the parser asks per byte; pure functions, any thread.

#include <array>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sallyport::sip {

enum CharClass : std::uint8_t {
  char_token = 1,       // RFC 3261 25.1 token
  char_lws = 2,         // SP, HT, CR, LF: inside a header value CR and LF only occur as part of a fold
  char_param_name = 4,  // token, and what URI parameter names hold beyond it
  char_param_value =
      8,  // of an unquoted value (token, host, IPv6 reference): no blank, quote, comma, semicolon or angle bracket
  char_host = 16,     // reg-name; '_' stands in real host names
  char_not_uri = 32,  // blanks, controls, quotes, angle brackets
  char_hex = 64,
  char_uri_mark = 128,  // what divides a URI into its parts
};

namespace char_class_detail {

constexpr bool contains(std::string_view set, char c) {
  return set.find(c) != std::string_view::npos;
}

constexpr std::array<std::uint8_t, 256> make_table() {
  std::array<std::uint8_t, 256> table{};
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool is_digit = c >= '0' && c <= '9';
    const bool is_alnum = is_digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_token = is_alnum || (c != 0 && contains("-.!%*_+`'~", c));
    const bool is_lws = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    std::uint8_t bits = 0;
    if (is_token) bits |= char_token | char_param_name;
    if (is_lws) bits |= char_lws;
    if (c != 0 && contains("[]/:&$()", c)) bits |= char_param_name;
    if (!is_lws && !contains("\",;<>", c)) bits |= char_param_value;
    if (is_alnum || c == '-' || c == '.' || c == '_') bits |= char_host;
    if (i <= ' ' || i == 0x7f || contains("<>\"", c)) bits |= char_not_uri;
    if (c != 0 && contains(":@;?%", c)) bits |= char_uri_mark;
    if (is_digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= char_hex;
    table[static_cast<std::size_t>(i)] = bits;
  }
  return table;
}
inline constexpr std::array<std::uint8_t, 256> table = make_table();

}  // namespace char_class_detail

inline bool is_in(char c, std::uint8_t classes) {
  return (char_class_detail::table[static_cast<unsigned char>(c)] & classes) != 0;
}
inline bool all_in(std::string_view text, std::uint8_t classes) {
  for (const char c : text) {
    if (!is_in(c, classes)) return false;
  }
  return true;
}

// First control character other than HT in [at, end), or end. One test finds line ends and everything that may not
// stand in a line.
inline const char* find_control(const char* at, const char* end) {
#if defined(__SSE2__)
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  for (; end - at >= 16; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, last_control), block);
    const int mask = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(block, tab), control));
    if (mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  while (at != end && (static_cast<unsigned char>(*at) >= 0x20 || *at == '\t')) ++at;
  return at;
}

// First `wanted` in [at, end), or end; for short distances, where a call of memchr costs more than it saves.
inline const char* find_near(const char* at, const char* end, char wanted) {
#if defined(__SSE2__)
  const __m128i pattern = _mm_set1_epi8(wanted);
  for (; end - at >= 16; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(block, pattern));
    if (mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  while (at != end && *at != wanted) ++at;
  return at;
}

}  // namespace sallyport::sip
