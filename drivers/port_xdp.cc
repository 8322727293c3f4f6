// SPDX-License-Identifier: Apache-2.0
// Profile `xdp`: net_af_xdp with the project's XDP program, which redirects only the relay's UDP ports and passes the rest to the
// kernel's own stack. Port::open falls back to `packet` when the kernel or the device does not take it.

#include "drivers/port.h"

namespace sallyport::drivers {

Outcome<uint16_t> open_xdp_port(const PortSpec& spec, std::string& device_name) {
  (void)device_name;
  return Fault{FaultCode::refused, "port " + spec.name, "no XDP program is built in", "use profile packet"};
}

}  // namespace sallyport::drivers
