// SPDX-License-Identifier: Apache-2.0
#pragma once
// The exception path beside the stages: on a port that the kernel does not see (profile vfio), what is not for a relay or link
// port goes to the kernel by the exception port, and what the kernel sends goes out by the NIC. Nothing to do on other ports. Towards the
// kernel it is bounded by exception_policer.h; from it by a burst a round, and by the interface's own queue behind that.
// Owner lcore only; a queue a worker on both sides.

#include <cstdint>

namespace sallyport::dataplane {

class Worker;

// Packets of the burst that parse found not to be ours.
void give_to_kernel(Worker& worker);
// The number of packets taken.
uint32_t take_from_kernel(Worker& worker);

}  // namespace sallyport::dataplane
