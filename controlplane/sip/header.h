// SPDX-License-Identifier: Apache-2.0
#pragma once
// HeaderId: one table of the header fields the code treats by name: canonical name, compact form, how it may repeat.
// Header: one header field of a parsed message, as views into the message's buffer (see message.h for lifetime).
// Pure functions, any thread; header_id() is one hash and one comparison.

#include <cstdint>
#include <string_view>

namespace sallyport::sip {

enum class HeaderId : std::uint8_t {
  unknown,
  accept,
  accept_encoding,
  accept_language,
  alert_info,
  allow,
  allow_events,
  authentication_info,
  authorization,
  call_id,
  call_info,
  contact,
  content_disposition,
  content_encoding,
  content_language,
  content_length,
  content_type,
  cseq,
  date,
  error_info,
  event,
  expires,
  feature_caps,
  flow_timer,
  from,
  geolocation,
  history_info,
  identity,
  in_reply_to,
  join,
  max_breadth,
  max_forwards,
  mime_version,
  min_expires,
  min_se,
  organization,
  p_access_network_info,
  p_asserted_identity,
  p_associated_uri,
  p_preferred_identity,
  path,
  priority,
  privacy,
  proxy_authenticate,
  proxy_authorization,
  proxy_require,
  rack,
  reason,
  record_route,
  refer_sub,
  refer_to,
  referred_by,
  replaces,
  reply_to,
  require,
  retry_after,
  route,
  rseq,
  server,
  service_route,
  session_expires,
  sip_etag,
  sip_if_match,
  subject,
  subscription_state,
  supported,
  target_dialog,
  timestamp,
  to,
  unsupported,
  user_agent,
  via,
  warning,
  www_authenticate,
  count_,  // number of ids; not a header
};

enum class HeaderShape : std::uint8_t {
  single,  // at most one line, one value: a second one makes the message malformed
  list,    // values joined by commas may be split over lines (RFC 3261 7.3.1)
  lines,   // may repeat, but commas belong to the value: the challenge and credential headers, Date
};

// Case-insensitive, compact forms included; HeaderId::unknown when not in the table. Precondition: no control
// characters.
HeaderId header_id(std::string_view name);
// Canonical spelling, "" for unknown.
std::string_view header_name(HeaderId id);
// The same with ": " behind it, as a line begins.
std::string_view header_head(HeaderId id);
HeaderShape header_shape(HeaderId id);

constexpr std::uint16_t no_header = 0xffff;

struct Header {
  std::string_view name;           // as written
  std::string_view value;          // trimmed; a folded value still holds its CRLF and blanks
  std::uint32_t begin = 0;         // offset in Message::text() of the name
  std::uint32_t end = 0;           // offset behind the CRLF that ends the field, continuation lines included
  std::uint16_t next = no_header;  // index of the next header of the same id (unused for unknown)
  HeaderId id = HeaderId::unknown;
};

}  // namespace sallyport::sip
