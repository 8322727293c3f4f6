// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/callee_release.h"

#include <fmt/format.h>

#include <vector>

#include "controlplane/sip/cseq.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::proxy {

using sip::HeaderId;
using sip::Message;

namespace {

std::vector<std::string_view> record_routes(const Message& message) {
  std::vector<std::string_view> all;
  for (const sip::HeaderValue& value : sip::values(message, HeaderId::record_route)) all.push_back(value.text);
  return all;
}

std::string write_request(const Message& sent, const Message& response, std::string_view target, std::string_view method, uint32_t cseq) {
  return fmt::format("{} {} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {}\r\nContent-Length: 0\r\n\r\n", method, target,
                     callee_route_lines(sent, response), response.value(HeaderId::from), response.value(HeaderId::to), response.value(HeaderId::call_id), cseq, method);
}

}  // namespace

// On top of what we and those before us wrote stands what the next ones added; nearest to us is the last of these.
std::string callee_route_lines(const Message& sent, const Message& response) {
  const std::vector<std::string_view> added = record_routes(response);
  const size_t known = record_routes(sent).size();
  std::string lines;
  for (size_t left = added.size() > known ? added.size() - known : 0; left > 0; --left) lines += fmt::format("Route: {}\r\n", added[left - 1]);
  return lines;
}

CalleeRelease release_callee(const Message& sent, const Message& response) {
  const auto value = sip::first_value(response, HeaderId::contact);
  const auto contact = value ? sip::parse_name_addr(value->text) : std::nullopt;
  const std::string target(contact ? contact->uri.text : sent.request_uri());
  const auto cseq = sip::parse_cseq(response.value(HeaderId::cseq));
  const uint32_t number = cseq ? cseq->number : 0;
  return {write_request(sent, response, target, "ACK", number), write_request(sent, response, target, "BYE", number + 1)};
}

}  // namespace sallyport::proxy
