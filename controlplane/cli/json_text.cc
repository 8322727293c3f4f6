// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/json_text.h"

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

namespace sallyport::cli {

namespace json = boost::json;

const json::value& member(const json::value& object, std::string_view name) {
  static const json::value nothing;
  const json::object* members = object.if_object();
  const json::value* found = members ? members->if_contains(json::string_view(name.data(), name.size())) : nullptr;
  return found ? *found : nothing;
}

std::string number_text(double number) {
  char text[40];
  bool whole = std::nearbyint(number) == number && std::fabs(number) < 9e15;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.2f", number);
  return text;
}

std::string text_of(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (value.is_number()) return number_text(value.to_number<double>());
  if (!value.is_array()) return "";
  std::string list;
  for (const json::value& item : value.get_array()) list += (list.empty() ? "" : ", ") + text_of(item);
  return list;
}

std::string at(const json::value& object, std::string_view name) { return text_of(member(object, name)); }

const json::array& items(const json::value& value) {
  static const json::array none;
  return value.is_array() ? value.get_array() : none;
}

double number_at(const json::value& object, std::string_view name) {
  const json::value& value = member(object, name);
  return value.is_number() ? value.to_number<double>() : 0;
}

}  // namespace sallyport::cli
