// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where in a message's body the session description stands: the body itself, or the application/sdp part of a multipart
// body (RFC 5621), so that only that part is edited (Edit::replace_body_part). Views into the message; nesting is
// followed two levels.

#include <optional>
#include <string_view>

#include "controlplane/sip/message.h"
#include "controlplane/sip/params.h"

namespace sallyport::sip {

struct ContentType {
  std::string_view type, subtype;  // compare ignoring case
  Params params;
  bool is(std::string_view type, std::string_view subtype) const;
};
std::optional<ContentType> parse_content_type(std::string_view value);

// nullopt when the message carries none; an empty view is never returned. Encoded bodies (Content-Encoding) count as
// none.
std::optional<std::string_view> find_sdp(const Message& message);

}  // namespace sallyport::sip
