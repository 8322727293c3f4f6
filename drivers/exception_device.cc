// SPDX-License-Identifier: Apache-2.0
// The exception port of a vfio NIC: virtio_user with vhost-net where the kernel has it, else tap. The interface gets the NIC's
// MAC address and MTU and the name "sp-" and the port's, and is up; the operator puts the node's addresses and routes on it. It goes with the
// process, unless it was made beforehand to stay (`ip tuntap add`): then addresses outlive a restart.

#include <net/if.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string_view>

#include "drivers/port.h"

namespace sallyport::drivers {

namespace {

constexpr uint16_t descriptors = 256;
constexpr std::string_view prefix = "sp-";

Fault exception_fault(const PortSpec& spec, const std::string& cause, const std::string& remedy) {
  return Fault{FaultCode::refused, "port " + spec.name + " (" + spec.device + ")", cause, remedy};
}

bool start(const PortSpec& spec, uint16_t id, rte_mempool* pool) {
  rte_eth_conf conf{};
  if (rte_eth_dev_configure(id, spec.queues, spec.queues, &conf) != 0) return false;
  // What the driver itself takes as too long; it may know of none.
  rte_eth_dev_set_mtu(id, spec.mtu);
  for (uint16_t queue = 0; queue < spec.queues; ++queue) {
    if (rte_eth_rx_queue_setup(id, queue, descriptors, SOCKET_ID_ANY, nullptr, pool) != 0 ||
        rte_eth_tx_queue_setup(id, queue, descriptors, SOCKET_ID_ANY, nullptr) != 0) {
      return false;
    }
  }
  return rte_eth_dev_start(id) == 0;
}

// The drivers differ in what they tell the kernel, so it is told here.
bool set_interface(const std::string& name, uint16_t mtu) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  request.ifr_mtu = mtu;
  bool done = ioctl(descriptor, SIOCSIFMTU, &request) == 0 && ioctl(descriptor, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  done = done && ioctl(descriptor, SIOCSIFFLAGS, &request) == 0;
  close(descriptor);
  return done;
}

// Opened whole or not at all.
Outcome<ExceptionDevice> open_kind(const PortSpec& spec, rte_mempool* pool, const char* kind, const std::string& arguments, const std::string& interface_name) {
  const std::string name = (std::strcmp(kind, "tap") == 0 ? "net_tap_" : "virtio_user_") + interface_name;
  const auto id = probe_device(name, arguments, "give the process CAP_NET_ADMIN and access to /dev/vhost-net or /dev/net/tun");
  if (!id) return id.fault();
  if (start(spec, *id, pool) && set_interface(interface_name, spec.mtu)) return ExceptionDevice{*id, interface_name, kind};
  rte_eth_dev_stop(*id);
  remove_device(*id);
  return exception_fault(spec, "its exception port " + interface_name + " (" + kind + ") does not start", "see DPDK's log lines above");
}

}  // namespace

Outcome<ExceptionDevice> open_exception_device(const PortSpec& spec, const std::array<uint8_t, 6>& mac, rte_mempool* pool) {
  const std::string interface_name = std::string(prefix) + spec.name;
  // Cut short, two ports could mean one interface, and each would get what is the other's.
  if (interface_name.size() >= IFNAMSIZ) {
    return exception_fault(spec, "its exception port cannot be called " + interface_name, "give the port a name of at most " + std::to_string(IFNAMSIZ - 1 - prefix.size()) + " characters");
  }
  char address[18];
  std::snprintf(address, sizeof address, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  const std::string common = "iface=" + interface_name + ",mac=" + address;
  if (access("/dev/vhost-net", R_OK | W_OK) == 0) {
    auto device = open_kind(spec, pool, "virtio_user", "path=/dev/vhost-net,queues=" + std::to_string(spec.queues) + ",queue_size=256," + common, interface_name);
    if (device) return device;
  }
  return open_kind(spec, pool, "tap", common, interface_name);
}

}  // namespace sallyport::drivers
