// SPDX-License-Identifier: Apache-2.0
#pragma once
// The lexical level of RFC 3261 25.1: character classes, linear white space (which includes folds), case, quoted
// strings, bounded numbers. Pure functions over views, any thread, no allocation unless a std::string is returned.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/sip/char_class.h"

namespace sallyport::sip {

inline bool is_token_char(char c) {
  return is_in(c, char_token);
}
inline bool is_token(std::string_view text) {
  return !text.empty() && all_in(text, char_token);
}
inline bool is_lws(char c) {
  return is_in(c, char_lws);
}
inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_lws(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_lws(text.back())) text.remove_suffix(1);
  return text;
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
inline bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// Decimal digits only, nothing else, at most `max`; nullopt otherwise (also when empty).
std::optional<std::uint32_t> parse_number(std::string_view digits, std::uint32_t max = 0xffffffffu);
// delta-seconds (Expires, q.v.): a number above 2^32-1 counts as 2^32-1 (RFC 3261 20.19); nullopt when not digits.
std::optional<std::uint32_t> parse_delta_seconds(std::string_view digits);

// Position behind the closing quote of the quoted string that begins at text[at] == '"', npos if it never closes.
std::size_t skip_quoted(std::string_view text, std::size_t at);
// Contents of a quoted string with quoted-pairs undone; text without quotes is returned as it is.
std::string unquote(std::string_view text);
// `text` as a quoted string; control characters are dropped.
std::string quote(std::string_view text);
// %HH undone; nullopt when an escape is broken.
std::optional<std::string> unescape(std::string_view text);

}  // namespace sallyport::sip
