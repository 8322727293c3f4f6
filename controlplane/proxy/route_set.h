// SPDX-License-Identifier: Apache-2.0
#pragma once
// RouteSet: what a router does with Route headers (RFC 3261 16.4): take off the values that name this node, remember the
// token they carried, tell what comes next. OwnNames: which host and port pairs are this node. Views into the message.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/edit.h"
#include "controlplane/sip/uri.h"

namespace sallyport::proxy {

class OwnNames {
 public:
  // Host as in a URI (name, IPv4, or IPv6 in brackets), compared without case; port 0 matches any port of the list.
  void add(std::string host, uint16_t port);
  bool is_own(const sip::Uri& uri) const;

 private:
  struct Name {
    std::string host;
    uint16_t port;
  };
  std::vector<Name> names_;
};

struct StrippedRoutes {
  int taken = 0;                       // values of ours that were removed
  std::vector<std::string_view> tokens;  // their user parts, in order
  std::optional<sip::Uri> next;        // the first Route value left
  bool is_broken = false;              // a Route value that cannot be read
};

// Removes the leading Route values that name this node, at most `limit` of them.
StrippedRoutes strip_own_routes(const sip::Message& message, sip::Edit& edit, const OwnNames& own, int limit = 4);

}  // namespace sallyport::proxy
