// SPDX-License-Identifier: Apache-2.0
// packet_load: one direction of media through whatever lies between its two ends, as fast as that goes or at a rate, by memif ports or by
// UDP sockets; sealed, opened and compared. Flows come on standard input (perf/load_flows.h), then "end". Prints "open" when its
// ports are, "ready" once the first packet is back, waits for a line, measures, and prints one JSON object: packets, what was lost or wrong, CPU seconds of --pids,
// latency; goes when standard input ends.
// Without --rate at most --window packets are on their way, so that nothing overflows and what lies between is always busy.

#include <sched.h>
#include <x86intrin.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <string>

#include "perf/load_flows.h"
#include "perf/load_transport.h"
#include "perf/process_cpu.h"

namespace sallyport::perf {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string memif_out, memif_in, ip, pids;
  uint16_t send_port = 20000, receive_port = 20001;
  uint32_t core = 0, payload_bytes = 160, window = 256;
  uint64_t rate = 0;
  double seconds = 2, warm_up_seconds = 0.5;
};

double tsc_per_ns() {
  const auto begun = Clock::now();
  const uint64_t first = __rdtsc();
  while (Clock::now() - begun < std::chrono::milliseconds(50)) continue;
  return static_cast<double>(__rdtsc() - first) / static_cast<double>(std::chrono::nanoseconds(Clock::now() - begun).count());
}

// Latencies by their size, to a hundredth of it; no memory grows.
class Histogram {
 public:
  void add(double ns) {
    ++slots_[static_cast<size_t>(std::clamp(std::log(std::max(ns, 1.0)) * per_e, 0.0, static_cast<double>(slots_.size() - 1)))];
    ++count_;
  }
  double quantile(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
      seen += slots_[slot];
      if (seen > wanted) return std::exp((static_cast<double>(slot) + 0.5) / per_e);
    }
    return 0;
  }

 private:
  static constexpr double per_e = 100;
  std::array<uint64_t, 2400> slots_{};
  uint64_t count_ = 0;
};

struct Counts {
  uint64_t sent = 0, unsent = 0, received = 0, rejected = 0, verified = 0;
};

class Run {
 public:
  Run(const Options& options, LoadFlows& flows, LoadTransport& transport)
      : options_(options), flows_(flows), transport_(transport), tsc_per_ns_(tsc_per_ns()) {}

  // Until the first packet is back: links come up, next hops are asked for.
  bool wait_for_path() {
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (Clock::now() < end) {
      send(1);
      for (const auto pause = Clock::now() + std::chrono::milliseconds(20); Clock::now() < pause;) {
        if (receive() != 0) return true;
      }
    }
    return false;
  }

  void go(double seconds) {
    const auto begun = Clock::now();
    counts_ = {};
    latency_ = {};
    on_their_way_ = 0;
    uint64_t begun_tsc = __rdtsc(), last_tsc = begun_tsc;
    const auto length = static_cast<uint64_t>(seconds * 1e9 * tsc_per_ns_);
    const double per_tick = static_cast<double>(options_.rate) / 1e9 / tsc_per_ns_;
    for (uint64_t now = begun_tsc; now - begun_tsc < length; now = __rdtsc()) {
      if (options_.rate == 0) {
        if (on_their_way_ + load_burst <= options_.window) send(load_burst);
      } else {
        const auto due = static_cast<uint64_t>(static_cast<double>(now - begun_tsc) * per_tick);
        const uint64_t made = counts_.sent + counts_.unsent;
        if (due > made) send(static_cast<uint32_t>(std::min<uint64_t>(due - made, load_burst)));
      }
      if (receive() != 0) last_tsc = now;
      give_up_lost(now, last_tsc);
    }
    seconds_ = std::chrono::duration<double>(Clock::now() - begun).count();
  }

  void drain() {
    for (auto end = Clock::now() + std::chrono::milliseconds(100); Clock::now() < end;) {
      if (receive() != 0) end = Clock::now() + std::chrono::milliseconds(100);
    }
  }

  void print(double cpu_seconds, uint64_t received_in_time) const {
    std::printf("{\"seconds\": %.4f, \"sent\": %lu, \"unsent\": %lu, \"received\": %lu, \"received_in_time\": %lu, \"rejected\": %lu, \"verified\": %lu, "
                "\"cpu_seconds\": %.4f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f}\n",
                seconds_, counts_.sent, counts_.unsent, counts_.received, received_in_time, counts_.rejected, counts_.verified, cpu_seconds,
                latency_.quantile(0.5) / 1e3, latency_.quantile(0.99) / 1e3, latency_.quantile(0.999) / 1e3);
    std::fflush(stdout);
  }
  const Counts& counts() const { return counts_; }

 private:
  void send(uint32_t count) {
    LoadPacket packets[load_burst];
    const std::span<LoadPacket> burst(packets, count);
    transport_.lend(burst, options_.payload_bytes + 12);
    flows_.make(burst, options_.payload_bytes);
    const uint32_t sent = transport_.send(burst);
    counts_.sent += sent;
    counts_.unsent += count - sent;
    on_their_way_ += sent;
  }

  size_t receive() {
    const std::span<LoadPacket> packets = transport_.receive();
    if (packets.empty()) return 0;
    const LoadFlows::Judged judged = flows_.judge(packets, options_.payload_bytes);
    if (judged.stamp != 0) latency_.add(static_cast<double>(__rdtsc() - judged.stamp) / tsc_per_ns_);
    counts_.received += judged.genuine;
    counts_.verified += judged.verified;
    counts_.rejected += packets.size() - judged.genuine;
    on_their_way_ -= std::min<uint64_t>(on_their_way_, packets.size());
    return packets.size();
  }

  // What has not come for so long will not; the window must not stay closed for it.
  void give_up_lost(uint64_t now, uint64_t last) {
    if (options_.rate != 0 || on_their_way_ == 0 || static_cast<double>(now - last) < 50e6 * tsc_per_ns_) return;
    on_their_way_ = 0;
  }

  const Options& options_;
  LoadFlows& flows_;
  LoadTransport& transport_;
  const double tsc_per_ns_;
  Counts counts_;
  Histogram latency_;
  uint64_t on_their_way_ = 0;
  double seconds_ = 0;
};

int run(const Options& options) {
  LoadFlows flows;
  for (std::string line; std::getline(std::cin, line) && line != "end";) flows.add(line);
  flows.begin();
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(options.core, &own);
  auto transport = options.memif_out.empty() ? open_socket_load(options.ip, options.send_port, options.receive_port, flows)
                                             : open_memif_load(options.memif_out, options.memif_in, options.core, flows);
  sched_setaffinity(0, sizeof own, &own);
  std::printf("open\n");
  std::fflush(stdout);
  Run load(options, flows, *transport);
  if (!load.wait_for_path()) {
    std::fprintf(stderr, "packet_load: no packet came back within 20 s\n");
    return 1;
  }
  load.drain();
  std::printf("ready\n");
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);
  load.go(options.warm_up_seconds);
  const ProcessCpu cpu(options.pids);
  const uint64_t before_ns = cpu.used_ns();
  load.go(options.seconds);
  const uint64_t used_ns = cpu.used_ns() - before_ns;
  const uint64_t in_time = load.counts().received;
  load.drain();
  load.print(static_cast<double>(used_ns) * 1e-9, in_time);
  // Whoever is on the other side of a memif port forgets its counters when this end goes.
  while (std::getline(std::cin, line)) continue;
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int count, char** arguments) {
  sallyport::perf::Options options;
  CLI::App app("Media through whatever lies between its two ends, measured.");
  app.add_option("--memif-out", options.memif_out, "abstract socket of the memif port to send by");
  app.add_option("--memif-in", options.memif_in, "abstract socket of the memif port to receive by");
  app.add_option("--ip", options.ip, "without memif: IPv4 address of both UDP sockets");
  app.add_option("--send-port", options.send_port, "UDP port to send from");
  app.add_option("--receive-port", options.receive_port, "UDP port to receive by");
  app.add_option("--core", options.core, "core to run on");
  app.add_option("--payload", options.payload_bytes, "bytes of RTP payload")->check(CLI::Range(20, 1400));
  app.add_option("--window", options.window, "packets on their way at most, without --rate")->check(CLI::Range(32, 4096));
  app.add_option("--rate", options.rate, "packets a second; 0: as many as come back");
  app.add_option("--seconds", options.seconds, "to measure for")->check(CLI::Range(0.1, 600.0));
  app.add_option("--pids", options.pids, "processes whose CPU time counts, by commas");
  CLI11_PARSE(app, count, arguments);
  return sallyport::perf::run(options);
}
