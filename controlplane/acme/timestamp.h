// SPDX-License-Identifier: Apache-2.0
#pragma once
// Timestamps as authorities write them, to Unix seconds: RFC 3339 in JSON, HTTP dates and delays in Retry-After. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/tls/alert_text.h"

namespace sallyport::acme {

// "2026-11-28T10:00:00Z", with a fraction and a zone offset or without. nullopt: it is none.
std::optional<int64_t> parse_rfc3339(std::string_view text);
// "Sat, 28 Nov 2026 10:00:00 GMT", the one form of RFC 9110 that senders may use.
std::optional<int64_t> parse_http_date(std::string_view text);
// Retry-After (RFC 9110 10.2.3): seconds from now on, never negative, at most one year.
std::optional<int64_t> parse_retry_after(std::string_view text, int64_t now_s);
using tls::date_text;

}  // namespace sallyport::acme
