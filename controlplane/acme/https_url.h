// SPDX-License-Identifier: Apache-2.0
#pragma once
// HttpsUrl: an absolute https URL, taken apart. What an authority names is hostile input: no user, no fragment, no other scheme,
// nothing that could break a request line. Plain value; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct HttpsUrl {
  std::string host;  // lower case; an IPv6 address without brackets
  uint16_t port = 443;
  std::string target;  // path and query, at least "/"

  std::string host_field() const;  // as in a Host header: the port only if it is not 443
};

inline constexpr size_t url_limit_bytes = 2048;

Outcome<HttpsUrl> parse_https_url(std::string_view text);
// What a Location or Link header names, seen from the URL it came with: absolute, or a path on the same host.
Outcome<std::string> resolve_url(const HttpsUrl& base, std::string_view reference);

}  // namespace sallyport::acme
