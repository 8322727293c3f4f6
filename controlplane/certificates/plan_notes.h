// SPDX-License-Identifier: Apache-2.0
#pragma once
// PlanNotes: how what is found in a site document about certificates gets into its plan. The plan must outlive the planning.

#include <string>
#include <utility>
#include <vector>

#include "controlplane/store/site_part.h"

namespace sallyport::certificates {

struct PlanNotes {
  store::SitePartContext context;
  store::SitePlan& plan;

  static store::Place place_of(const store::Places& places, const std::string& key) {
    auto at = places.find(key);
    if (at == places.end()) at = places.find("");
    return at == places.end() ? store::Place{} : at->second;
  }
  void refuse(store::Place place, std::string key, std::string cause, std::string remedy, FaultCode code = FaultCode::invalid) const {
    plan.refusals.push_back({.file = context.draft.file, .line = place.line, .column = place.column, .key = std::move(key), .code = code, .cause = std::move(cause), .remedy = std::move(remedy)});
  }
  void refuse(store::Place place, std::string key, const Fault& fault) const { refuse(place, std::move(key), fault.subject + ": " + fault.cause, fault.remedy, fault.code); }
  void line(store::PlanAction action, std::string kind, std::string name, std::vector<std::string> details, std::string effect) const {
    plan.lines.push_back({action, std::move(kind), std::move(name), std::move(details), std::move(effect)});
  }
  // A change of one value among the details of a line.
  static void note(std::vector<std::string>& details, const std::string& key, const std::string& before, const std::string& after) {
    if (before != after) details.push_back(key + ": " + (before.empty() ? "none" : before) + " -> " + (after.empty() ? "none" : after));
  }
};

}  // namespace sallyport::certificates
