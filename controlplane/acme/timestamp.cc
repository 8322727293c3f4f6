// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/timestamp.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace sallyport::acme {
namespace {

constexpr int64_t longest_delay_s = 366 * 86400;

// Exactly `digits` digits at `at`; -1: they are not there.
int number_at(std::string_view text, size_t at, size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<int64_t> seconds_of(int year, int month, int day, int hour, int minute, int second) {
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  const int64_t seconds = timegm(&parts);
  if (parts.tm_mday != day) return std::nullopt;  // 30 February
  return seconds;
}

}  // namespace

std::optional<int64_t> parse_rfc3339(std::string_view text) {
  if (text.size() < 20 || text.size() > 64 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') return std::nullopt;
  const auto seconds = seconds_of(number_at(text, 0, 4), number_at(text, 5, 2), number_at(text, 8, 2), number_at(text, 11, 2), number_at(text, 14, 2), number_at(text, 17, 2));
  if (!seconds) return std::nullopt;
  size_t at = 19;
  if (text[at] == '.') {
    const size_t end = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
    if (end == at + 1) return std::nullopt;
    at = end;
  }
  const std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") return seconds;
  const int hours = number_at(zone, 1, 2), minutes = number_at(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const int64_t offset_s = hours * 3600 + minutes * 60;
  return *seconds - (zone[0] == '+' ? offset_s : -offset_s);
}

std::optional<int64_t> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") return std::nullopt;
  const auto month = std::find(months.begin(), months.end(), text.substr(8, 3));
  if (month == months.end()) return std::nullopt;
  return seconds_of(number_at(text, 12, 4), static_cast<int>(month - months.begin()) + 1, number_at(text, 5, 2), number_at(text, 17, 2), number_at(text, 20, 2), number_at(text, 23, 2));
}

std::optional<int64_t> parse_retry_after(std::string_view text, int64_t now_s) {
  int64_t delay_s = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), delay_s);
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (is_number && error == std::errc::result_out_of_range) return longest_delay_s;
  if (!is_number) {
    const auto date = parse_http_date(text);
    if (!date) return std::nullopt;
    delay_s = *date - now_s;
  }
  return std::clamp<int64_t>(delay_s, 0, longest_delay_s);
}

}  // namespace sallyport::acme
