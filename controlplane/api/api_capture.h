// SPDX-License-Identifier: Apache-2.0
#pragma once
// POST /v1/calls/ID/capture?seconds=N&packets=N&decrypted=1: what is asked for, and that it is logged: who captured which call, decrypted
// or not, from when to when, and who was refused. The server streams what comes (api_exchange.cc). On the API's executor.

#include <memory>
#include <string>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

const RouteInfo& capture_route();
bool is_capture_path(std::string_view path);
bool is_capture(const ApiRequest& request);
boost::asio::awaitable<Outcome<std::unique_ptr<CaptureFeed>>> begin_capture(const ApiRequest& request, ApiParts parts);
// When its stream is over, whoever ended it.
void note_capture_end(const ApiRequest& request, ApiParts parts, const CaptureFeed& feed);

}  // namespace sallyport::api
