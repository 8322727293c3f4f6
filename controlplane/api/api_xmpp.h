// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the administration interface answers about XMPP. As api_routes.h.

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

boost::asio::awaitable<ApiAnswer> get_xmpp_streams(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> get_presence(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> post_discovery_of_chat_nodes(const ApiRequest& request, ApiParts parts);

}  // namespace sallyport::api
