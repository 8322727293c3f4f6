// SPDX-License-Identifier: Apache-2.0
#pragma once
// Messages a hop makes itself out of a request: responses (RFC 3261 8.2.6), the ACK for a non-2xx and CANCEL
// (17.1.1.3, 9.1). Vias, From, To, Call-ID and CSeq are copied verbatim from what the request has; a malformed request
// is answered with what it had.

#include <string>
#include <string_view>

#include "controlplane/sip/message.h"

namespace sallyport::sip {

struct ResponseSpec {
  int status = 500;
  std::string_view reason;        // "" : the standard phrase
  std::string_view to_tag;        // added when To has none and status is above 100
  std::string_view extra_lines;   // whole header lines, each ending in CRLF
  std::string_view content_type;  // with body only
  std::string_view body;
};

// Appends the response. The request's top Via should be stamped first (stamp_source) or `top_via` given to replace its
// value.
void write_response(const Message& request, const ResponseSpec& spec, std::string& out, std::string_view top_via = {});

// `399 edge.example.com "text"` (RFC 3261 20.43), without the header name.
std::string warning_value(int code, std::string_view agent, std::string_view text);
std::string_view reason_phrase(int status);

// `sent` is the INVITE as it left this hop (own Via on top).
void write_ack(const Message& sent, const Message& response, std::string& out);
void write_cancel(const Message& sent, std::string& out, std::string_view reason_value = {});

}  // namespace sallyport::sip
