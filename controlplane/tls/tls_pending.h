// SPDX-License-Identifier: Apache-2.0
#pragma once
// TlsSession::Pending: what a running handshake needs and an established session does not, so that it is freed in between.
// Private to tls_session.cc and tls_policy.cc.

#include "controlplane/tls/tls_session.h"

namespace sallyport::tls {

struct TlsSession::Pending {
  std::shared_ptr<const CredentialSnapshot> snapshot;
  std::vector<std::string> peer_names;
  std::string name;  // server: asked for by other means than SNI; empty: none
  std::optional<HandshakeFailure> failure;  // set by a callback, before OpenSSL reports its own
};

}  // namespace sallyport::tls
