// SPDX-License-Identifier: Apache-2.0
// Profile `xdp`: net_af_xdp with the project's XDP program, which redirects only the relay's UDP ports and passes the rest to the
// kernel's own stack. Port::open falls back to `packet` when the kernel or the device does not take it.

#include "drivers/port.h"

#ifdef SALLYPORT_XDP

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>

#include "drivers/xdp_relay.h"

namespace sallyport::drivers {

namespace {

constexpr const char* program_name = "xdp_relay";
constexpr uint32_t range_limit = 8;  // RANGES of xdp_relay.bpf.c

struct PortRange {
  uint16_t first;
  uint16_t last;
};

Fault xdp_fault(const PortSpec& spec, const std::string& cause, const std::string& remedy = "use profile packet") {
  return Fault{FaultCode::refused, "port " + spec.name + " (" + spec.device + ")", cause, remedy};
}

// 0: the kernel does not say.
uint32_t receive_queues(const std::string& interface) {
  uint32_t queues = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net/" + interface + "/queues", error)) {
    queues += entry.path().filename().string().starts_with("rx-") ? 1 : 0;
  }
  return queues;
}

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// The program attached to the interface, when it is ours; -1 otherwise.
int attached_program(int interface_index, bpf_prog_info& info) {
  uint32_t id = 0;
  if (bpf_xdp_query_id(interface_index, 0, &id) != 0 || id == 0) return -1;
  const int program = bpf_prog_get_fd_by_id(id);
  uint32_t length = sizeof info;
  if (program >= 0 && bpf_obj_get_info_by_fd(program, &info, &length) == 0 && std::strncmp(info.name, program_name, sizeof info.name - 1) == 0) {
    return program;
  }
  if (program >= 0) close(program);
  return -1;
}

// A killed process leaves its program attached, and with it a map without sockets.
void detach_leftover(int interface_index) {
  bpf_prog_info info{};
  const Descriptor program(attached_program(interface_index, info));
  if (program.get() >= 0) bpf_xdp_detach(interface_index, 0, nullptr);
}

// DPDK loads the program from a path when it sets up the queues; the bytes are built in, so it gets that of a memory file.
int program_file() {
  static const int file = [] {
    const int made = memfd_create("xdp_relay.bpf.o", MFD_CLOEXEC);
    const auto bytes = static_cast<ssize_t>(sizeof xdp_relay_object);
    return made >= 0 && write(made, xdp_relay_object, sizeof xdp_relay_object) == bytes ? made : -1;
  }();
  return file;
}

bool write_ranges(int map, const PortSpec& spec) {
  PortRange ranges[range_limit] = {};
  ranges[0] = {spec.relay_port_min, spec.relay_port_max};
  for (size_t i = 0; i < spec.link_ports.size() && i + 1 < range_limit; ++i) {
    // C uses a pair for each worker, from the configured one on.
    const uint16_t last = static_cast<uint16_t>(spec.link_ports[i] + 2 * (spec.queues - 1));
    ranges[i + 1] = {spec.link_ports[i], last};
  }
  for (uint32_t key = 0; key < range_limit; ++key) {
    if (bpf_map_update_elem(map, &key, &ranges[key], BPF_ANY) != 0) return false;
  }
  return true;
}

bool open_relay_ports(int interface_index, const PortSpec& spec) {
  bpf_prog_info info{};
  uint32_t maps[8] = {};
  {
    const Descriptor program(attached_program(interface_index, info));
    if (program.get() < 0) return false;
    info = bpf_prog_info{};
    info.nr_map_ids = 8;
    info.map_ids = reinterpret_cast<uint64_t>(maps);
    uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) return false;
  }
  for (uint32_t i = 0; i < info.nr_map_ids && i < 8; ++i) {
    const Descriptor map(bpf_map_get_fd_by_id(maps[i]));
    bpf_map_info map_info{};
    uint32_t length = sizeof map_info;
    if (map.get() < 0 || bpf_obj_get_info_by_fd(map.get(), &map_info, &length) != 0) continue;
    if (std::strcmp(map_info.name, "relay_ports") == 0) return write_ranges(map.get(), spec);
  }
  return false;
}

}  // namespace

Outcome<uint16_t> open_xdp_port(const PortSpec& spec, std::string& device_name) {
  static std::atomic<int> next{0};
  const int interface_index = static_cast<int>(if_nametoindex(spec.device.c_str()));
  if (interface_index == 0) return xdp_fault(spec, "there is no such interface");
  if (const uint32_t queues = receive_queues(spec.device); queues != 0 && queues < spec.queues) {
    const std::string wanted = std::to_string(spec.queues);
    return xdp_fault(spec, "has " + std::to_string(queues) + " receive queue(s) for " + wanted + " workers", "configure fewer lcores, or ethtool -L " + spec.device + " combined " + wanted);
  }
  detach_leftover(interface_index);
  const int file = program_file();
  if (file < 0) return xdp_fault(spec, "no memory for its program");
  device_name = "net_af_xdp" + std::to_string(next++);
  const std::string arguments = "iface=" + spec.device + ",start_queue=0,queue_count=" + std::to_string(spec.queues) +
                                ",xdp_prog=/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file);
  auto port = probe_device(device_name, arguments, "");
  if (!port) device_name.clear();
  return port;
}

Outcome<> finish_xdp_port(const PortSpec& spec) {
  if (!open_relay_ports(static_cast<int>(if_nametoindex(spec.device.c_str())), spec)) {
    return xdp_fault(spec, "its program is attached but takes no port ranges");
  }
  return Done{};
}

}  // namespace sallyport::drivers

#else

namespace sallyport::drivers {

Outcome<uint16_t> open_xdp_port(const PortSpec& spec, std::string&) {
  return Fault{FaultCode::refused, "port " + spec.name, "this build has no XDP program (clang or libbpf was missing)", "use profile packet"};
}

Outcome<> finish_xdp_port(const PortSpec&) { return Done{}; }

}  // namespace sallyport::drivers

#endif
