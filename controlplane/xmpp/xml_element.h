// SPDX-License-Identifier: Apache-2.0
#pragma once
// XmlElement: one element as a tree, for the few stanzas this edge reads itself: stream headers, features, STARTTLS, errors. Parsed by
// expat with namespaces; DOCTYPE, depth and number of elements are bounded. A plain value.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::xmpp {

namespace ns {
inline constexpr std::string_view stream = "http://etherx.jabber.org/streams";
inline constexpr std::string_view client = "jabber:client";
inline constexpr std::string_view tls = "urn:ietf:params:xml:ns:xmpp-tls";
inline constexpr std::string_view sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
inline constexpr std::string_view sasl2 = "urn:xmpp:sasl:2";
inline constexpr std::string_view fast = "urn:xmpp:fast:0";
inline constexpr std::string_view channel_binding = "urn:xmpp:sasl-cb:0";
inline constexpr std::string_view compression = "http://jabber.org/features/compress";
inline constexpr std::string_view stream_errors = "urn:ietf:params:xml:ns:xmpp-streams";
}  // namespace ns

struct XmlElement {
  std::string space, name;
  std::vector<std::pair<std::string, std::string>> attributes;  // local names; of a foreign namespace: "space name"
  std::string text;                                             // of all text children
  std::vector<XmlElement> children;
  size_t from = 0, to = 0;  // bytes of the source it stands at

  const std::string& attribute(std::string_view wanted) const;  // "": not there
  const XmlElement* child(std::string_view in_space, std::string_view wanted) const;  // null: none
  bool is(std::string_view in_space, std::string_view wanted) const { return name == wanted && space == in_space; }
};

// A whole element. Where it stands within a stream, the namespaces declared by that stream's header are in force: `header` is its raw
// start tag; empty: none. Fault invalid: not well-formed, or beyond the bounds.
Outcome<XmlElement> parse_element(std::string_view bytes, std::string_view header = {});

struct StreamHeader {
  std::string to, from, id, version, lang;
  std::string content_space;  // the default namespace: jabber:client
  std::string encoding{};     // of the XML declaration; empty: none
};

// The raw start tag of a stream, with or without its XML declaration. Fault invalid: no stream of RFC 6120.
Outcome<StreamHeader> parse_stream_header(std::string_view bytes);
std::string format_stream_header(const StreamHeader& header);

std::string escape_xml(std::string_view text);

}  // namespace sallyport::xmpp
