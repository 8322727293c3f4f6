// SPDX-License-Identifier: Apache-2.0
#pragma once
// What each path of the administration interface answers, apart from how bytes travel. One coroutine a request, on the API's
// executor. A Fault becomes a status and {"error": ...}; nothing throws.

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/accounts/role.h"
#include "controlplane/api/api_server.h"

namespace sallyport::api {

struct ApiRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/calls/7", decoded
  std::map<std::string, std::string> query;
  std::string body;
  std::string actor;   // "uid 0", "account anna": who asks, for the history
  std::string source = "unix socket";  // or where it came from, "192.0.2.7:40312"
  // On the Unix socket the permissions of the file are all there is; over HTTPS what the account may, and which session it is.
  bool is_local = true;
  accounts::Role role = accounts::Role::administer;
  std::string account, session, csrf, source_key;
  std::string object;  // what the audit trail says it is about, where its body does not
};

struct ApiAnswer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;  // further ones of the header
};

// What a path is for. query and body: names with commas between; body "*": not JSON.
struct RouteInfo {
  std::string_view method;
  std::string_view path;  // a trailing slash takes one more segment
  accounts::Role role;    // over HTTPS
  std::string_view about;
  std::string_view query, body;
  std::string_view object = {};  // members of the body that the audit trail may show
};
std::vector<RouteInfo> route_list();  // with that of captures, whose answer is a stream

struct RouteMatch {
  const RouteInfo* route = nullptr;
  bool is_path_known = false;
};
RouteMatch find_route(std::string_view method, std::string_view path);

template <class Look>
void for_each_name(std::string_view names, Look look) {
  for (std::size_t from = 0; from < names.size();) {
    const std::size_t end = std::min(names.find(',', from), names.size());
    look(names.substr(from, end - from));
    from = end + 1;
  }
}

// Splits and percent-decodes a request target. Fault invalid if it is malformed.
Outcome<ApiRequest> parse_target(std::string_view target);

// Of a request's query; "" where it is not given, `otherwise` where it is no number. Numbers end at 100,000.
std::string parameter(const ApiRequest& request, const std::string& name);
bool is_set(const ApiRequest& request, const std::string& name);  // 1 or true
std::size_t number_parameter(const ApiRequest& request, const std::string& name, std::size_t otherwise);
ApiAnswer answer_json(const boost::json::value& value, unsigned status = 200);

boost::asio::awaitable<ApiAnswer> answer_request(ApiRequest request, ApiParts parts);
ApiAnswer answer_fault(const Fault& fault);
bool may_take_long(const ApiRequest& request);      // dials others, or asks name servers
bool is_log_stream(const ApiRequest& request);      // GET /v1/logs?follow=1: the server streams it itself
std::size_t log_lines_wanted(const ApiRequest& request);

}  // namespace sallyport::api
