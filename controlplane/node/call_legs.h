// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `sallyport calls show` and `sallyport flows` tell of media: both legs of a call, each stream and direction with suite, packets, loss,
// jitter and both addresses. Copies of what the region holds at this moment; keys never leave it.

#include <vector>

#include "controlplane/api/node_view.h"
#include "controlplane/calls/call.h"
#include "controlplane/media/region_map.h"

namespace sallyport::node {

std::vector<api::LegView> legs_of(const calls::Call& call, const media::SessionSnapshot& media, bool is_e);
std::vector<api::FlowView> flows_of(const media::RegionMap& region, bool is_e, std::size_t limit);

}  // namespace sallyport::node
