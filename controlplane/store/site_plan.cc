// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_plan.h"

#include <map>

namespace sallyport::store {
namespace {

constexpr std::size_t most_told_apart = 20, most_named = 3;

}  // namespace

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

std::vector<std::string> told_lines(const std::vector<PlanLine>& lines) {
  std::map<std::pair<PlanAction, std::string>, std::vector<const PlanLine*>> groups;
  for (const PlanLine& line : lines) groups[{line.action, line.kind}].push_back(&line);
  std::vector<std::string> told;
  for (const PlanLine& line : lines) {
    const std::vector<const PlanLine*>& group = groups[{line.action, line.kind}];
    if (group.size() <= most_told_apart) {
      told.push_back(line.text());
    } else if (group.front() == &line) {
      std::string text = std::string(name_of(line.action)) + " " + std::to_string(group.size()) + " " + line.kind;
      for (std::size_t i = 0; i < most_named; ++i) text += (i == 0 ? ": " : ", ") + group[i]->name;
      told.push_back(text + " and " + std::to_string(group.size() - most_named) + " more");
    }
  }
  return told;
}

}  // namespace sallyport::store
