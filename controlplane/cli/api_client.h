// SPDX-License-Identifier: Apache-2.0
#pragma once
// ApiClient: one HTTP request to the control plane, over its Unix socket or over HTTPS as an account, blocking, with a deadline for
// silence. A new connection each time. Every failure to talk is a Fault with code unreachable that names the other side, the cause and
// the remedy. One thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/cli/http_exchange.h"
#include "dataplane/abi/fault.h"

namespace sallyport::cli {

class RemoteAccess;

// Which control plane.
struct ApiEndpoint {
  std::string socket;
  std::shared_ptr<RemoteAccess> remote = {};  // over HTTPS instead, logged in for as long as somebody holds it
};

class ApiClient {
 public:
  explicit ApiClient(ApiEndpoint endpoint) : endpoint_(std::move(endpoint)) {}

  Outcome<ApiReply> get(const std::string& target) const { return request("GET", target, "", patience_s_); }
  // patience_s: how long the node may be silent, 0 for the usual.
  Outcome<ApiReply> post(const std::string& target, const std::string& body, std::uint32_t patience_s = 0) const {
    return request("POST", target, body, patience_s == 0 ? patience_s_ : patience_s);
  }
  Outcome<ApiReply> erase(const std::string& target) const { return request("DELETE", target, "", patience_s_); }
  // Calls take_line for each line until it returns false or the node ends the stream; waits without a deadline.
  Outcome<> follow(const std::string& target, const std::function<bool(std::string_view)>& take_line) const;

  // Calls take_chunk for each part of the answer until it returns false or the node ends the stream; waits without a deadline. An
  // answer of status 400 or more comes back whole.
  Outcome<ApiReply> stream(const std::string& method, const std::string& target, const std::function<bool(std::string_view)>& take_chunk) const;

  static std::string encode(std::string_view text);  // for a part of a target

 private:
  using Talk = std::function<Outcome<ApiReply>(Transport&, const HttpRequest&)>;
  Outcome<ApiReply> request(const std::string& method, const std::string& target, const std::string& body, std::uint32_t patience_s) const;
  Outcome<ApiReply> talk(HttpRequest request, std::uint32_t patience_s, const Talk& talk) const;
  ApiEndpoint endpoint_;
  std::uint32_t patience_s_ = 20;
};

}  // namespace sallyport::cli
