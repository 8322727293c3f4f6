// SPDX-License-Identifier: Apache-2.0
// srtp/{open,seal,rekey}/SUITE/SIZE/FLOWS: TSC cycles a packet in bursts of 32, beside libsrtp2 on the same packets in the same
// run. Flows are visited in random order, each with keys and state of its own, after a pass that warms them.
// Debian's libsrtp2 takes minutes to make more than some 4,000 sessions and then millions of cycles a packet; so it gets 2,000
// flows where we have 20,000 and the peer's name says so. Each number of flows has a process of its own.
// Time is the thread's own CPU time in TSC cycles: a slow peer is preempted more often, which must not count against it.
// Usage: srtp_burst_bench [--quick] [--only PREFIX]; one JSON object a line; the ratio is theirs over ours.
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_burst.h"
#include "perf/bench_options.h"
#include "perf/large_pages.h"
#include "tests/unit/dataplane/srtp_oracle.h"

namespace sallyport::dataplane {
namespace {

constexpr size_t kBurst = 32;
constexpr size_t kOurChunkPackets = 16 * kBurst;  // prepared together, then timed together
constexpr size_t kTheirChunkPackets = kBurst;
constexpr size_t kMaxTheirFlows = 2000;
constexpr size_t kTailroomBytes = 64;
constexpr uint32_t kSsrc = 0x1234;
constexpr SrtpSuite kSuites[] = {SrtpSuite::aes_cm_128_hmac_sha1_80, SrtpSuite::aes_cm_128_hmac_sha1_32,
                                 SrtpSuite::aes_256_cm_hmac_sha1_80, SrtpSuite::aead_aes_128_gcm, SrtpSuite::aead_aes_256_gcm};

uint64_t clock_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

double measure_tsc_ghz() {
  const uint64_t start_ns = clock_ns(CLOCK_MONOTONIC_RAW), start = __rdtsc();
  while (clock_ns(CLOCK_MONOTONIC_RAW) - start_ns < 50'000'000) _mm_pause();
  return static_cast<double>(__rdtsc() - start) / static_cast<double>(clock_ns(CLOCK_MONOTONIC_RAW) - start_ns);
}

enum class Operation { open, seal, rekey };
constexpr const char* kOperationNames[] = {"open", "seal", "rekey"};

// One stream that enters under one key and leaves under another.
struct FlowKeys {
  SrtpContext in_sealer, in_opener, out_sealer;
};

struct Flow {
  FlowKeys* keys = nullptr;
  SrtpStreamState in_sealed{}, in_opened{}, out_sealed{};
  std::unique_ptr<SrtpOracle> their_opener, their_sealer;
  uint16_t our_sequence = 0, their_sequence = 0;
};

class Bench {
 public:
  Bench(drivers::CryptoEngine& engine, SrtpSuite suite, size_t flow_count)
      : engine_(engine), burst_(engine), suite_(suite), keys_(flow_count), flows_(flow_count), order_(flow_count) {
    for (size_t at = 0; at < flow_count; ++at) {
      order_[at] = static_cast<uint32_t>(at);  // the first ones are theirs, so these are shuffled among themselves
      const SrtpKeys in = random_keys(), out = random_keys();
      Flow& flow = flows_[at];
      flow.keys = &keys_[at];
      flow.keys->in_sealer.expand(engine_, in, SrtpUse::rtp);
      flow.keys->in_opener.expand(engine_, in, SrtpUse::rtp);
      flow.keys->out_sealer.expand(engine_, out, SrtpUse::rtp);
      if (at >= their_flow_count()) continue;
      flow.their_opener = std::make_unique<SrtpOracle>(SrtpOracle::Role::receiver, in, kSsrc);
      flow.their_sealer = std::make_unique<SrtpOracle>(SrtpOracle::Role::sender, out, kSsrc);
    }
    const auto theirs_end = order_.begin() + static_cast<ptrdiff_t>(their_flow_count());
    std::shuffle(order_.begin(), theirs_end, random_);
    std::shuffle(theirs_end, order_.end(), random_);
  }

  size_t their_flow_count() const { return std::min(flows_.size(), kMaxTheirFlows); }

  double measure_ours(Operation operation, size_t payload, size_t chunks) {
    is_theirs_ = false;
    chunk_packets_ = kOurChunkPackets;
    visited_flows_ = flows_.size();
    return measure(operation, payload, chunks);
  }
  double measure_theirs(Operation operation, size_t payload, size_t chunks) {
    is_theirs_ = true;
    chunk_packets_ = kTheirChunkPackets;
    visited_flows_ = their_flow_count();
    their_sealed_.resize(flows_.size());
    return measure(operation, payload, chunks);
  }

 private:
  SrtpKeys random_keys() {
    const SrtpSuiteInfo& info = srtp_suite_info(suite_);
    uint8_t bytes[kMaxMasterKeyBytes + kMaxMasterSaltBytes];
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
    return *SrtpKeys::from_bytes(suite_, {bytes, info.key_length_bytes}, {bytes + kMaxMasterKeyBytes, info.salt_length_bytes});
  }

  // The median chunk, in cycles a packet.
  double measure(Operation operation, size_t payload, size_t chunks) {
    const size_t warming = (visited_flows_ + chunk_packets_ - 1) / chunk_packets_;
    std::vector<uint64_t> spent;
    for (size_t chunk = 0; chunk < warming + chunks; ++chunk) {
      prepare(operation, payload);
      const uint64_t start_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
      is_theirs_ ? run_theirs(operation) : run_ours(operation);
      const uint64_t end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
      check();
      if (chunk >= warming) spent.push_back(end_ns - start_ns);
    }
    std::ranges::nth_element(spent, spent.begin() + static_cast<ptrdiff_t>(spent.size() / 2));
    return static_cast<double>(spent[spent.size() / 2]) * tsc_ghz_ / static_cast<double>(chunk_packets_);
  }

  // Clear packets to seal, or packets sealed under the inner key to open.
  void prepare(Operation operation, size_t payload) {
    stride_ = (12 + payload + kTailroomBytes + 63) / 64 * 64;
    buffers_.resize(chunk_packets_ * stride_);
    jobs_.resize(chunk_packets_);
    for (size_t at = 0; at < chunk_packets_; ++at) {
      const uint32_t which = order_[next_++ % visited_flows_];
      Flow& flow = flows_[which];
      visited_[at] = &flow;
      uint8_t* packet = &buffers_[at * stride_];
      std::memset(packet, 0x55, 12 + payload);
      packet[0] = 0x80;
      packet[1] = 8;
      store_be16(packet + 2, is_theirs_ ? flow.their_sequence++ : flow.our_sequence++);
      store_be32(packet + 8, kSsrc);
      // Theirs and ours see the same sequence numbers, so each has a sealing side of its own.
      jobs_[at] = {packet, static_cast<uint32_t>(12 + payload), kTailroomBytes, &flow.keys->in_sealer,
                   is_theirs_ ? &their_sealed_[which] : &flow.in_sealed, SrtpVerdict::ok};
    }
    if (operation != Operation::seal) burst_.seal(jobs_);
    for (size_t at = 0; at < chunk_packets_; ++at) {
      Flow& flow = *visited_[at];
      if (operation == Operation::seal)
        aim(jobs_[at], flow.keys->out_sealer, flow.out_sealed);
      else
        aim(jobs_[at], flow.keys->in_opener, flow.in_opened);
    }
  }

  static void aim(SrtpJob& job, const SrtpContext& context, SrtpStreamState& state) {
    job.context = &context;
    job.state = &state;
  }

  void run_ours(Operation operation) {
    for (size_t at = 0; at < chunk_packets_; at += kBurst) {
      const std::span<SrtpJob> burst(&jobs_[at], kBurst);
      if (operation == Operation::seal) {
        burst_.seal(burst);
        continue;
      }
      burst_.open(burst);
      if (operation == Operation::open) continue;
      for (size_t job = 0; job < kBurst; ++job) aim(burst[job], visited_[at + job]->keys->out_sealer, visited_[at + job]->out_sealed);
      burst_.seal(burst);
    }
  }

  void run_theirs(Operation operation) {
    for (size_t at = 0; at < chunk_packets_; ++at) {
      SrtpJob& job = jobs_[at];
      auto length = static_cast<int>(job.length_bytes);
      if (operation != Operation::seal) job.verdict = visited_[at]->their_opener->open(false, job.packet, length);
      if (operation != Operation::open && job.verdict == SrtpVerdict::ok)
        job.verdict = visited_[at]->their_sealer->seal(false, job.packet, length);
    }
  }

  // A benchmark of refusals would be fast and worthless.
  void check() const {
    for (const SrtpJob& job : jobs_)
      if (job.verdict != SrtpVerdict::ok) {
        std::fprintf(stderr, "srtp_burst_bench: a packet was not processed: %s\n", srtp_verdict_name(job.verdict).data());
        std::exit(1);
      }
  }

  drivers::CryptoEngine& engine_;
  SrtpBurst burst_;
  SrtpSuite suite_;
  std::mt19937_64 random_{1};
  std::vector<FlowKeys, perf::LargePages<FlowKeys>> keys_;
  std::vector<Flow> flows_;
  std::vector<SrtpStreamState> their_sealed_;
  std::vector<uint32_t> order_;
  size_t next_ = 0;
  size_t stride_ = 0;
  const double tsc_ghz_ = measure_tsc_ghz();
  bool is_theirs_ = false;
  std::vector<uint8_t> buffers_;
  std::vector<SrtpJob> jobs_;
  size_t chunk_packets_ = kOurChunkPackets;
  size_t visited_flows_ = 0;
  Flow* visited_[kOurChunkPackets] = {};
};

void print(const std::string& name, const std::string& peer, double ours, double theirs) {
  std::printf("{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"cycles/packet\", \"better\": \"lower\", \"peer\": \"%s\", "
              "\"peer_value\": %.0f, \"ratio\": %.2f}\n",
              name.c_str(), ours, peer.c_str(), theirs, theirs / ours);
  std::fflush(stdout);
}

void run_flows(drivers::CryptoEngine& engine, const perf::BenchOptions& options, SrtpSuite suite, size_t flow_count) {
  const std::vector<size_t> payloads = options.is_quick ? std::vector<size_t>{160} : std::vector<size_t>{20, 160, 1200};
  std::unique_ptr<Bench> bench;  // made when the first of its names is wanted
  for (const Operation operation : {Operation::open, Operation::seal, Operation::rekey})
    for (const size_t payload : payloads) {
      const std::string name = std::string("srtp/") + kOperationNames[static_cast<int>(operation)] + "/" +
                               std::string(srtp_suite_info(suite).bench_name) + "/" + std::to_string(payload) + "B/flows" +
                               std::to_string(flow_count);
      if (!name.starts_with(options.only)) continue;
      if (!bench) bench = std::make_unique<Bench>(engine, suite, flow_count);
      const double ours = bench->measure_ours(operation, payload, options.is_quick ? 41 : 101);
      const double theirs = bench->measure_theirs(operation, payload, options.is_quick ? 21 : 41);
      const size_t theirs_has = bench->their_flow_count();
      print(name, theirs_has == flow_count ? "libsrtp2" : "libsrtp2 with " + std::to_string(theirs_has) + " flows", ours, theirs);
    }
  _exit(0);
}

int run(const perf::BenchOptions& options) {
  auto engine = drivers::CryptoEngine::create();
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.fault().text().c_str());
    return 1;
  }
  const std::vector<size_t> flow_counts = options.is_quick ? std::vector<size_t>{10, 20000} : std::vector<size_t>{10, 1000, 20000};
  for (const SrtpSuite suite : kSuites)
    for (const size_t flow_count : flow_counts) {
      const pid_t child = fork();
      if (child < 0) {
        std::perror("srtp_burst_bench: fork");
        return 1;
      }
      if (child == 0) run_flows(engine.value(), options, suite, flow_count);
      int status = 0;
      if (waitpid(child, &status, 0) != child || status != 0) return 1;
    }
  return 0;
}

}  // namespace
}  // namespace sallyport::dataplane

int main(int count, char** arguments) {
  return sallyport::dataplane::run(sallyport::perf::BenchOptions::parse(count, arguments, false));
}
