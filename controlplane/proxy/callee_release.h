// SPDX-License-Identifier: Apache-2.0
#pragma once
// CalleeRelease: what this node says to a callee whose 2xx cannot go to the caller (its answer carries no usable keys, or the caller
// is gone): ACK, then BYE, as the caller would have sent them (RFC 3261 13.2.2.4, 15). Texts without a Via; the proxy adds its own.

#include <string>

#include "controlplane/sip/message.h"

namespace sallyport::proxy {

struct CalleeRelease {
  std::string ack, bye;
};

// sent: the INVITE as it left this node. Route is what stood below us in Record-Route (12.1.2), the target the callee's Contact.
CalleeRelease release_callee(const sip::Message& sent, const sip::Message& response);

// Whole Route lines that lead to the callee from here.
std::string callee_route_lines(const sip::Message& sent, const sip::Message& response);

}  // namespace sallyport::proxy
