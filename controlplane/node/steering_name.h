// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ways of steering that a dataplane may name in its region, as values of a label: what is not among them is "other".

#include <string_view>

namespace sallyport::node {

inline constexpr std::string_view steering_names[] = {"rte_flow", "rss", "hand-over", "one worker", "other"};

constexpr std::string_view steering_name(std::string_view told) {
  for (const std::string_view name : steering_names)
    if (name == told) return name;
  return "other";
}

}  // namespace sallyport::node
