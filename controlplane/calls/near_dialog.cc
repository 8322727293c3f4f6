// SPDX-License-Identifier: Apache-2.0
#include "controlplane/calls/near_dialog.h"

#include <fmt/format.h>

#include "controlplane/proxy/callee_release.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::calls {

using sip::HeaderId;
using sip::Message;

namespace {

std::string contact_of(const Message& message) {
  const auto value = sip::first_value(message, HeaderId::contact);
  const auto contact = value ? sip::parse_name_addr(value->text) : std::nullopt;
  return contact ? std::string(contact->uri.text) : std::string{};
}

// A caller is reached by what stood in Record-Route when its INVITE came, the nearest first (12.1.1).
std::string routes_to_caller(const Message& invite) {
  std::string lines;
  for (const sip::HeaderValue& value : sip::values(invite, HeaderId::record_route)) lines += fmt::format("Route: {}\r\n", value.text);
  return lines;
}

}  // namespace

NearDialog NearDialog::learn(const proxy::RelayTransaction& transaction, const Message& response, bool began_near) {
  NearDialog dialog;
  Message invite;
  if (!sip::parse(began_near ? transaction.request() : transaction.forwarded(), invite).ok()) return dialog;
  dialog.hop = began_near ? std::weak_ptr<proxy::Hop>(transaction.server_hop()) : transaction.client_hop();
  dialog.target = contact_of(began_near ? invite : response);
  dialog.routes = began_near ? routes_to_caller(invite) : proxy::callee_route_lines(invite, response);
  dialog.from = response.value(began_near ? HeaderId::to : HeaderId::from);
  dialog.to = response.value(began_near ? HeaderId::from : HeaderId::to);
  return dialog;
}

std::string NearDialog::bye(std::string_view call_id, uint32_t cseq, std::string_view reason) const {
  return fmt::format("BYE {} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} BYE\r\nReason: SIP;cause=503;text=\"{}\"\r\n"
                     "Content-Length: 0\r\n\r\n",
                     target, routes, from, to, call_id, cseq, reason);
}

}  // namespace sallyport::calls
