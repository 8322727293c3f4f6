// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/validate.h"

#include "controlplane/sip/cseq.h"
#include "controlplane/sip/grammar.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/via.h"

namespace sallyport::sip {
namespace {

Verdict refuse(std::string_view reason) {
  return {400, reason};
}

Verdict check_singles(const Message& message) {
  for (const Header& header : message.headers()) {
    if (header.next != no_header && header_shape(header.id) == HeaderShape::single) {
      return refuse("Repeated single-valued header field");
    }
  }
  return {};
}

// callid = word [ "@" word ]: never empty, no blanks.
bool is_call_id(std::string_view text) {
  for (const char c : text) {
    if (is_lws(c) || c == ',' || c == ';') return false;
  }
  return !text.empty();
}

Verdict check_identity(const Message& message, Via& via) {
  const auto top_via = first_value(message, HeaderId::via);
  if (!top_via) return refuse("Missing Via");
  if (!parse_via(top_via->text, via)) return refuse("Malformed Via");
  if (!message.has(HeaderId::from)) return refuse("Missing From");
  if (message.from() == nullptr) return refuse("Malformed From");
  if (!message.has(HeaderId::to)) return refuse("Missing To");
  if (message.to() == nullptr) return refuse("Malformed To");
  if (!message.has(HeaderId::call_id)) return refuse("Missing Call-ID");
  if (!is_call_id(message.value(HeaderId::call_id))) return refuse("Malformed Call-ID");
  if (!message.has(HeaderId::cseq)) return refuse("Missing CSeq");
  return {};
}

// Every value of a header that carries addresses the proxy or the registrar acts on.
bool are_addresses(const Message& message, HeaderId id, bool star_allowed) {
  for (const HeaderValue& value : values(message, id)) {
    const auto address = parse_name_addr(value.text);
    if (!address || (address->is_star && !star_allowed)) return false;
  }
  return true;
}

Verdict check_addresses(const Message& message) {
  if (!are_addresses(message, HeaderId::route, false)) return refuse("Malformed Route");
  if (!are_addresses(message, HeaderId::record_route, false)) return refuse("Malformed Record-Route");
  if (!are_addresses(message, HeaderId::path, false)) return refuse("Malformed Path");
  if (!are_addresses(message, HeaderId::contact, message.method() == Method::register_)) {
    return refuse("Malformed Contact");
  }
  return {};
}

Verdict check_request_uri(std::string_view text) {
  const auto uri = parse_uri(text);
  if (!uri) return refuse("Malformed Request-URI");
  if (uri->scheme == Scheme::other) return {416, "Unsupported URI Scheme"};
  // RFC 3261 19.1.1, table 1: the headers component may not stand in a Request-URI.
  if (!uri->headers.empty()) return refuse("Header fields in Request-URI");
  return {};
}

}  // namespace

Verdict validate_request(const Message& request) {
  Via via;
  return validate_request(request, via);
}

Verdict validate_request(const Message& request, Via& top_via) {
  if (!request.is_request()) return refuse("Not a request");
  if (const Verdict singles = check_singles(request); !singles) return singles;
  if (const Verdict identity = check_identity(request, top_via); !identity) return identity;
  const auto cseq = parse_cseq(request.value(HeaderId::cseq));
  if (!cseq) return refuse("Malformed CSeq");
  if (cseq->method_text != request.method_text()) return refuse("CSeq does not match the method");
  // RFC 3261 20.22: 0 to 255; RFC 2543 peers send none.
  if (request.has(HeaderId::max_forwards) && !parse_number(request.value(HeaderId::max_forwards), 255)) {
    return refuse("Malformed Max-Forwards");
  }
  if (request.has(HeaderId::expires) && !parse_delta_seconds(request.value(HeaderId::expires))) {
    return refuse("Malformed Expires");
  }
  if (const Verdict uri = check_request_uri(request.request_uri()); !uri) return uri;
  return check_addresses(request);
}

Verdict validate_response(const Message& response) {
  Via via;
  return validate_response(response, via);
}

Verdict validate_response(const Message& response, Via& top_via) {
  if (!response.is_response()) return refuse("Not a response");
  if (response.status() < 100) return refuse("Malformed status code");
  if (const Verdict singles = check_singles(response); !singles) return singles;
  if (const Verdict identity = check_identity(response, top_via); !identity) return identity;
  if (!parse_cseq(response.value(HeaderId::cseq))) return refuse("Malformed CSeq");
  return {};
}

}  // namespace sallyport::sip
