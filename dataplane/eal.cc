// SPDX-License-Identifier: Apache-2.0
#include "dataplane/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sallyport::dataplane {

namespace {

constexpr uint32_t mbuf_data_bytes = 2048 + RTE_PKTMBUF_HEADROOM;
constexpr uint32_t mbuf_total_bytes = mbuf_data_bytes + 256;
constexpr uint32_t mbuf_cache = 256;

uint64_t free_hugepage_mb() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  uint64_t free_pages = 0, reserved_pages = 0, page_kb = 0;
  while (file >> word) {
    if (word == "HugePages_Free:") file >> free_pages;
    if (word == "HugePages_Rsvd:") file >> reserved_pages;  // promised to mappings that have not touched them yet
    if (word == "Hugepagesize:") file >> page_kb;
  }
  return (free_pages - std::min(free_pages, reserved_pages)) * page_kb / 1024;
}

// Worker w is DPDK lcore w + 1 on the core named; the main thread keeps every core it may use.
Outcome<std::string> lcore_map(const std::vector<uint32_t>& lcores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::string all;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) all += (all.empty() ? "" : ",") + std::to_string(core);
  }
  std::string map = "0@(" + all + ")";
  for (size_t worker = 0; worker < lcores.size(); ++worker) {
    if (lcores[worker] >= CPU_SETSIZE || !CPU_ISSET(lcores[worker], &allowed)) {
      return Fault{FaultCode::invalid, "dataplane.lcores", "core " + std::to_string(lcores[worker]) + " is not available to this process",
                   "choose among " + all};
    }
    map += "," + std::to_string(worker + 1) + "@" + std::to_string(lcores[worker]);
  }
  return map;
}

// DPDK makes a folder a process and never removes it. Ours end with the pid of their process.
void remove_folders_of_the_dead(const std::filesystem::path& parent) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename();
    const std::string pid = name.substr(name.rfind('-') + 1);
    const bool is_ours = name.starts_with("sallyport-") && !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
    if (is_ours && !std::filesystem::exists("/proc/" + pid, ignored)) std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

Outcome<> start_eal(const EalOptions& options, std::string& notice) {
  const auto map = lcore_map(options.lcores);
  if (!map) return map.fault();
  const uint64_t free_mb = options.hugepages == Hugepages::off ? 0 : free_hugepage_mb();
  const bool use_hugepages = free_mb >= options.memory_mb;
  if (options.hugepages == Hugepages::on && !use_hugepages) {
    return Fault{FaultCode::exhausted, "hugepages", std::to_string(free_mb) + " MiB are free, " + std::to_string(options.memory_mb) + " wanted",
                 "raise vm.nr_hugepages, or set dataplane.hugepages = \"auto\""};
  }
  const std::string memory = std::to_string(options.memory_mb);
  std::vector<std::string> words = {"sallyport-dataplane", "--lcores", *map, "--main-lcore", "0", "--no-telemetry",
                                    "--file-prefix", "sallyport-" + options.node_name + "-" + std::to_string(getpid()),
                                    "-m", memory, "--log-level", "lib.*:error", "--log-level", "pmd.*:error"};
  if (options.pci_devices.empty()) words.push_back("--no-pci");
  for (const auto& device : options.pci_devices) words.insert(words.end(), {"-a", device});
  if (use_hugepages) {
    words.push_back("--in-memory");
    notice = "hugepages: " + memory + " MiB";
  } else {
    words.insert(words.end(), {"--no-huge", "--no-shconf"});
    notice = options.hugepages == Hugepages::off ? "hugepages: off" : "hugepages: none (" + std::to_string(free_mb) + " MiB free of " + memory + " wanted), ordinary memory";
  }
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  rte_log_set_global_level(RTE_LOG_WARNING);
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0) {
    if (use_hugepages) {
      return Fault{FaultCode::exhausted, "hugepages", memory + " MiB could not be had: " + rte_strerror(rte_errno),
                   "look for what else takes them, or set dataplane.hugepages = \"off\""};
    }
    return Fault{FaultCode::refused, "DPDK", std::string("does not start: ") + rte_strerror(rte_errno), "see its log lines above"};
  }
  remove_folders_of_the_dead(std::filesystem::path(rte_eal_get_runtime_dir()).parent_path());
  return Done{};
}

void stop_eal() {
  const std::filesystem::path folder = rte_eal_get_runtime_dir();
  rte_eal_cleanup();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

Outcome<rte_mempool*> create_packet_pool(uint32_t memory_mb, uint32_t workers) {
  // Half of the memory; the rest is for queues and rings. A power of two minus one is what the ring within uses fully.
  const uint64_t affordable = uint64_t{memory_mb} * 1024 * 1024 / 2 / mbuf_total_bytes;
  uint32_t buffers = 4095;
  while (uint64_t{buffers} * 2 + 1 <= std::min<uint64_t>(affordable, 65535) && buffers < 16384 * workers) buffers = buffers * 2 + 1;
  rte_mempool* pool = rte_pktmbuf_pool_create("sallyport_packets", buffers, mbuf_cache, 0, mbuf_data_bytes, SOCKET_ID_ANY);
  if (pool == nullptr) {
    return Fault{FaultCode::exhausted, "packet memory", std::string("cannot be allocated: ") + rte_strerror(rte_errno), "raise dataplane.memory_mb"};
  }
  return pool;
}

}  // namespace sallyport::dataplane
