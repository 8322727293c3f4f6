// SPDX-License-Identifier: Apache-2.0
#pragma once
// Via: one value of a Via header (RFC 3261 20.42, 18.2; RFC 3581). Views into the message.
// stamp_source() records in the top Via where the request really came from.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/sip/params.h"

namespace sallyport::sip {

class Edit;
class Message;

enum class Transport : std::uint8_t { udp, tcp, tls, sctp, ws, wss, other };
Transport transport_of(std::string_view text);         // case-insensitive
std::string_view transport_text(Transport transport);  // "TLS"; "" for other

struct Via {
  std::string_view protocol;  // "SIP"
  std::string_view version;   // "2.0"
  Transport transport = Transport::other;
  std::string_view transport_text;
  std::string_view host;    // sent-by as written, IPv6 in brackets
  std::uint16_t port = 0;   // 0: not given
  std::string_view branch;  // "" for an RFC 2543 element
  std::string_view received;
  bool has_rport = false;
  std::uint16_t rport = 0;  // 0: asked for, not filled in
  std::string_view received_whole, rport_whole;  // the first of each as Param::whole
  Params params;

  // Branch with the magic cookie and something behind it (RFC 3261 8.1.1.7); without, match transactions by RFC 2543
  // rules.
  bool is_rfc3261() const;
};

std::optional<Via> parse_via(std::string_view text);
// The same into a Via of the caller, fresh or used; on false it holds nothing of use.
bool parse_via(std::string_view text, Via& via);

// RFC 3261 18.2.1 and RFC 3581 4: adds or overwrites received (when it differs from sent-by or rport was asked for) and
// fills rport. `address` is the source's numeric address, IPv6 without brackets. Does nothing if the top Via is
// malformed.
// The value of the top Via alone, stamped so; the value as it is when it is malformed.
std::string stamped_via(std::string_view value, std::string_view address, std::uint16_t port);
void stamp_source(Edit& edit, const Message& request, std::string_view address, std::uint16_t port);
// The same for whoever has the top Via parsed.
void stamp_source(Edit& edit, const Via& top_via, std::string_view address, std::uint16_t port);

}  // namespace sallyport::sip
