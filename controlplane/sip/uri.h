// SPDX-License-Identifier: Apache-2.0
#pragma once
// Uri: a parsed sip:, sips: or tel: URI, or any other absolute URI of which only scheme and text are known. Views into
// the source text. Nothing is unescaped or normalised; equal() does so where RFC 3261 19.1.4 asks for it.

#include <cstdint>
#include <optional>
#include <string_view>

#include "controlplane/sip/params.h"

namespace sallyport::sip {

enum class Scheme : std::uint8_t { sip, sips, tel, other };

struct Uri {
  Scheme scheme = Scheme::other;
  std::string_view text;  // the whole URI
  std::string_view user;  // sip: without password, "" if none; tel: the subscriber number
  std::string_view password;
  std::string_view host;     // as written, IPv6 in brackets; "" for tel and other
  std::uint16_t port = 0;    // 0: not given
  Params params;             // ";transport=tls;lr"
  std::string_view headers;  // behind '?', without it

  bool is_sip() const { return scheme == Scheme::sip || scheme == Scheme::sips; }
  bool has_user() const { return !user.empty(); }
  // Host without the brackets of an IPv6 reference.
  std::string_view bare_host() const;
  bool is_loose_router() const { return params.has("lr"); }
};

// nullopt when malformed: no scheme, blanks or angle brackets inside, bad host, port outside 1..65535, broken escapes
// in the user part.
std::optional<Uri> parse_uri(std::string_view text);
// The same into a Uri of the caller; on false it holds nothing of use.
bool parse_uri(std::string_view text, Uri& uri);
// RFC 3261 19.1.4; for schemes other than sip and sips: equal text.
bool equal(const Uri& a, const Uri& b);
// host as it may stand in a URI: reg-name or IPv4, or "[IPv6]".
bool is_host(std::string_view text);

// Splits "host[:port]" with IPv6 references; nullopt when malformed. port is 0 when absent.
struct HostPort {
  std::string_view host;
  std::uint16_t port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);

}  // namespace sallyport::sip
