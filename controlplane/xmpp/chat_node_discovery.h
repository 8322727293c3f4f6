// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which group chat services (MUC, XEP-0045) a presence server has: the domains that certificates need as chat node aliases (B24, E15). C logs in as
// a user of the server (RFC 6120, SASL PLAIN within TLS that was verified) and asks by service discovery (XEP-0030). What the server says
// is bounded; all of it takes at most 20 s. On the engine's thread.

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "controlplane/tls/stream.h"
#include "dataplane/abi/fault.h"

namespace sallyport::xmpp {

inline constexpr size_t max_chat_nodes = 64;  // of a server

struct ChatNodeLogin {
  std::string domain, user, password;  // user: the part before "@"
};

// Lower case, sorted. The stream is to the server, TLS is up and nothing was said in it yet; it is closed when this ends.
boost::asio::awaitable<Outcome<std::vector<std::string>>> discover_chat_nodes(tls::StreamPtr stream, ChatNodeLogin login);

}  // namespace sallyport::xmpp
