// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one hostile source sends, by kind: frames, and what must become of each. unit-dataplane mixes them with good packets on ring
// ports; perf/media_flood.cc sends them to a node in the lab.

#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "dataplane/abi/drop_reason.h"
#include "tests/unit/dataplane/frame.h"

namespace sallyport::test {

enum class FloodKind : uint8_t { junk, wrong_tags, forged_source, unknown_ids, fragments, oddities, redirects, arp, count };
inline constexpr const char* flood_names[] = {"junk", "wrong_tags", "forged_source", "unknown_ids", "fragments", "oddities", "redirects", "arp"};
static_assert(std::size(flood_names) == static_cast<size_t>(FloodKind::count));

std::optional<FloodKind> flood_kind(std::string_view name);

// A flow on E's outer side that runs, and what of the node a hostile source may aim at.
struct FloodTarget {
  abi::Address phone;         // the source that the flow is held to
  abi::Address relay;         // where its packets arrive
  abi::Address unused_relay;  // in the range of relay ports, and no flow there
  abi::Address link_source;   // C's, forged
  abi::Address link;          // where E takes multiplexed packets
  abi::Address stranger;
  abi::Address gateway;
};

struct FloodFrame {
  const char* what;
  Bytes bytes;
  // Nothing: it could be a phone that moved. A few go on to C, which finds the tag wrong; the rest is policed.
  std::optional<abi::DropReason> drop;
};

std::vector<FloodFrame> flood_frames(FloodKind kind, const FloodTarget& target, std::mt19937& random);

}  // namespace sallyport::test
