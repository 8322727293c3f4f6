// SPDX-License-Identifier: Apache-2.0
#pragma once
// The lexical level of RFC 3261 25.1: character classes, linear white space (which includes folds), case, quoted strings, bounded numbers.
// Pure functions over views, any thread, no allocation unless a std::string is returned.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::sip {

bool is_token_char(char c);
bool is_token(std::string_view text);  // false when empty
// SP, HT, CR, LF: inside a header value CR and LF only occur as part of a fold.
constexpr bool is_lws(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
std::string_view trim(std::string_view text);
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool equals_ignoring_case(std::string_view a, std::string_view b);

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
