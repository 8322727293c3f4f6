// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stages of a packet's life, in order; pipeline.cc lists them, stage_<name>.cc is each of them. A stage takes the worker's
// burst and gives every packet a verdict; stages never call each other. Owner lcore only.

#include <cstdint>

namespace sallyport::dataplane {

class Worker;

// Runs the stages over what one port has for this worker, or what other workers handed over. The number of packets taken.
uint32_t run_port(Worker& worker, uint16_t port_index);
uint32_t run_handed_over(Worker& worker);

namespace stage {
uint32_t receive(Worker& worker, uint16_t port_index);
uint32_t receive_handed_over(Worker& worker);
void relay(Worker& worker);
void parse(Worker& worker);
void find_flow(Worker& worker);
void control(Worker& worker);
void open(Worker& worker);
void rewrite(Worker& worker);
void seal(Worker& worker);
void transmit(Worker& worker);
}  // namespace stage

}  // namespace sallyport::dataplane
