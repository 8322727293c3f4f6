// SPDX-License-Identifier: Apache-2.0
// The exception port of a vfio NIC: virtio_user with vhost-net where the kernel has it, else tap. The interface gets the NIC's
// MAC address and the name "sp-" and the port's; the operator puts the node's addresses and routes on it.

#include <unistd.h>

#include <cstdio>

#include "drivers/port.h"

namespace sallyport::drivers {

namespace {
constexpr size_t interface_name_limit = 15;
}

Outcome<uint16_t> open_exception_device(const PortSpec& spec, const std::array<uint8_t, 6>& mac, std::string& device_name,
                                        std::string& interface_name) {
  interface_name = ("sp-" + spec.name).substr(0, interface_name_limit);
  char address[18];
  std::snprintf(address, sizeof address, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  const std::string remedy = "give the process CAP_NET_ADMIN and access to /dev/vhost-net or /dev/net/tun";
  if (access("/dev/vhost-net", R_OK | W_OK) == 0) {
    device_name = "virtio_user_" + spec.name;
    auto port = probe_device(device_name, "path=/dev/vhost-net,queues=" + std::to_string(spec.queues) + ",queue_size=256,iface=" + interface_name +
                                              ",mac=" + address, remedy);
    if (port) return port;
  }
  device_name = "net_tap_" + spec.name;
  return probe_device(device_name, "iface=" + interface_name + ",mac=" + address, remedy);
}

}  // namespace sallyport::drivers
