// SPDX-License-Identifier: Apache-2.0
#pragma once
// What this edge itself says in an XMPP stream: features before TLS, proceed, and the errors of RFC 6120 4.9. Pure functions; any thread.

#include <string>
#include <string_view>

#include "controlplane/xmpp/stanza_scanner.h"

namespace sallyport::xmpp {

inline constexpr std::string_view client_purpose = "xmpp-client";  // of the multiplex's channels
inline constexpr std::string_view starttls_request = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
inline constexpr std::string_view starttls_proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
inline constexpr std::string_view starttls_features = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

// condition: of RFC 6120 4.9.3, "host-unknown". With the stream's end.
std::string stream_error(std::string_view condition, std::string_view text);
const char* condition_of(ScanFault fault);

// What a server's start tag, as StanzaScanner captures it, says of authentication (RFC 6120 6, XEP-0388). Behind RFC 6120's success the
// stream begins anew.
enum class LoginWord : uint8_t { none, failure, success, success_and_restart };
LoginWord login_word(std::string_view tag);

bool is_utf8(std::string_view encoding);  // by its name
std::string random_stream_id();
// Lower case, without a final dot, letters beyond ASCII as A-labels; empty: no host name (RFC 7622 leaves the rest to the server inside).
std::string domain_of(std::string_view address);
// As an address of XMPP has it (RFC 7622 3.2): with U-labels.
std::string address_of(const std::string& domain);

}  // namespace sallyport::xmpp
