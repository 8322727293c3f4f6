// SPDX-License-Identifier: Apache-2.0
#include "dataplane/machine_report.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace sallyport::dataplane {

namespace {

namespace fs = std::filesystem;

std::string read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

long number_in(const fs::path& path, long otherwise) {
  const std::string text = read_line(path);
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? value : otherwise;
}

// The kernel's lists of CPUs: "2-3,6".
std::set<uint32_t> cpus_of(const std::string& list) {
  std::set<uint32_t> cpus;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    uint32_t first = 0, last = 0;
    const char* end = part.data() + part.size();
    const auto begun = std::from_chars(part.data(), end, first);
    if (begun.ec != std::errc()) continue;
    last = first;
    if (begun.ptr != end && *begun.ptr == '-') std::from_chars(begun.ptr + 1, end, last);
    for (uint32_t cpu = first; cpu <= last && cpu < 4096; ++cpu) cpus.insert(cpu);
  }
  return cpus;
}

std::set<std::string> cpu_flags(const fs::path& root) {
  std::ifstream file(root / "proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(std::min(line.find(':') + 1, line.size())));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void inspect_hugepages(const fs::path& root, const NodeSettings* settings, std::vector<MachineFact>& facts) {
  std::vector<std::string> kinds;
  long free_mb = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root / "sys/kernel/mm/hugepages", error)) {
    const std::string name = entry.path().filename().string();  // hugepages-2048kB
    long size_kb = 0;
    std::from_chars(name.data() + std::min<size_t>(name.find('-') + 1, name.size()), name.data() + name.size(), size_kb);
    const long count = number_in(entry.path() / "nr_hugepages", 0), free = number_in(entry.path() / "free_hugepages", 0);
    if (count == 0 || size_kb == 0) continue;
    kinds.push_back(std::to_string(free) + " of " + std::to_string(count) + " pages of " + std::to_string(size_kb / 1024) + " MB free");
    free_mb += free * (size_kb / 1024);
  }
  std::sort(kinds.begin(), kinds.end());
  const long wanted_mb = settings == nullptr ? 0 : static_cast<long>(settings->memory_mb);
  MachineFact fact{true, "hugepages", kinds.empty() ? "none" : joined(kinds), ""};
  fact.is_fine = !kinds.empty() && free_mb > 0 && free_mb >= wanted_mb;
  fact.remedy = "packets and region lie in ordinary pages: echo 512 > /proc/sys/vm/nr_hugepages, before a dataplane runs";
  if (!fact.is_fine && free_mb > 0) fact.remedy = std::to_string(wanted_mb) + " MB are wanted (dataplane.memory_mb): raise /proc/sys/vm/nr_hugepages";
  facts.push_back(fact);
  const std::string mode = read_line(root / "sys/kernel/mm/transparent_hugepage/enabled");
  const bool are_taken = mode.find("[madvise]") != std::string::npos || mode.find("[always]") != std::string::npos;
  facts.push_back({are_taken, "large pages of the workers' tables", mode.empty() ? "not offered by this kernel" : mode,
                   "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"});
}

void inspect_clock(const fs::path& root, const std::set<std::string>& flags, std::vector<MachineFact>& facts) {
  const bool is_steady = flags.contains("constant_tsc") && flags.contains("nonstop_tsc");
  const std::string source = read_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource");
  facts.push_back({is_steady, "clock", std::string(is_steady ? "invariant TSC" : "the TSC is not invariant") + ", the kernel uses " + (source.empty() ? "an unknown source" : source),
                   "timers follow the CPU's frequency: use a machine, or a virtual machine's CPU model, with invtsc"});
}

void inspect_crypto(const std::set<std::string>& flags, std::vector<MachineFact>& facts) {
  std::vector<std::string> present, absent;
  for (const auto& [flag, name] : {std::pair{"aes", "AES-NI"}, {"avx2", "AVX2"}, {"avx512f", "AVX-512"}, {"vaes", "VAES"}, {"sha_ni", "SHA-NI"}})
    (flags.contains(flag) ? present : absent).push_back(name);
  facts.push_back({absent.empty(), "instructions for crypto", (present.empty() ? "none" : joined(present)) + (absent.empty() ? "" : ", without " + joined(absent)),
                   "correct, but slower; a virtual machine may hide them: use CPU model host"});
}

fs::path device_of(const fs::path& root, const drivers::PortSpec& port) {
  return port.profile == drivers::Profile::vfio ? root / "sys/bus/pci/devices" / port.device : root / "sys/class/net" / port.device / "device";
}

long node_of_cpu(const fs::path& root, uint32_t cpu) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)), error)) {
    const std::string name = entry.path().filename().string();
    long node = -1;
    if (name.starts_with("node") && std::from_chars(name.data() + 4, name.data() + name.size(), node).ec == std::errc()) return node;
  }
  return -1;
}

void inspect_lcores(const fs::path& root, const NodeSettings& settings, std::vector<MachineFact>& facts) {
  const auto isolated = cpus_of(read_line(root / "sys/devices/system/cpu/isolated"));
  const auto online = cpus_of(read_line(root / "sys/devices/system/cpu/online"));
  for (const uint32_t lcore : settings.lcores) {
    const std::string number = std::to_string(lcore);
    if (!online.contains(lcore)) {
      facts.push_back({false, "lcore " + number, "there is no such CPU online", "correct dataplane.lcores; online are " + read_line(root / "sys/devices/system/cpu/online")});
      continue;
    }
    const bool is_isolated = isolated.contains(lcore);
    facts.push_back({is_isolated, "lcore " + number, is_isolated ? "isolated" : "shared with other processes",
                     "isolcpus=" + number + " nohz_full=" + number + " rcu_nocbs=" + number + " on the kernel command line"});
  }
}

void inspect_numa(const fs::path& root, const NodeSettings& settings, const drivers::PortSpec& port, std::vector<MachineFact>& facts) {
  const long node = number_in(device_of(root, port) / "numa_node", -1);
  if (node < 0) {
    facts.push_back({true, "port " + port.name, "belongs to no NUMA node", ""});
    return;
  }
  std::vector<std::string> far;
  for (const uint32_t lcore : settings.lcores)
    if (const long own = node_of_cpu(root, lcore); own >= 0 && own != node) far.push_back(std::to_string(lcore));
  const std::string where = "NUMA node " + std::to_string(node);
  facts.push_back({far.empty(), "port " + port.name, far.empty() ? where + ", as its lcores" : where + ", but not lcore " + joined(far),
                   "choose dataplane.lcores of that node: see lscpu"});
}

// What is in force shows only once the port is open: the start-up log and `sallyport status` name it.
void inspect_steering(const NodeSettings& settings, const drivers::PortSpec& port, std::vector<MachineFact>& facts) {
  const std::string subject = "steering of port " + port.name;
  const size_t workers = settings.lcores.size();
  if (workers < 2) {
    facts.push_back({true, subject, "one worker, nothing to steer", ""});
  } else if (port.profile != drivers::Profile::vfio) {
    facts.push_back({false, subject, std::string("profile ") + drivers::profile_name(port.profile) + " has no rules by port: workers hand over to each other", "profile vfio steers in the NIC; or use one lcore"});
  } else if ((workers & (workers - 1)) != 0) {
    facts.push_back({false, subject, std::to_string(workers) + " workers: rte_flow can only tell 2, 4, 8 ... apart, so RSS spreads and workers hand over", "use a power of two of lcores"});
  } else {
    facts.push_back({true, subject, "rte_flow if the NIC takes its rules, else RSS, else workers hand over", ""});
  }
}

// Profile vfio: the way to the kernel, of which the port makes an interface.
void inspect_exception(const fs::path& root, const drivers::PortSpec& port, std::vector<MachineFact>& facts) {
  const bool has_vhost = access((root / "dev/vhost-net").c_str(), R_OK | W_OK) == 0, has_tun = access((root / "dev/net/tun").c_str(), R_OK | W_OK) == 0;
  facts.push_back({has_vhost || has_tun, "exception port of port " + port.name,
                   has_vhost ? "virtio_user over vhost-net" : has_tun ? "tap, /dev/vhost-net may not be opened" : "neither /dev/vhost-net nor /dev/net/tun may be opened",
                   "modprobe vhost_net or tun, and let this user open the device"});
}

}  // namespace

std::string MachineFact::text() const { return (is_fine ? "ok: " : "warning: ") + subject + ": " + fact + (is_fine || remedy.empty() ? "" : "; " + remedy); }

std::vector<MachineFact> inspect_machine(const std::string& root, const NodeSettings* settings) {
  const fs::path base = root.empty() ? fs::path("/") : fs::path(root);
  std::vector<MachineFact> facts;
  const auto flags = cpu_flags(base);
  inspect_crypto(flags, facts);
  inspect_clock(base, flags, facts);
  inspect_hugepages(base, settings, facts);
  if (settings == nullptr) {
    const std::string isolated = read_line(base / "sys/devices/system/cpu/isolated");
    facts.push_back({!isolated.empty(), "isolated CPUs", isolated.empty() ? "none" : isolated, "isolcpus=, nohz_full= and rcu_nocbs= on the kernel command line, for the lcores"});
    return facts;
  }
  inspect_lcores(base, *settings, facts);
  for (const drivers::PortSpec& port : settings->ports) {
    if (port.profile != drivers::Profile::ring && port.profile != drivers::Profile::memif) inspect_numa(base, *settings, port, facts);
    inspect_steering(*settings, port, facts);
    if (port.profile == drivers::Profile::vfio) inspect_exception(base, port, facts);
  }
  return facts;
}

}  // namespace sallyport::dataplane
