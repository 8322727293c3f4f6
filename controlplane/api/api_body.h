// SPDX-License-Identifier: Apache-2.0
#pragma once
// Body: the body of a request that changes something: one JSON object of strings, flags and lists of strings, with known members only.

#include <algorithm>
#include <boost/json.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

class Body {
 public:
  static Outcome<Body> read(const ApiRequest& request, std::initializer_list<std::string_view> known) {
    boost::json::error_code error;
    boost::json::parse_options options;
    options.max_depth = 8;
    boost::json::value value = boost::json::parse(request.body, error, {}, options);
    if (error || !value.is_object()) return Fault{FaultCode::invalid, request.path, "the body is no JSON object", "send an object; see docs/certificates.md"};
    std::string list;
    for (const std::string_view name : known) list += (list.empty() ? "" : ", ") + std::string(name);
    for (const auto& member : value.get_object()) {
      if (std::find(known.begin(), known.end(), std::string_view(member.key())) != known.end()) continue;
      return Fault{FaultCode::invalid, request.path, "does not know the member \"" + std::string(member.key().substr(0, 64)) + "\"", "it knows: " + list};
    }
    return Body(std::move(value));
  }
  std::string text(std::string_view name) const {
    const boost::json::value* member = value_.get_object().if_contains(name);
    return member != nullptr && member->is_string() ? std::string(member->get_string()) : std::string();
  }
  bool flag(std::string_view name) const {
    const boost::json::value* member = value_.get_object().if_contains(name);
    return member != nullptr && member->is_bool() && member->get_bool();
  }
  std::vector<std::string> texts(std::string_view name) const {
    std::vector<std::string> list;
    const boost::json::value* member = value_.get_object().if_contains(name);
    if (member == nullptr || !member->is_array()) return list;
    for (const boost::json::value& each : member->get_array())
      if (each.is_string()) list.emplace_back(each.get_string());
    return list;
  }

 private:
  explicit Body(boost::json::value value) : value_(std::move(value)) {}
  boost::json::value value_;
};

}  // namespace sallyport::api
