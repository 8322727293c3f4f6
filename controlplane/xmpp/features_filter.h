// SPDX-License-Identifier: Apache-2.0
#pragma once
// without_channel_binding(): the features of a server as a client outside may see them. TLS ends at E, so what binds authentication to a
// TLS channel cannot hold from end to end: mechanisms that end in -PLUS, those of XEP-0484 that bind, the list of binding types
// (XEP-0440), and EXTERNAL, are taken out. So is stream compression (XEP-0138), behind which E would see no stanzas. All other bytes stay as they were.

#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::xmpp {

struct FilteredFeatures {
  std::string bytes;
  size_t taken_out = 0;  // elements
};

// features: the raw element; header: the raw start tag of its stream, for the namespaces. Fault: it cannot be parsed.
Outcome<FilteredFeatures> without_channel_binding(std::string_view features, std::string_view header);

}  // namespace sallyport::xmpp
