// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/features_filter.h"

#include <vector>

#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {
namespace {

bool is_unfit_mechanism(const XmlElement& element) {
  if (element.name != "mechanism") return false;
  std::string_view name = element.text;
  while (!name.empty() && (name.back() == ' ' || name.back() == '\n' || name.back() == '\r' || name.back() == '\t')) name.remove_suffix(1);
  // EXTERNAL would vouch for C, which holds the other end of the server's TLS, and not for the client.
  if (element.space == ns::sasl || element.space == ns::sasl2) return name.ends_with("-PLUS") || name == "EXTERNAL";
  return element.space == ns::fast && (name.ends_with("-UNIQ") || name.ends_with("-ENDP") || name.ends_with("-EXPR"));
}

void collect(const XmlElement& element, std::vector<const XmlElement*>& unwanted) {
  for (const XmlElement& child : element.children) {
    if (is_unfit_mechanism(child) || child.space == ns::channel_binding || child.space == ns::compression) unwanted.push_back(&child);
    else collect(child, unwanted);
  }
}

}  // namespace

Outcome<FilteredFeatures> without_channel_binding(std::string_view features, std::string_view header) {
  const auto parsed = parse_element(features, header);
  if (!parsed) return parsed.fault();
  std::vector<const XmlElement*> unwanted;
  collect(*parsed, unwanted);
  FilteredFeatures filtered{{}, unwanted.size()};
  size_t from = 0;
  for (const XmlElement* each : unwanted) {
    filtered.bytes += features.substr(from, each->from - from);
    from = each->to;
  }
  filtered.bytes += features.substr(from);
  return filtered;
}

}  // namespace sallyport::xmpp
