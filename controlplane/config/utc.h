// SPDX-License-Identifier: Apache-2.0
#pragma once
// Time as interfaces show it. Pure; any thread.

#include <cstdint>
#include <string>

namespace sallyport::config {

std::string utc(std::int64_t unix_s);  // RFC 3339: "2026-11-28T13:35:00Z"

}  // namespace sallyport::config
