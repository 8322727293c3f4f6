// SPDX-License-Identifier: Apache-2.0
#include "dataplane/pipeline.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/exception_path.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

using StageFunction = void (*)(Worker&);

// The life of a packet after it was received.
constexpr struct {
  abi::Stage name;
  StageFunction run;
} stages[] = {
    {abi::Stage::parse, stage::parse},         // Ethernet, IP, UDP: is it ours, is it whole
    {abi::Stage::find_flow, stage::find_flow}, // by port or multiplexID; source, size and rate
    {abi::Stage::control, stage::control},     // the link's own datagrams end here
    {abi::Stage::open, stage::open},           // SRTP to RTP; a latch moves only after this
    {abi::Stage::rewrite, stage::rewrite},     // destination, multiplexID, new headers
    {abi::Stage::seal, stage::seal},           // RTP to SRTP
    {abi::Stage::transmit, stage::transmit},   // lengths, checksums, out
};

void run_stages(Worker& worker, uint64_t started) {
  abi::WorkerCounters& counters = worker.area->counters;
  uint64_t before = rte_rdtsc();
  counters.stage_cycles[static_cast<size_t>(abi::Stage::receive)] += before - started;
  counters.stage_packets[static_cast<size_t>(abi::Stage::receive)] += worker.burst.count;
  for (const auto& step : stages) {
    uint32_t passing = 0;
    for (uint32_t i = 0; i < worker.burst.count; ++i) passing += worker.burst.packets[i].verdict == Verdict::pass;
    if (passing == 0) break;
    step.run(worker);
    const uint64_t after = rte_rdtsc();
    counters.stage_packets[static_cast<size_t>(step.name)] += passing;
    counters.stage_cycles[static_cast<size_t>(step.name)] += after - before;
    before = after;
  }
  if (!worker.burst.was_handed_over) give_to_kernel(worker);
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    if (worker.burst.packets[i].verdict != Verdict::handed_on) rte_pktmbuf_free(worker.burst.packets[i].mbuf);
  }
  worker.burst.count = 0;
}

}  // namespace

uint32_t run_port(Worker& worker, uint16_t port_index) {
  const uint64_t started = rte_rdtsc();
  const uint32_t taken = stage::receive(worker, port_index);
  if (taken != 0) run_stages(worker, started);
  return taken;
}

uint32_t run_handed_over(Worker& worker) {
  const uint64_t started = rte_rdtsc();
  const uint32_t taken = stage::receive_handed_over(worker);
  if (taken != 0) run_stages(worker, started);
  return taken;
}

}  // namespace sallyport::dataplane
