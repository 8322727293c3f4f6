// SPDX-License-Identifier: Apache-2.0
#pragma once
// The paths of the administration interface for pairs of nodes (docs/traversal.md, "Pairing"); see api_routes.h.

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

boost::asio::awaitable<ApiAnswer> get_pair(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> post_join_token(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> delete_join_token(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> post_join(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> post_pair_renewal(const ApiRequest& request, ApiParts parts);
boost::asio::awaitable<ApiAnswer> delete_pair(const ApiRequest& request, ApiParts parts);

}  // namespace sallyport::api
