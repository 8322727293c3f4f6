// SPDX-License-Identifier: Apache-2.0
// control: datagrams of the link itself (multiplexID 0) end here.

#include "dataplane/link_control.h"
#include "dataplane/pipeline.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

void control(Worker& worker) {
  if (!worker.burst.has_control) return;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || !packet.is_control) continue;
    const abi::DropReason reason = take_control(worker, packet);
    if (reason != abi::DropReason::count) {
      worker.drop(packet, reason);
    } else if (packet.verdict == Verdict::pass) {
      worker.settle(packet, Verdict::consumed);
    }
  }
}

}  // namespace sallyport::dataplane::stage
