// SPDX-License-Identifier: Apache-2.0
#pragma once
// Router: what differs between the roles. EdgeRouter (E) stands between clients and the traversal zone, InnerRouter (C)
// between the traversal zone and call control. The Proxy parses, matches transactions and keeps RFC 3261 16; the router picks
// the target and makes the edits of its role. Called on the proxy's thread; never blocks.

#include <memory>
#include <string>

#include "controlplane/proxy/hop.h"
#include "controlplane/proxy/relay_transaction.h"
#include "controlplane/sip/edit.h"

namespace sallyport::proxy {

struct Inbound {
  const sip::Message& message;
  const std::shared_ptr<Hop>& hop;
  sip::Edit& edit;            // of what will be forwarded
  uint32_t attempt = 0;       // 0 for the first target, then 1, 2 ... after failures
  RelayTransaction* transaction = nullptr;  // none for ACK of a 2xx
};

struct Route {
  std::shared_ptr<Hop> target;  // set: forward there
  int status = 0;               // else: answer this
  std::string reason;           // empty: the standard phrase
  std::string extra_lines;      // whole header lines of the answer

  static Route to(std::shared_ptr<Hop> hop) { return {std::move(hop), 0, {}, {}}; }
  static Route refuse(int status, std::string reason = {}, std::string extra_lines = {}) {
    return {nullptr, status, std::move(reason), std::move(extra_lines)};
  }
};

class Router {
 public:
  virtual ~Router() = default;
  virtual Route route(Inbound& inbound) = 0;
  // Edits of a response on its way back; the top Via is gone already.
  virtual void on_response(RelayTransaction& transaction, const sip::Message& response, sip::Edit& edit) = 0;
  // A target failed before a final response: true when route() with the next attempt may find another.
  virtual bool may_retry(RelayTransaction& transaction, ClientFailure failure) = 0;
  // Requests that are for this node itself on this hop (digest of the traversal zone): true when it was taken.
  virtual bool take(const sip::Message& request, const std::shared_ptr<Hop>& hop) = 0;
  // The name in Warning and Server headers.
  virtual const std::string& agent() const = 0;
};

// Media anchoring, between routing and sending. Returns 0, or the status to refuse with (and fills warning).
struct AnchorVerdict {
  int status = 0;
  std::string reason;
  std::string extra_lines;
};

class Anchor {
 public:
  virtual ~Anchor() = default;
  // `transaction` is none for the ACK of a 2xx. source or target is the traversal hop.
  virtual AnchorVerdict on_request(RelayTransaction* transaction, const sip::Message& request, const Hop& source, const Hop& target,
                                   sip::Edit& edit) = 0;
  virtual AnchorVerdict on_response(RelayTransaction& transaction, const sip::Message& response, Side from, sip::Edit& edit) = 0;
  // The request was refused here or its target failed: what it had begun is undone.
  virtual void on_failed(RelayTransaction& transaction, int status) = 0;
};

}  // namespace sallyport::proxy
