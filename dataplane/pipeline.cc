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
    {abi::Stage::relay, stage::relay},         // the express lane: a plain packet of an opaque flow goes out from here
    {abi::Stage::parse, stage::parse},         // Ethernet, IP, UDP: is it ours, is it whole
    {abi::Stage::find_flow, stage::find_flow}, // by port or multiplexID; source, size and rate
    {abi::Stage::control, stage::control},     // the link's own datagrams end here
    {abi::Stage::open, stage::open},           // SRTP to RTP; a latch moves only after this
    {abi::Stage::rewrite, stage::rewrite},     // new headers, multiplexID, lengths and checksums
    {abi::Stage::seal, stage::seal},           // RTP to SRTP
    {abi::Stage::transmit, stage::transmit},   // out
};

// Reading the clock around each stage costs as much as a stage does: one burst of seventeen stands for all, a number that no
// pattern of traffic is likely to keep step with.
constexpr uint32_t bursts_a_sample = 17;

class StageClock {
 public:
  explicit StageClock(Worker& worker) : counters_(worker.area->counters), is_sample_(worker.bursts % bursts_a_sample == 0) {
    if (is_sample_) before_ = rte_rdtsc();
  }
  void finished(abi::Stage stage, uint32_t packets) {
    counters_.stage_packets[static_cast<size_t>(stage)] += packets;
    if (!is_sample_) return;
    const uint64_t now = rte_rdtsc();
    counters_.stage_cycles[static_cast<size_t>(stage)] += (now - before_) * bursts_a_sample;
    before_ = now;
  }

 private:
  abi::WorkerCounters& counters_;
  const bool is_sample_;
  uint64_t before_ = 0;
};

void run_stages(Worker& worker, StageClock& clock) {
  Burst& burst = worker.burst;
  clock.finished(abi::Stage::receive, burst.count);
  for (const auto& step : stages) {
    const uint32_t passing = burst.passing;
    if (passing == 0) break;
    step.run(worker);
    clock.finished(step.name, passing);
  }
  if (!burst.was_handed_over && burst.owned != 0) give_to_kernel(worker);
  for (uint32_t i = 0; burst.owned != 0 && i < burst.count; ++i) {
    if (burst.packets[i].verdict == Verdict::handed_on) continue;
    rte_pktmbuf_free(burst.packets[i].mbuf);
    --burst.owned;
  }
  burst.count = 0;
}

template <class Receive>
uint32_t run_burst(Worker& worker, Receive receive) {
  StageClock clock(worker);
  const uint32_t taken = receive();
  if (taken == 0) return 0;
  run_stages(worker, clock);
  ++worker.bursts;
  return taken;
}

}  // namespace

uint32_t run_port(Worker& worker, uint16_t port_index) {
  return run_burst(worker, [&] { return stage::receive(worker, port_index); });
}

uint32_t run_handed_over(Worker& worker) {
  return run_burst(worker, [&] { return stage::receive_handed_over(worker); });
}

}  // namespace sallyport::dataplane
