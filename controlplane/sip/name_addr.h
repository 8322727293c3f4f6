// SPDX-License-Identifier: Apache-2.0
#pragma once
// NameAddr: one value of From, To, Contact, Route, Record-Route, Path, Service-Route, Refer-To ...: name-addr or
// addr-spec with header parameters. Views into the message. In the bare addr-spec form parameters belong to the header
// (RFC 3261 20).

#include <cstdint>
#include <optional>
#include <string_view>

#include "controlplane/sip/uri.h"

namespace sallyport::sip {

struct NameAddr {
  std::string_view display;  // as written, with its quotes; "" if none
  Uri uri;                   // uri.text is what stood between the brackets
  Params params;             // header parameters: tag, expires, q, reg-id, +sip.instance
  bool is_star = false;      // Contact: * ; nothing else is set then
  bool is_bracketed = false;

  std::string_view tag() const { return params.value("tag"); }
};

// `text` is one value without commas outside quotes and brackets (see header_values.h).
std::optional<NameAddr> parse_name_addr(std::string_view text);
bool parse_name_addr(std::string_view text, NameAddr& parsed);

}  // namespace sallyport::sip
