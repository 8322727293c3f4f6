// SPDX-License-Identifier: Apache-2.0
#include "drivers/port.h"

namespace sallyport::drivers {

Outcome<uint16_t> open_vfio_port(const PortSpec& spec, std::string& device_name) {
  device_name = spec.device;
  return probe_device(spec.device, "", "bind the NIC to vfio-pci first");
}

const char* steer_vfio_port(const PortSpec&, uint16_t) { return "rss"; }

}  // namespace sallyport::drivers
