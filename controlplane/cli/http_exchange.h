// SPDX-License-Identifier: Apache-2.0
#pragma once
// One HTTP request and its answer over a Transport, which ends with it. Blocking, one thread.

#include <functional>
#include <string>
#include <string_view>

#include "controlplane/cli/transport.h"

namespace sallyport::cli {

struct ApiReply {
  unsigned status = 0;
  std::string body;
  std::string cookie = {};  // the first Set-Cookie's, without its attributes
};

struct HttpRequest {
  std::string method, target, body;
  std::string host = "localhost";
  std::string fields = {};  // further lines of the header, each with its end
};

// The whole answer.
Outcome<ApiReply> exchange(Transport& transport, const HttpRequest& request);
// Calls take_chunk for each part of the answer until it returns false or the answer ends; one of status 400 or more comes back whole.
Outcome<ApiReply> exchange_stream(Transport& transport, const HttpRequest& request, const std::function<bool(std::string_view)>& take_chunk);

}  // namespace sallyport::cli
