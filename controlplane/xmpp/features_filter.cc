// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/features_filter.h"

#include <vector>

#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {
namespace {

bool is_mechanism_with_binding(const XmlElement& element) { return element.name == "mechanism" && (element.space == ns::sasl || element.space == ns::sasl2) && element.text.ends_with("-PLUS"); }

void collect(const XmlElement& element, std::vector<const XmlElement*>& unwanted) {
  for (const XmlElement& child : element.children) {
    if (is_mechanism_with_binding(child) || child.space == ns::channel_binding || child.space == ns::compression) unwanted.push_back(&child);
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
