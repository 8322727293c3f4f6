// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/route_set.h"

#include <strings.h>

#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::proxy {

void OwnNames::add(std::string host, uint16_t port) { names_.push_back({std::move(host), port}); }

bool OwnNames::is_own(const sip::Uri& uri) const {
  if (!uri.is_sip()) return false;
  for (const Name& name : names_) {
    const bool same_host = name.host.size() == uri.host.size() && strncasecmp(name.host.data(), uri.host.data(), name.host.size()) == 0;
    if (same_host && (uri.port == 0 || name.port == 0 || uri.port == name.port)) return true;
  }
  return false;
}

StrippedRoutes strip_own_routes(const sip::Message& message, sip::Edit& edit, const OwnNames& own, int limit) {
  StrippedRoutes result;
  for (const sip::HeaderValue& value : sip::values(message, sip::HeaderId::route)) {
    const auto route = sip::parse_name_addr(value.text);
    if (!route) {
      result.is_broken = true;
      return result;
    }
    if (result.taken >= limit || !own.is_own(route->uri)) {
      result.next = route->uri;
      return result;
    }
    edit.remove(value);
    ++result.taken;
    if (route->uri.has_user()) result.tokens.push_back(route->uri.user);
  }
  return result;
}

}  // namespace sallyport::proxy
