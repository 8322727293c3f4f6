// SPDX-License-Identifier: Apache-2.0
#pragma once
// HttpUrl: an absolute https URL, or http where that is allowed, taken apart. What an authority names is hostile input: no user, no
// fragment, no other scheme, nothing that could break a request line. Plain value; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::http {

struct HttpUrl {
  bool is_secure = true;  // https
  std::string host;       // lower case; an IPv6 address without brackets
  uint16_t port = 443;
  std::string target;  // path and query, at least "/"

  std::string scheme() const { return is_secure ? "https://" : "http://"; }
  std::string host_field() const;  // as in a Host header: the port only if it is not the scheme's own
  std::string text() const { return scheme() + host_field() + target; }
};

inline constexpr size_t url_limit_bytes = 2048;

Outcome<HttpUrl> parse_https_url(std::string_view text);
Outcome<HttpUrl> parse_http_url(std::string_view text);  // http or https
// What a Location or Link header names, seen from the URL it came with: absolute, or a path on the same host. Never from https to http.
Outcome<std::string> resolve_url(const HttpUrl& base, std::string_view reference);

}  // namespace sallyport::http
