// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cycles a packet of each stage, as a worker's counters have them since `before` was copied: NAME/STAGE, one JSON line each.

#include <algorithm>
#include <cstdio>
#include <string>

#include "dataplane/abi/region.h"

namespace sallyport::perf {

inline void print_stages(const std::string& name, const abi::WorkerCounters& before, const abi::WorkerCounters& counters) {
  for (size_t stage = 0; stage < static_cast<size_t>(abi::Stage::count); ++stage) {
    const double packets = static_cast<double>(std::max<uint64_t>(counters.stage_packets[stage] - before.stage_packets[stage], 1));
    std::printf("{\"name\": \"%s/%s\", \"value\": %.1f, \"unit\": \"cycles/packet\", \"better\": \"lower\"}\n", name.c_str(),
                abi::stage_names[stage], static_cast<double>(counters.stage_cycles[stage] - before.stage_cycles[stage]) / packets);
  }
}

}  // namespace sallyport::perf
