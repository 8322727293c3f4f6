// SPDX-License-Identifier: Apache-2.0
#include "perf/load_flows.h"

#include <arpa/inet.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <sstream>
#include <string>

#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_keys.h"

namespace sallyport::perf {

using dataplane::load_be32;
using dataplane::SrtpContext;
using dataplane::SrtpJob;
using dataplane::SrtpStreamState;
using dataplane::SrtpVerdict;
using dataplane::store_be16;
using dataplane::store_be32;

namespace {

constexpr uint32_t header_bytes = 12;
constexpr uint32_t first_ssrc = 0x5a000000;
constexpr uint8_t fill = 0x55;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "packet_load: %s\n", what.c_str());
  std::exit(2);
}

drivers::CryptoEngine make_engine() {
  auto engine = drivers::CryptoEngine::create();
  if (!engine) fail(engine.fault().text());
  return std::move(*engine);
}

abi::Address address_of(const std::string& ip, uint16_t port) {
  abi::Address address;
  address.port = port;
  address.family = 4;
  if (inet_pton(AF_INET, ip.c_str(), address.ip) != 1) fail("\"" + ip + "\" is no IPv4 address");
  return address;
}

}  // namespace

LoadFlows::LoadFlows() : engine_(make_engine()), burst_(engine_) {}

const SrtpContext* LoadFlows::context_of(unsigned suite_number, const std::string& hex) {
  if (suite_number == 0) return nullptr;
  const auto suite = static_cast<dataplane::SrtpSuite>(suite_number);
  const auto& info = dataplane::srtp_suite_info(suite);
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  if (bytes.size() != size_t{info.key_length_bytes} + info.salt_length_bytes) fail("a key of the wrong length: " + std::to_string(bytes.size()));
  auto keys = dataplane::SrtpKeys::from_bytes(suite, {bytes.data(), info.key_length_bytes}, {bytes.data() + info.key_length_bytes, info.salt_length_bytes});
  if (!keys) fail("a key that cannot be used");
  contexts_.push_back(std::make_unique<SrtpContext>());
  contexts_.back()->expand(engine_, *keys, dataplane::SrtpUse::rtp);
  return contexts_.back().get();
}

SrtpStreamState* LoadFlows::new_state() {
  states_.push_back(std::make_unique<SrtpStreamState>());
  return states_.back().get();
}

void LoadFlows::add(const std::string& line) {
  std::istringstream words(line);
  std::string source, destination, seal_key, open_key;
  uint16_t source_port = 0, destination_port = 0;
  unsigned seal_suite = 0, open_suite = 0;
  if (!(words >> source >> source_port >> destination >> destination_port >> seal_suite >> seal_key >> open_suite >> open_key))
    fail("a line of a flow lacks words: " + line);
  Flow flow;
  flow.source = address_of(source, source_port);
  flow.destination = address_of(destination, destination_port);
  flow.seals = context_of(seal_suite, seal_key);
  flow.opens = context_of(open_suite, open_key);
  if (flow.seals != nullptr) flow.sealing = new_state();
  if (flow.opens != nullptr) {
    flow.opening = new_state();
    flow.returned_bytes = flow.opens->seal_overhead_bytes();
  }
  flows_.push_back(flow);
}

void LoadFlows::begin() {
  if (flows_.empty()) fail("no flow on standard input");
  order_.resize(flows_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
}

void LoadFlows::make(std::span<LoadPacket> packets, uint32_t payload_bytes) {
  SrtpJob jobs[load_burst];
  uint32_t sealed = 0;
  for (LoadPacket& packet : packets) {
    packet.flow = order_[next_];
    next_ = next_ + 1 == order_.size() ? 0 : next_ + 1;
    Flow& flow = flows_[packet.flow];
    packet.bytes = header_bytes + payload_bytes;
    store_be16(packet.rtp, 0x8000);
    store_be16(packet.rtp + 2, static_cast<uint16_t>(flow.sequence));
    store_be32(packet.rtp + 4, flow.sequence++ * 160);
    store_be32(packet.rtp + 8, first_ssrc + packet.flow);
    std::memset(packet.rtp + header_bytes, fill, payload_bytes);
    const uint64_t now = __rdtsc();
    std::memcpy(packet.rtp + header_bytes, &now, sizeof now);
    if (flow.seals != nullptr) jobs[sealed++] = {packet.rtp, packet.bytes, tailroom_bytes, flow.seals, flow.sealing, SrtpVerdict::malformed, false};
  }
  if (sealed == 0) return;
  burst_.seal({jobs, sealed});
  uint32_t at = 0;
  for (LoadPacket& packet : packets) {
    if (flows_[packet.flow].seals == nullptr) continue;
    if (jobs[at].verdict != SrtpVerdict::ok) fail("a packet was not sealed");
    packet.bytes = jobs[at++].length_bytes;
  }
}

LoadFlows::Judged LoadFlows::judge(std::span<LoadPacket> packets, uint32_t payload_bytes) {
  Judged judged;
  for (LoadPacket& packet : packets) {
    if (packet.bytes < header_bytes) continue;
    const uint32_t index = load_be32(packet.rtp + 8) - first_ssrc;
    if (index >= flows_.size()) continue;
    Flow& flow = flows_[index];
    if (packet.bytes != header_bytes + payload_bytes + flow.returned_bytes) continue;
    if (++flow.judged % sample_every != 1) {
      ++judged.genuine;
      continue;
    }
    if (flow.opens != nullptr) {
      SrtpJob job{packet.rtp, packet.bytes, 0, flow.opens, flow.opening, SrtpVerdict::malformed, false};
      burst_.open({&job, 1});
      if (job.verdict != SrtpVerdict::ok) continue;
    }
    const uint8_t* payload = packet.rtp + header_bytes;
    if (!std::all_of(payload + sizeof judged.stamp, payload + payload_bytes, [](uint8_t byte) { return byte == fill; })) continue;
    std::memcpy(&judged.stamp, payload, sizeof judged.stamp);
    ++judged.genuine;
    ++judged.verified;
  }
  return judged;
}

}  // namespace sallyport::perf
