// SPDX-License-Identifier: Apache-2.0
// media/ring/WORK/SUITE/SIZE/flowsN: TSC cycles a packet of C's whole path (receive to transmit: checksums, lookup, open, statistics, new
// headers, seal), ring to ring, flows visited in random order. WORK is open (SRTP comes, RTP goes), seal (the other way) or rekey (SRTP under
// one key comes, under another goes); SIZE is the RTP payload. The peer is ipsec-mb alone doing the same cryptography for as many flows in
// bursts of 32: verify, decipher, encipher, tag; no header is looked at, no index kept, its IVs and lengths stand ready.
// Usage: media_path_bench [--quick] [--only PREFIX] [--stages]; one JSON object a line; the ratio is theirs over ours.

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dataplane/packet.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_burst.h"
#include "dataplane/srtp_keys.h"
#include "dataplane/srtp_stream_state.h"
#include "perf/bench_options.h"
#include "perf/large_pages.h"
#include "perf/stage_report.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

using dataplane::burst_size;
using dataplane::SrtpContext;
using dataplane::SrtpKeys;
using dataplane::SrtpSuite;
using dataplane::SrtpUse;
using drivers::CryptoEngine;

constexpr uint32_t bursts_a_chunk = 16;
constexpr uint32_t chunk_packets = bursts_a_chunk * burst_size;
constexpr uint32_t ports_a_slot = 59999 - 36002 + 1;
constexpr uint32_t header_bytes = 12;
constexpr uint64_t burst_interval_ns = 10'000;  // three million packets a second
constexpr uint64_t second_ns = 1'000'000'000;

struct SuiteName {
  abi::Suite suite;
  const char* name;
};
constexpr SuiteName suites[] = {{abi::Suite::aes_cm_128_hmac_sha1_80, "aes128cm_sha1_80"},
                                {abi::Suite::aes_cm_128_hmac_sha1_32, "aes128cm_sha1_32"},
                                {abi::Suite::aes_256_cm_hmac_sha1_80, "aes256cm_sha1_80"},
                                {abi::Suite::aead_aes_128_gcm, "aes128gcm"},
                                {abi::Suite::aead_aes_256_gcm, "aes256gcm"}};

enum class Work : uint8_t { open, seal, rekey };
constexpr const char* work_names[] = {"open", "seal", "rekey"};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "media_path_bench: %s\n", what);
  std::exit(1);
}

abi::KeyMaterial key_of(uint32_t flow, bool leaving, abi::Suite suite) {
  abi::KeyMaterial key = test_key(static_cast<uint8_t>(leaving ? 101 : 1), suite);
  dataplane::store_be32(key.key, flow);
  return key;
}

void expand(CryptoEngine& engine, SrtpContext& context, const abi::KeyMaterial& key) {
  const auto suite = static_cast<SrtpSuite>(key.suite);
  const auto& info = dataplane::srtp_suite_info(suite);
  const auto keys = SrtpKeys::from_bytes(suite, {key.key, info.key_length_bytes}, {key.salt, info.salt_length_bytes});
  if (!keys) fail("a key was refused");
  context.expand(engine, *keys, SrtpUse::rtp);
}

CryptoEngine make_engine() {
  auto engine = CryptoEngine::create();
  if (!engine) fail("this CPU lacks what ipsec-mb needs");
  return std::move(*engine);
}

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// What arrives and what leaves, flow by flow.
struct Keys {
  SrtpContext arriving, leaving;
};

class Bench {
 public:
  Bench(Work work, abi::Suite suite, uint32_t payload_bytes, uint32_t flows)
      : opens_(work != Work::seal), seals_(work != Work::open), suite_(suite), payload_bytes_(payload_bytes), flows_(flows), engine_(make_engine()), sealer_(engine_), keys_(flows), states_(flows), sequence_(flows),
        node_({{&cable_, false}}, {{"198.51.100.1", 0}, {"198.51.100.2", 0}}, 1, 32768) {
    for (uint32_t flow = 0; flow < flows; ++flow) {
      expand(engine_, keys_[flow].arriving, key_of(flow, false, suite));
      expand(engine_, keys_[flow].leaving, key_of(flow, true, suite));
      add_flow(flow);
    }
    for (CryptoJobs& jobs : crypto_)
      for (uint32_t i = 0; i < burst_size; ++i) {
        CryptoEngine::prepare_sha1_job(jobs.hash[i]);
        CryptoEngine::prepare_ctr_job(jobs.cipher[i]);
      }
    // The first packet asks for the next hop, the second finds it.
    for (int round = 0; round < 2; ++round) {
      for (uint32_t first = 0; first < flows; first += chunk_packets) {
        std::vector<uint32_t> visited(chunk_packets);
        for (uint32_t i = 0; i < chunk_packets; ++i) visited[i] = (first + i) % flows;
        fill(visited);
        for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) node_.poll(node_.now_ns += burst_interval_ns);
        drain();
      }
      if (round == 0) node_.now_ns += second_ns;
    }
  }

  double measure_ours(uint32_t chunks) {
    std::vector<double> cycles;
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      fill(random_flows());
      const uint64_t start = __rdtsc();
      for (uint32_t burst = 0; burst < bursts_a_chunk; ++burst) node_.worker().poll_once(node_.now_ns += burst_interval_ns);
      cycles.push_back(static_cast<double>(__rdtsc() - start) / chunk_packets);
      if (drain() != chunk_packets) fail("packets were lost, so the figure would be wrong");
    }
    return median(cycles);
  }

  const abi::WorkerCounters& counters() { return node_.node().region->worker(0).counters; }

  double measure_library(uint32_t chunks) {
    std::vector<double> cycles;
    packets_.resize(size_t{chunk_packets} * packet_room);
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      const std::vector<uint32_t> visited = random_flows();
      const uint64_t start = __rdtsc();
      for (uint32_t at = 0; at < chunk_packets; at += burst_size) run_library(&visited[at], &packets_[size_t{at} * packet_room]);
      cycles.push_back(static_cast<double>(__rdtsc() - start) / chunk_packets);
    }
    return median(cycles);
  }

 private:
  static constexpr uint32_t packet_room = 1280;
  struct CryptoJobs {
    IMB_JOB hash[burst_size], cipher[burst_size];
    alignas(64) uint8_t tags[burst_size][20];
  };

  std::vector<uint32_t> random_flows() {
    std::vector<uint32_t> visited(chunk_packets);
    for (uint32_t& flow : visited) flow = random_() % flows_;
    return visited;
  }

  abi::Address source_of(uint32_t flow) const {
    abi::Address source = address("10.0.0.0", static_cast<uint16_t>(1024 + flow % 50000));
    dataplane::store_be16(source.ip + 2, static_cast<uint16_t>(flow));
    return source;
  }

  void add_flow(uint32_t flow) {
    abi::FlowSpec spec;
    spec.flow_index = flow;
    spec.generation = 1;
    spec.verbs = static_cast<uint8_t>((opens_ ? abi::verb_open : 0) | (seals_ ? abi::verb_seal : 0));
    spec.latch = opens_ ? abi::Latch::authenticated : abi::Latch::exact;
    spec.expected_source = source_of(flow);
    spec.local_slot = static_cast<uint16_t>(flow / ports_a_slot);
    spec.local_port = static_cast<uint16_t>(36002 + flow % ports_a_slot);
    spec.egress_slot = spec.local_slot;
    spec.egress_port = spec.local_port;
    spec.destination = source_of(flow % 4096);
    spec.max_packets_per_s = 1'000'000;
    if (opens_) spec.open_key = key_of(flow, false, suite_);
    if (seals_) spec.seal_key = key_of(flow, true, suite_);
    if (node_.add(spec) != abi::CommandStatus::done) fail("a flow was refused");
  }

  void fill(const std::vector<uint32_t>& visited) {
    for (const uint32_t flow : visited) {
      Bytes packet = rtp(static_cast<uint16_t>(++sequence_[flow]), 1, 0x55, payload_bytes_);
      if (opens_) seal(packet, flow);
      const abi::Address local = address(flow < ports_a_slot ? "198.51.100.1" : "198.51.100.2", static_cast<uint16_t>(36002 + flow % ports_a_slot));
      inject(cable_, build_frame(source_of(flow), local, packet));
    }
  }

  void seal(Bytes& packet, uint32_t flow) {
    packet.resize(packet.size() + 16);
    dataplane::SrtpJob job{packet.data(), header_bytes + payload_bytes_, 16, &keys_[flow].arriving, &states_[flow], dataplane::SrtpVerdict::ok, false};
    sealer_.seal({&job, 1});
    if (job.verdict != dataplane::SrtpVerdict::ok) fail("a packet could not be sealed");
    packet.resize(job.length_bytes);
  }

  uint32_t drain() {
    void* mbuf = nullptr;
    uint32_t count = 0;
    for (; rte_ring_dequeue(cable_.from_port, &mbuf) == 0; ++count) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    return count;
  }

  // Keys are fetched ahead, as ours are.
  void run_library(const uint32_t* visited, uint8_t* packets) {
    for (uint32_t i = 0; i < burst_size; ++i) {
      const Keys& keys = keys_[visited[i]];
      if (opens_) fetch(keys.arriving);
      if (seals_) fetch(keys.leaving);
    }
    if (keys_[visited[0]].arriving.is_gcm()) return run_gcm(visited, packets);
    if (opens_) {
      submit_hashes(crypto_[0], visited, packets, &Keys::arriving);
      submit_ciphers(crypto_[0], visited, packets, &Keys::arriving);
    }
    if (!seals_) return;
    submit_ciphers(crypto_[1], visited, packets, &Keys::leaving);
    submit_hashes(crypto_[1], visited, packets, &Keys::leaving);
  }

  void fetch(const SrtpContext& context) const {
    __builtin_prefetch(&context);
    context.prefetch_keys(header_bytes + payload_bytes_);
  }

  void submit_hashes(CryptoJobs& jobs, const uint32_t* visited, uint8_t* packets, const SrtpContext Keys::*which) {
    for (uint32_t i = 0; i < burst_size; ++i) {
      const SrtpContext& context = keys_[visited[i]].*which;
      jobs.hash[i].src = packets + size_t{i} * packet_room;
      jobs.hash[i].msg_len_to_hash_in_bytes = header_bytes + payload_bytes_ + 4;
      jobs.hash[i].auth_tag_output = jobs.tags[i];
      jobs.hash[i].u.HMAC._hashed_auth_key_xor_ipad = context.ipad_state();
      jobs.hash[i].u.HMAC._hashed_auth_key_xor_opad = context.opad_state();
    }
    engine_.hash_sha1(jobs.hash);
  }

  void submit_ciphers(CryptoJobs& jobs, const uint32_t* visited, uint8_t* packets, const SrtpContext Keys::*which) {
    for (uint32_t i = 0; i < burst_size; ++i) {
      const SrtpContext& context = keys_[visited[i]].*which;
      IMB_JOB& job = jobs.cipher[i];
      job.enc_keys = job.dec_keys = context.round_keys();
      job.key_len_in_bytes = context.key_length_bytes();
      job.src = job.dst = packets + size_t{i} * packet_room + header_bytes;
      job.msg_len_to_cipher_in_bytes = payload_bytes_;
      job.iv = iv_;
    }
    engine_.cipher_ctr(jobs.cipher, jobs.cipher[0].key_len_in_bytes);
  }

  void run_gcm(const uint32_t* visited, uint8_t* packets) {
    uint8_t tag[16];
    for (uint32_t i = 0; i < burst_size; ++i) {
      const Keys& keys = keys_[visited[i]];
      uint8_t* packet = packets + size_t{i} * packet_room;
      CryptoEngine::GcmCall call{&keys.arriving.gcm_key(), iv_, packet, header_bytes, packet + header_bytes, payload_bytes_, tag};
      if (opens_) engine_.gcm_open(call, keys.arriving.key_length_bytes());
      call.key = &keys.leaving.gcm_key();
      if (seals_) engine_.gcm_seal(call, keys.leaving.key_length_bytes());
    }
  }

  const bool opens_, seals_;
  const abi::Suite suite_;
  const uint32_t payload_bytes_;
  const uint32_t flows_;
  CryptoEngine engine_;
  dataplane::SrtpBurst sealer_;
  std::vector<Keys, perf::LargePages<Keys>> keys_;
  std::vector<dataplane::SrtpStreamState> states_;
  std::vector<uint32_t> sequence_;
  Cable cable_;
  TestNode node_;
  std::vector<uint8_t> packets_;
  CryptoJobs crypto_[2];
  alignas(16) uint8_t iv_[16] = {1, 2, 3};
  std::mt19937 random_{1};
};

void measure(const perf::BenchOptions& options, Work work, const SuiteName& suite, uint32_t payload_bytes, uint32_t flows) {
  const std::string name = std::string("media/ring/") + work_names[static_cast<size_t>(work)] + "/" + suite.name + "/" + std::to_string(payload_bytes) +
                           "B/flows" + std::to_string(flows);
  if (!name.starts_with(options.only)) return;
  Bench bench(work, suite.suite, payload_bytes, flows);
  const uint32_t chunks = options.is_quick ? 101 : 501;
  const abi::WorkerCounters before = bench.counters();
  const double ours = bench.measure_ours(chunks);
  if (options.with_stages) perf::print_stages(name, before, bench.counters());
  const double library = bench.measure_library(chunks);
  std::printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"cycles/packet\", \"better\": \"lower\", \"peer\": \"ipsec-mb alone\", "
              "\"peer_value\": %.1f, \"ratio\": %.3f}\n",
              name.c_str(), ours, library, library / ours);
  std::fflush(stdout);
}

int run(const perf::BenchOptions& options) {
  prefer_hugepages();
  // Over the number of flows what a call of G.711 costs most often; every work and size once.
  const auto is_common = [](const SuiteName& suite) {
    return suite.suite == abi::Suite::aes_cm_128_hmac_sha1_80 || suite.suite == abi::Suite::aead_aes_128_gcm || suite.suite == abi::Suite::aead_aes_256_gcm;
  };
  for (const SuiteName& suite : suites) {
    for (const uint32_t flows : {10u, 20000u}) {
      if (is_common(suite)) measure(options, Work::rekey, suite, 160, flows);
    }
  }
  for (const Work work : {Work::open, Work::seal, Work::rekey}) {
    for (const SuiteName& suite : suites) {
      for (const uint32_t payload_bytes : {20u, 160u, 1200u}) {
        if (!options.is_quick || payload_bytes == 160) measure(options, work, suite, payload_bytes, 1000);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::test

int main(int count, char** arguments) {
  return sallyport::test::run(sallyport::perf::BenchOptions::parse(count, arguments, true));
}
