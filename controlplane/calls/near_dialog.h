// SPDX-License-Identifier: Apache-2.0
#pragma once
// NearDialog: what this node needs to end a call at the party on its own side (a client on E, call control on C), when the other side cannot be
// reached any more: a BYE as the far party would send it (RFC 3261 12.2.1.1, 15). Learnt when the call is answered; texts are its own.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/proxy/hop.h"
#include "controlplane/proxy/relay_transaction.h"
#include "controlplane/sip/message.h"

namespace sallyport::calls {

struct NearDialog {
  std::weak_ptr<proxy::Hop> hop;
  std::string target;  // the near party's Contact
  std::string routes;  // whole Route lines
  std::string from, to;

  // response: a 2xx to the initial INVITE, whose transaction this is.
  static NearDialog learn(const proxy::RelayTransaction& transaction, const sip::Message& response, bool began_near);
  // Without a Via; the proxy adds its own. cseq: above any of the far party.
  std::string bye(std::string_view call_id, uint32_t cseq, std::string_view reason) const;
};

}  // namespace sallyport::calls
