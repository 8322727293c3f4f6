// SPDX-License-Identifier: Apache-2.0
// Profile `memif`: shared-memory packets to another process (VPP, testpmd, a second node) over a Unix socket.

#include <atomic>

#include "drivers/port.h"

namespace sallyport::drivers {

Outcome<uint16_t> open_memif_port(const PortSpec& spec, std::string& device_name) {
  static std::atomic<int> next{0};
  const int number = next++;
  device_name = "net_memif" + std::to_string(number);
  // An abstract socket needs no file that a killed process would leave behind.
  const std::string arguments = std::string("role=") + (spec.memif_server ? "server" : "client") + ",id=0,socket=" + spec.device +
                                ",socket-abstract=" + (spec.device.starts_with('/') ? "no" : "yes") + ",rsize=10,bsize=2048";
  return probe_device(device_name, arguments, "check the socket name and that the other end runs");
}

}  // namespace sallyport::drivers
