// SPDX-License-Identifier: Apache-2.0
#pragma once
// Capture: copies of the packets of flows with flow_capture, for the control plane to read (abi/capture.h): as they came and as they go,
// or, with flow_capture_clear, once between opening and sealing. Without that flag a payload that travels in the clear is cut off behind
// its header. Owner lcore only; called only while flows are captured, so that nothing is paid otherwise. A copy costs a memcpy; above
// 20,000 a second, or with no room in the ring, it is left out and counted. The packet itself goes on either way.

namespace sallyport::dataplane {

class Worker;
struct FlowEntry;

void capture_received(Worker& worker);  // after find_flow
void capture_clear(Worker& worker);     // after rewrite
void capture_sent(Worker& worker);      // before transmit
// Somebody reads what is copied.
bool is_capture_wanted(const Worker& worker);
// Takes the flags away, here and in the region.
void end_capture(Worker& worker, FlowEntry& flow);

}  // namespace sallyport::dataplane
