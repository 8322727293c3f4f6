// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_body.h"

#include <algorithm>
#include <boost/json.hpp>

namespace sallyport::api {

namespace json = boost::json;

Outcome<ApiBody> ApiBody::read(const ApiRequest& request, std::initializer_list<std::string_view> known) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  json::value value = json::parse(request.body, error, {}, options);
  if (error || !value.is_object()) return Fault{FaultCode::invalid, request.path, "the body is no JSON object", "send an object; see docs/openapi.json"};
  std::string list;
  for (const std::string_view name : known) list += (list.empty() ? "" : ", ") + std::string(name);
  for (const auto& member : value.get_object()) {
    if (std::find(known.begin(), known.end(), std::string_view(member.key())) != known.end()) continue;
    return Fault{FaultCode::invalid, request.path, "does not know the member \"" + std::string(member.key().substr(0, 64)) + "\"", "it knows: " + list};
  }
  return ApiBody(std::move(value));
}

std::string ApiBody::text(std::string_view name) const {
  const json::value* member = value_.get_object().if_contains(name);
  return member != nullptr && member->is_string() ? std::string(member->get_string()) : std::string();
}

bool ApiBody::flag(std::string_view name) const {
  const json::value* member = value_.get_object().if_contains(name);
  return member != nullptr && member->is_bool() && member->get_bool();
}

std::int64_t ApiBody::number(std::string_view name, std::int64_t otherwise) const {
  const json::value* member = value_.get_object().if_contains(name);
  return member != nullptr && member->is_int64() ? member->get_int64() : otherwise;
}

Outcome<std::vector<std::uint16_t>> ApiBody::ports(std::string_view name, std::size_t most) const {
  std::vector<std::uint16_t> list;
  const json::value* member = value_.get_object().if_contains(name);
  if (member == nullptr) return list;
  const Fault odd{FaultCode::invalid, std::string(name), "is no list of at most " + std::to_string(most) + " port numbers", "give numbers of 1 to 65535"};
  if (!member->is_array() || member->get_array().size() > most) return odd;
  for (const json::value& each : member->get_array()) {
    if (!each.is_int64() || each.get_int64() < 1 || each.get_int64() > 65535) return odd;
    list.push_back(static_cast<std::uint16_t>(each.get_int64()));
  }
  return list;
}

std::vector<std::string> ApiBody::texts(std::string_view name) const {
  std::vector<std::string> list;
  const json::value* member = value_.get_object().if_contains(name);
  if (member == nullptr || !member->is_array()) return list;
  for (const json::value& each : member->get_array())
    if (each.is_string()) list.emplace_back(each.get_string());
  return list;
}

std::shared_ptr<const store::Secret> ApiBody::secret(std::string_view name) const {
  const json::value* member = value_.get_object().if_contains(name);
  const std::string_view text = member != nullptr && member->is_string() ? std::string_view(member->get_string()) : std::string_view();
  return std::make_shared<const store::Secret>(text);
}

}  // namespace sallyport::api
