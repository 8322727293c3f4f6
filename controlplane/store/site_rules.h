// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site may be (requirements A03, A16 to A31, B19), and what it takes to get from the stored site to the one in a draft.
// Pure functions; passwords of C are compared through `opens`, so that the rules need no key.

#include <functional>
#include <string>
#include <vector>

#include "controlplane/store/site_document.h"
#include "controlplane/store/site_plan.h"

namespace sallyport::store {

struct SiteRulesContext {
  config::Role role = config::Role::edge;
  std::uint16_t first_zone_port = default_zone_port;
  const SiteConfig& stored;
  // C: whether `password` is the one stored for that zone.
  std::function<bool(const std::string& zone, std::string_view password)> is_stored_password;
};

// A zone as it shall be, and where its password comes from.
struct PlannedZone {
  Zone zone;
  const Secret* new_password = nullptr;  // null: keep what is stored
};

struct PlannedSite {
  SitePlan plan;
  std::vector<PlannedZone> zones;        // by port
  std::vector<Credential> credentials;   // by name
  UnifiedCommunications unified;
};

// The draft must outlive the result (new_password points into it).
PlannedSite plan_site(const SiteDraft& draft, const SiteRulesContext& context);

void sort_by_place(config::Findings& findings);

}  // namespace sallyport::store
