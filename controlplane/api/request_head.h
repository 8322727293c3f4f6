// SPDX-License-Identifier: Apache-2.0
#pragma once
// read_request_head(): the head of an HTTP/1.1 request as the administration address takes it: by Beast's parser, and stricter, so that
// no two programs can read it in two ways: no folded lines, no line that ends otherwise than by CRLF, one Host, at most one
// Content-Length, no Transfer-Encoding, no other version, a target that is a path. What it is fed is hostile. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::api {

struct RequestHead {
  std::string method, target, host;
  std::string cookie, csrf, origin, fetch_site;  // empty: not there
  std::string if_none_match;  // of several the first
  std::uint64_t body_bytes = 0;
  bool keep_alive = true, expects_continue = false;
};

struct HeadRefusal {
  unsigned status = 400;
  Fault fault;
};

// bytes: up to and with the empty line. Null: head is filled.
std::optional<HeadRefusal> read_request_head(std::string_view bytes, RequestHead& head);

// Of a Cookie field; empty: not there, or there twice.
std::string_view cookie_value(std::string_view cookie, std::string_view name);
// The name that a Host field has, lower case, without brackets; `port` 0: none is given. False: it is malformed.
bool split_host(std::string_view host, std::string& name, std::uint16_t& port);
std::string_view reason_of(unsigned status);  // "Not Found"

}  // namespace sallyport::api
