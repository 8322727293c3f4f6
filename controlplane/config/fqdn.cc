// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/fqdn.h"

#include <arpa/inet.h>

namespace sallyport::config {
namespace {

constexpr std::size_t max_level_chars = 63;  // RFC 1035 2.3.4
constexpr std::size_t max_name_chars = 253;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string level_objection(std::string_view level) {
  if (level.empty()) return "a level between dots is empty";
  if (level.size() > max_level_chars) return "level " + quoted(level) + " is longer than 63 characters";
  for (char c : level) {
    if (!is_letter(c) && !is_digit(c) && c != '-') return "level " + quoted(level) + " has a character other than letters, digits and hyphens";
  }
  if (level.front() == '-') return "level " + quoted(level) + " starts with a hyphen";
  if (level.back() == '-') return "level " + quoted(level) + " ends with a hyphen";
  return {};
}

}  // namespace

std::string fqdn_objection(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > max_name_chars) return "is longer than 253 characters";
  std::size_t levels = 0;
  std::string_view last;
  for (std::size_t start = 0; start <= name.size(); ++levels) {
    std::size_t dot = std::min(name.find('.', start), name.size());
    last = name.substr(start, dot - start);
    if (std::string objection = level_objection(last); !objection.empty()) return objection;
    start = dot + 1;
  }
  if (levels < 2) return quoted(name) + " has one level only; at least two are needed";
  if (!is_letter(last.front())) return "the last level " + quoted(last) + " does not begin with a letter";
  return {};
}

bool is_ip_literal(std::string_view text) {
  std::string terminated(text);
  if (terminated.size() != text.size() || terminated.find('\0') != std::string::npos) return false;
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, terminated.c_str(), bytes) == 1 || inet_pton(AF_INET6, terminated.c_str(), bytes) == 1;
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace sallyport::config
