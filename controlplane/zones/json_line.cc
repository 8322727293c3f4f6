// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/json_line.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

namespace sallyport::zones {

namespace json = boost::json;

namespace {

constexpr std::size_t fault_limit_bytes = 1024;

constexpr std::pair<FaultCode, std::string_view> code_names[] = {
    {FaultCode::invalid, "invalid"}, {FaultCode::missing, "missing"},     {FaultCode::refused, "refused"},   {FaultCode::unreachable, "unreachable"},
    {FaultCode::timeout, "timeout"}, {FaultCode::exhausted, "exhausted"}, {FaultCode::conflict, "conflict"}, {FaultCode::internal, "internal"}};

}  // namespace

Outcome<json::object> parse_json_line(std::string_view line, const char* subject) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  json::value value = json::parse(json::string_view(line.data(), line.size()), error, {}, options);
  if (error || !value.is_object()) return Fault{FaultCode::invalid, subject, "is no JSON object", "run the same version of Sallyport on both nodes"};
  return std::move(value.get_object());
}

bool take_text(const json::object& object, std::string_view name, std::size_t limit_bytes, std::string& text) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return true;
  if (!value->is_string() || value->get_string().size() > limit_bytes) return false;
  text = std::string(value->get_string());
  return true;
}

json::object fault_object(const Fault& fault) {
  std::string_view code = "internal";
  for (const auto& [value, name] : code_names)
    if (value == fault.code) code = name;
  return {{"error", json::object{{"code", code}, {"subject", fault.subject}, {"cause", fault.cause}, {"remedy", fault.remedy}}}};
}

std::optional<Fault> fault_of(const json::object& object, const Fault& odd) {
  const json::value* error = object.if_contains("error");
  if (error == nullptr) return std::nullopt;
  if (!error->is_object()) return odd;
  const json::object& said = error->get_object();
  Fault fault{FaultCode::internal, {}, {}, {}};
  std::string code;
  if (!take_text(said, "code", json_word_limit_bytes, code) || !take_text(said, "subject", fault_limit_bytes, fault.subject) || !take_text(said, "cause", fault_limit_bytes, fault.cause) ||
      !take_text(said, "remedy", fault_limit_bytes, fault.remedy)) return odd;
  for (const auto& [value, name] : code_names)
    if (name == code) fault.code = value;
  return fault;
}

}  // namespace sallyport::zones
