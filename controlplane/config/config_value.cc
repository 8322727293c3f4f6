// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/config_value.h"

#include <charconv>
#include <cstdio>
#include <set>
#include <sstream>

#include "controlplane/config/fqdn.h"

namespace sallyport::config {
namespace {

// A basic string, the form the example files use.
std::string toml_text(const std::string& text) {
  std::string literal = "\"";
  for (char c : text) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned char>(c));
    if (c == '"' || c == '\\') literal += std::string("\\") + c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) literal += escape;
    else literal += c;
  }
  return literal + "\"";
}

bool is_choice(std::string_view choices, const std::string& text) {
  std::istringstream words{std::string(choices)};
  for (std::string word; words >> word;) {
    if (word == text) return true;
  }
  return false;
}

std::string choice_list(std::string_view choices) {
  std::string list;
  std::istringstream words{std::string(choices)};
  for (std::string word; words >> word;) list += (list.empty() ? "" : ", ") + word;
  return list;
}

bool is_name(const std::string& text) {
  for (char c : text) {
    bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!good) return false;
  }
  return !text.empty();
}

std::optional<Objection> must_be(const std::string& what, const std::string& text, const std::string& remedy) {
  return Objection{"must be " + what + ", is " + toml_text(text), remedy};
}

std::optional<Objection> fqdn_objection_to(const std::string& text) {
  std::string objection = fqdn_objection(text);
  if (objection.empty()) return std::nullopt;
  return Objection{toml_text(text) + " is not an FQDN: " + objection, "write a full DNS name, like edge.example.com"};
}

std::optional<Objection> object_to_text(const ConfigKey& key, const std::string& text) {
  auto length = static_cast<std::int64_t>(text.size());
  if (text.empty()) {
    if (key.min == 0 && key.type == KeyType::text) return std::nullopt;
    return Objection{"must not be empty", "give a value or leave the key out"};
  }
  if (text.find('\0') != std::string::npos) return Objection{"holds a zero byte", "remove it"};
  if (key.type == KeyType::text && length > key.max) {
    return Objection{"is " + std::to_string(length) + " characters long, at most " + std::to_string(key.max) + " are allowed", "shorten it"};
  }
  switch (key.rule) {
    case TextRule::any:
    case TextRule::not_empty:
      return std::nullopt;
    case TextRule::name:
    case TextRule::address_slot:
    case TextRule::port_name:
      if (is_name(text)) return std::nullopt;
      return must_be("a name of letters, digits, '-', '_' and '.'", text, "use another name");
    case TextRule::fqdn:
      return fqdn_objection_to(text);
    case TextRule::host:
      // A host inside may have a single label; a dotted one follows B19.
      if (is_ip_literal(text) || is_fqdn("host." + text) || is_fqdn(text)) return std::nullopt;
      return must_be("a host name or an IP address", text, "write it like cm1.example.com or 10.20.0.20");
    case TextRule::ip:
      if (is_ip_literal(text)) return std::nullopt;
      return must_be("an IPv4 or IPv6 address", text, "write it like 192.0.2.10 or 2001:db8::10");
    case TextRule::ip_or_host:
      if (is_ip_literal(text)) return std::nullopt;
      return fqdn_objection_to(text);
    case TextRule::socket_address:
      if (is_socket_address(text, key.type == KeyType::text_list)) return std::nullopt;
      return must_be("an IP address and a port", text, "write it like 127.0.0.1:9464 or [::1]:9464");
    case TextRule::absolute_path_or_dash:
      if (text == "-") return std::nullopt;
      [[fallthrough]];
    case TextRule::absolute_path:
      if (text.front() == '/') return std::nullopt;
      return must_be("an absolute path", text, "begin it with /");
    case TextRule::choice:
      if (is_choice(key.choices, text)) return std::nullopt;
      return must_be("one of " + choice_list(key.choices), text, "choose one of them");
  }
  return std::nullopt;
}

std::optional<Objection> object_to_integer(const ConfigKey& key, std::int64_t number) {
  if (number >= key.min && number <= key.max) return std::nullopt;
  return Objection{"must be between " + std::to_string(key.min) + " and " + std::to_string(key.max) + ", is " + std::to_string(number),
                   "choose a value in that range"};
}

std::string type_name(const toml::node& node) {
  std::ostringstream out;
  out << node.type();
  return out.str();
}

std::optional<Objection> wrong_type(const char* wanted, const toml::node& node) {
  return Objection{std::string("must be ") + wanted + ", is of type " + type_name(node), "see docs/configuration.md for its form"};
}

constexpr std::size_t max_lcores = 16;

std::optional<Objection> read_texts(const ConfigKey& key, const toml::array& array, KeyValue& value) {
  auto size = static_cast<std::int64_t>(array.size());
  if (size < key.min || size > key.max) {
    return Objection{"must have " + std::to_string(key.min) + " to " + std::to_string(key.max) + " elements, has " + std::to_string(size), "change the list"};
  }
  std::set<std::string> seen;
  for (const toml::node& node : array) {
    const auto* text = node.as_string();
    if (!text) return wrong_type("a list of strings", node);
    if (auto objection = object_to_text(key, text->get())) return objection;
    if (!seen.insert(lower_case(text->get())).second) return Objection{"lists " + toml_text(text->get()) + " twice", "name it once"};
    value.texts.push_back(text->get());
  }
  return std::nullopt;
}

std::optional<Objection> read_integers(const ConfigKey& key, const toml::array& array, KeyValue& value) {
  if (array.empty() || array.size() > max_lcores) return Objection{"must have 1 to 16 elements, has " + std::to_string(array.size()), "change the list"};
  std::set<std::int64_t> seen;
  for (const toml::node& node : array) {
    const auto* number = node.as_integer();
    if (!number) return wrong_type("a list of integers", node);
    if (auto objection = object_to_integer(key, number->get())) return objection;
    if (!seen.insert(number->get()).second) return Objection{"lists " + std::to_string(number->get()) + " twice", "name it once"};
    value.integers.push_back(number->get());
  }
  return std::nullopt;
}

template <class List, class Print>
std::string toml_list(const List& list, Print print) {
  std::string text = "[";
  for (const auto& item : list) text += (text.size() > 1 ? ", " : "") + print(item);
  return text + "]";
}

}  // namespace

std::optional<Objection> read_value(const ConfigKey& key, const toml::node& node, KeyValue& value) {
  switch (key.type) {
    case KeyType::text:
      if (!node.is_string()) return wrong_type("a string", node);
      value.text = node.as_string()->get();
      return object_to_text(key, value.text);
    case KeyType::integer:
      if (!node.is_integer()) return wrong_type("an integer", node);
      value.integer = node.as_integer()->get();
      return object_to_integer(key, value.integer);
    case KeyType::text_list:
      if (!node.is_array()) return wrong_type("a list of strings", node);
      return read_texts(key, *node.as_array(), value);
    case KeyType::integer_list:
      if (!node.is_array()) return wrong_type("a list of integers", node);
      return read_integers(key, *node.as_array(), value);
  }
  return std::nullopt;
}

KeyValue default_value(const ConfigKey& key, Role role) {
  toml::table table = toml::parse("value = " + std::string(key.default_for(role)));
  KeyValue value;
  // A default that breaks its own row is a mistake in the table; ConfigKey tests read every one.
  read_value(key, *table.get("value"), value);
  return value;
}

bool is_socket_address(const std::string& text, bool port_optional) {
  if (port_optional && is_ip_literal(text)) return true;
  std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size()) return false;
  unsigned port = 0;
  auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > 65535) return false;
  std::string host = text.substr(0, colon);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) return host.find(':') != std::string::npos && is_ip_literal(host.substr(1, host.size() - 2));
  return host.find(':') == std::string::npos && is_ip_literal(host);
}

std::string KeyValue::toml(KeyType type) const {
  switch (type) {
    case KeyType::text: return toml_text(text);
    case KeyType::integer: return std::to_string(integer);
    case KeyType::text_list: return toml_list(texts, toml_text);
    case KeyType::integer_list: return toml_list(integers, [](std::int64_t number) { return std::to_string(number); });
  }
  return {};
}

}  // namespace sallyport::config
