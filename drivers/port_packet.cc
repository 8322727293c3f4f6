// SPDX-License-Identifier: Apache-2.0
// Profile `packet`: net_af_packet beside the kernel's own stack. The port sees a copy of every frame, the kernel's own egress
// among them; what is not for a relay port is left to the kernel. nftables keeps the kernel from answering the relay ports.

#include <net/if.h>

#include <atomic>

#include "drivers/port.h"

namespace sallyport::drivers {

Outcome<uint16_t> open_packet_port(const PortSpec& spec, std::string& device_name) {
  static std::atomic<int> next{0};
  if (if_nametoindex(spec.device.c_str()) == 0) {
    return Fault{FaultCode::missing, "port " + spec.name, "there is no interface " + spec.device,
                 "correct [[port]] device, or start the dataplane in the right network namespace"};
  }
  device_name = "net_af_packet" + std::to_string(next++);
  // 4,096 frames of 2 KiB in each direction, 16 MiB of the kernel's: 200 ms of 20,000 packets a second while the worker sleeps or is preempted,
  // as on a machine that has other work than packets.
  const std::string arguments = "iface=" + spec.device + ",qpairs=" + std::to_string(spec.queues) +
                                ",blocksz=65536,framesz=2048,framecnt=4096,qdisc_bypass=1";
  return probe_device(device_name, arguments, "bring the interface up and give the process CAP_NET_RAW");
}

}  // namespace sallyport::drivers
