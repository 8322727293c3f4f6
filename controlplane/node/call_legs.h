// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `sallyport calls show` and `sallyport flows` tell of media: both legs of a call, each stream and direction with suite, packets, loss,
// jitter and both addresses. Copies of what the region holds at this moment; keys never leave it.

#include <vector>

#include "controlplane/api/node_view.h"
#include "controlplane/calls/call_table.h"
#include "controlplane/media/region_map.h"
#include "controlplane/media/stream_quality.h"

namespace sallyport::node {

std::vector<api::LegView> legs_of(const calls::Call& call, const media::SessionSnapshot& media, bool is_e);
// Loss and jitter as each flow meets them where its packets arrive.
std::vector<api::FlowView> flows_of(const media::RegionMap& region, bool is_e, std::size_t limit);
// Round trip and MOS of these flows, which their calls know: where packets arrive.
void add_quality(std::vector<api::FlowView>& flows, const calls::CallTable& calls);

}  // namespace sallyport::node
