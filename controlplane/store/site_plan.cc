// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_plan.h"

namespace sallyport::store {

const char* name_of(PlanAction action) {
  switch (action) {
    case PlanAction::create: return "create";
    case PlanAction::change: return "change";
    case PlanAction::remove: return "delete";
  }
  return "";
}

std::string PlanLine::text() const {
  std::string line = std::string(name_of(action)) + " " + kind + (name.empty() ? "" : " \"" + name + "\"");
  for (std::size_t i = 0; i < details.size(); ++i) line += (i == 0 ? ": " : ", ") + details[i];
  return line;
}

}  // namespace sallyport::store
