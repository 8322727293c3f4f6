// SPDX-License-Identifier: Apache-2.0
#pragma once
// ApiBody: the body of a request that changes something: one JSON object of strings, numbers, flags and lists of strings, with known
// members only.
// A member of another type reads as empty. Plain value, any thread.

#include <boost/json/value.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/api/api_routes.h"
#include "controlplane/store/secret.h"

namespace sallyport::api {

class ApiBody {
 public:
  static Outcome<ApiBody> read(const ApiRequest& request, std::initializer_list<std::string_view> known);
  std::string text(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::int64_t number(std::string_view name, std::int64_t otherwise) const;
  // Fault invalid: the member is no list of ports, or of more than `most`.
  Outcome<std::vector<std::uint16_t>> ports(std::string_view name, std::size_t most) const;
  std::vector<std::string> texts(std::string_view name) const;
  std::shared_ptr<const store::Secret> secret(std::string_view name) const;

 private:
  explicit ApiBody(boost::json::value value) : value_(std::move(value)) {}
  boost::json::value value_;
};

}  // namespace sallyport::api
