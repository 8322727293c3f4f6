// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/toml_text.h"

namespace sallyport::store {

std::string toml_literal(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string toml_literal(const std::vector<std::string>& list) {
  std::string text = "[";
  for (const std::string& item : list) text += (text.size() > 1 ? ", " : "") + toml_literal(item);
  return text + "]";
}

std::string toml_lines(const std::vector<std::string>& list) {
  if (list.empty()) return "[]";
  std::string text = "[\n";
  for (const std::string& item : list) text += "  " + toml_literal(item) + ",\n";
  return text + "]";
}

std::string toml_comment(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, 200)) safe += c >= 0x20 && c < 0x7f ? c : '?';
  return safe;
}

}  // namespace sallyport::store
