// SPDX-License-Identifier: Apache-2.0
#pragma once
// HA1 of RFC 7616 3.4.2: what E keeps of a password, so that it can check digest answers without knowing it. Pure, any thread.

#include <string>
#include <string_view>

namespace sallyport::store {

// H(user ":" realm ":" password) in lower-case hex.
std::string ha1_md5(std::string_view user, std::string_view realm, std::string_view password);
std::string ha1_sha256(std::string_view user, std::string_view realm, std::string_view password);

}  // namespace sallyport::store
