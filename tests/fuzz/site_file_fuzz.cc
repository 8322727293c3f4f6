// SPDX-License-Identifier: Apache-2.0
// Site documents and node files of any bytes: each is taken or refused with findings, and what is taken is what export writes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/config/node_file.h"
#include "controlplane/store/site_rules.h"

using namespace sallyport;

namespace {

// Export of what was planned, applied to the planned site, must change nothing.
void check_round_trip(const store::PlannedSite& planned, config::Role role) {
  store::SiteConfig site;
  for (const store::PlannedZone& zone : planned.zones) site.zones.push_back(zone.zone);
  site.credentials = planned.credentials;
  site.unified = planned.unified;
  store::SiteDraft draft = store::read_site_document(store::write_site_document(site, role), "export");
  store::PlannedSite again = store::plan_site(draft, {role, store::default_zone_port, site, [](const std::string&, std::string_view) { return true; }});
  if (again.plan.is_refused() || !again.plan.lines.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  config::NodeFileResult node = config::check_node_text(text, "fuzz");
  if ((node.config == nullptr) == node.errors.empty()) std::abort();
  store::SiteConfig empty;
  for (config::Role role : {config::Role::edge, config::Role::core}) {
    store::SiteDraft draft = store::read_site_document(text, "fuzz");
    store::PlannedSite planned = store::plan_site(draft, {role, store::default_zone_port, empty, [](const std::string&, std::string_view) { return false; }});
    if (!planned.plan.is_refused()) check_round_trip(planned, role);
  }
  return 0;
}
