// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rule for names: at least two levels, letters, digits and hyphens, no hyphen at either end of a level, the last level begins
// with a letter, 63 characters a level, 253 in all (requirement B19). Used for node, peer, cluster, domain and profile names.

#include <string>
#include <string_view>

namespace sallyport::config {

// Empty: it is an FQDN. Otherwise why not: "level \"-a\" starts with a hyphen".
std::string fqdn_objection(std::string_view name);
inline bool is_fqdn(std::string_view name) { return fqdn_objection(name).empty(); }

bool is_ip_literal(std::string_view text);  // IPv4 dotted quad or IPv6, no brackets, no scope
std::string lower_case(std::string_view name);  // ASCII; names compare without case

}  // namespace sallyport::config
