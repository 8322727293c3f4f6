// SPDX-License-Identifier: Apache-2.0
#pragma once
// ContactBinding: for registrars that ignore Path (mode `contact`): the user part C puts into the Contact instead, which holds
// the client's own contact and E's Path, guarded by a token, so that nothing is stored and a restart orphans nobody.
// Pure functions over one FlowTokens instance (purpose "contact"); any thread that owns it.

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/sip/flow_token.h"

namespace sallyport::proxy {

struct ContactBinding {
  std::string contact_uri;  // as the client registered it
  std::string path;         // E's Path value, which becomes the Route of requests to the client
  uint64_t link_id = 0;     // of the traversal link
};

inline constexpr size_t max_binding_chars = 1024;

// Base64url text, fit for a user part; empty when the binding is too long to be carried.
std::string encode_binding(const ContactBinding& binding, const sip::FlowTokens& tokens);
std::optional<ContactBinding> decode_binding(std::string_view user, const sip::FlowTokens& tokens);

}  // namespace sallyport::proxy
