// SPDX-License-Identifier: Apache-2.0
#pragma once
// SitePlan: what applying a site document changes, line by line, before anything is changed. Plain values, any thread.

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/config/finding.h"

namespace sallyport::store {

enum class PlanAction : std::uint8_t { create, change, remove };
const char* name_of(PlanAction action);  // "create", "change", "delete"

struct PlanLine {
  PlanAction action = PlanAction::create;
  std::string kind;  // "zone", "credential"
  std::string name;
  std::vector<std::string> details;  // "port: 7001 -> 7002", "password: changed"
  std::string effect;                // on users that are connected now: "none: ..."; never empty

  std::string text() const;  // "change zone \"Traversal zone\": port: 7001 -> 7002"
};

struct SitePlan {
  std::vector<PlanLine> lines;
  config::Findings refusals;  // not empty: the document is refused whole
  config::Findings warnings;
  std::uint64_t revision = 0;  // in force after the call
  bool applied = false;

  bool is_refused() const { return !refusals.empty(); }
};

// For history and log, which are bounded: more than twenty lines of one action and kind become one, "create 10000 domain: a.example, ...".
std::vector<std::string> told_lines(const std::vector<PlanLine>& lines);

}  // namespace sallyport::store
