// SPDX-License-Identifier: Apache-2.0
#pragma once
// The paths of the administration interface for activation-code onboarding (docs/onboarding.md); see api_routes.h.

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

boost::asio::awaitable<ApiAnswer> get_onboarding(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> post_onboarding(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> post_activation_code(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> delete_onboarded(const ApiRequest& request, ApiParts parts);

}  // namespace sallyport::api
