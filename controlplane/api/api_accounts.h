// SPDX-License-Identifier: Apache-2.0
#pragma once
// The paths of the administration interface for sessions, accounts and the audit log; see api_routes.h. Passwords go in, never out.

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

// __Host-: a browser takes it over HTTPS only, for this host and all of its paths, and lets no other host set it.
inline constexpr const char* session_cookie = "__Host-sallyport";
inline constexpr const char* csrf_field = "X-CSRF-Token";

// The one request that needs no session.
inline bool is_login(std::string_view method, std::string_view path) { return method == "POST" && path == "/v1/session"; }
std::string cookie_of(std::string_view token);  // value of Set-Cookie; empty: to be forgotten

using AccountAnswer = boost::asio::awaitable<ApiAnswer>;

AccountAnswer post_session(const ApiRequest& request, ApiParts parts);
AccountAnswer get_session(const ApiRequest& request, ApiParts parts);
AccountAnswer delete_session(const ApiRequest& request, ApiParts parts);
AccountAnswer post_session_password(const ApiRequest& request, ApiParts parts);
AccountAnswer get_sessions(const ApiRequest& request, ApiParts parts);
AccountAnswer delete_sessions(const ApiRequest& request, ApiParts parts);
AccountAnswer get_accounts(const ApiRequest& request, ApiParts parts);
AccountAnswer post_account(const ApiRequest& request, ApiParts parts);
AccountAnswer delete_account(const ApiRequest& request, ApiParts parts);
AccountAnswer post_account_password(const ApiRequest& request, ApiParts parts);
AccountAnswer post_account_role(const ApiRequest& request, ApiParts parts);
AccountAnswer get_audit(const ApiRequest& request, ApiParts parts);

}  // namespace sallyport::api
