// SPDX-License-Identifier: Apache-2.0
#pragma once
// openapi_document(): the administration interface described by OpenAPI 3.0, made of the table that the server itself goes by
// (api_routes.cc): GET /v1/openapi, docs/openapi.json. Pure; any thread.

#include <string>

namespace sallyport::api {

std::string openapi_document();  // JSON, indented, with a line end

}  // namespace sallyport::api
