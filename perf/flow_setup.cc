// SPDX-License-Identifier: Apache-2.0
// flow_setup SOCKET: gives a dataplane that runs alone its flows, in place of a control plane, which is not what is measured. A line of
// standard input each: LOCAL_SLOT LOCAL_PORT SOURCE_IP EGRESS_SLOT EGRESS_PORT DESTINATION_IP DESTINATION_PORT OPEN_SUITE OPEN_KEY SEAL_SUITE SEAL_KEY;
// suites and keys as in perf/load_flows.h. Prints how many there are. The dataplane keeps them when this ends.
// flow_setup SOCKET counters: prints one JSON object of worker 0's counters: packets and cycles by stage, drops by reason.

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>

#include "dataplane/abi/region.h"
#include "tests/unit/dataplane/region_client.h"

namespace sallyport::perf {
namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "flow_setup: %s\n", what.c_str());
  std::exit(2);
}

abi::Address address_of(const std::string& ip, uint16_t port) {
  abi::Address address;
  address.family = 4;
  address.port = port;
  if (inet_pton(AF_INET, ip.c_str(), address.ip) != 1) fail("\"" + ip + "\" is no IPv4 address");
  return address;
}

void set_key(abi::KeyMaterial& key, unsigned suite, const std::string& hex) {
  key.suite = static_cast<abi::Suite>(suite);
  const size_t key_bytes = key.suite == abi::Suite::aes_256_cm_hmac_sha1_80 || key.suite == abi::Suite::aead_aes_256_gcm ? 32 : 16;
  for (size_t at = 0; 2 * at + 1 < hex.size(); ++at) {
    const auto byte = static_cast<uint8_t>(std::stoul(hex.substr(2 * at, 2), nullptr, 16));
    if (at < key_bytes) {
      key.key[at] = byte;
    } else if (at - key_bytes < sizeof key.salt) {
      key.salt[at - key_bytes] = byte;
    }
  }
}

abi::FlowSpec spec_of(const std::string& line, uint32_t index) {
  std::istringstream words(line);
  std::string source, destination, open_key, seal_key;
  uint16_t destination_port = 0;
  unsigned open_suite = 0, seal_suite = 0;
  abi::FlowSpec spec;
  if (!(words >> spec.local_slot >> spec.local_port >> source >> spec.egress_slot >> spec.egress_port >> destination >> destination_port >> open_suite >>
        open_key >> seal_suite >> seal_key))
    fail("a line of a flow lacks words: " + line);
  spec.flow_index = index;
  spec.generation = 1;
  spec.latch = abi::Latch::expected_ip;
  spec.expected_source = address_of(source, 0);
  spec.destination = address_of(destination, destination_port);
  spec.max_packets_per_s = 10'000'000;
  if (open_suite != 0) {
    spec.verbs |= abi::verb_open;
    set_key(spec.open_key, open_suite, open_key);
  }
  if (seal_suite != 0) {
    spec.verbs |= abi::verb_seal;
    set_key(spec.seal_key, seal_suite, seal_key);
  }
  return spec;
}

void print_counters(const abi::WorkerCounters& counters) {
  std::printf("{\"packets_in\": %lu, \"packets_out\": %lu", counters.packets_in, counters.packets_out);
  for (size_t stage = 0; stage < static_cast<size_t>(abi::Stage::count); ++stage)
    std::printf(", \"%s_packets\": %lu, \"%s_cycles\": %lu", abi::stage_names[stage], counters.stage_packets[stage], abi::stage_names[stage], counters.stage_cycles[stage]);
  for (size_t reason = 0; reason < static_cast<size_t>(abi::DropReason::count); ++reason)
    if (counters.drops[reason] != 0) std::printf(", \"drop_%s\": %lu", abi::drop_reason_info[reason].name, counters.drops[reason]);
  std::printf("}\n");
}

int run(const std::string& socket, bool only_counters) {
  auto client = test::RegionClient::connect(socket);
  if (!client) fail("no dataplane answers at " + socket);
  if (only_counters) {
    print_counters(client->worker().counters);
    return 0;
  }
  uint32_t count = 0;
  for (std::string line; std::getline(std::cin, line); ++count) {
    abi::Command command;
    command.type = abi::CommandType::add_flow;
    command.flow = spec_of(line, count);
    const auto status = client->run(command);
    if (!status) fail("no completion of flow " + std::to_string(count));
    if (*status != abi::CommandStatus::done) fail("flow " + std::to_string(count) + " was refused: " + std::to_string(static_cast<int>(*status)));
  }
  std::printf("%u\n", count);
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int count, char** arguments) {
  const bool only_counters = count == 3 && std::string(arguments[2]) == "counters";
  if (count != 2 && !only_counters) {
    std::fprintf(stderr, "usage: flow_setup SOCKET [counters]\n");
    return 2;
  }
  return sallyport::perf::run(arguments[1], only_counters);
}
