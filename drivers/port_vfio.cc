// SPDX-License-Identifier: Apache-2.0
// Profile `vfio`: a NIC bound to vfio-pci, driven by DPDK's own driver, or where there is none a device that DPDK makes itself and that takes
// the same way ("net_af_packet_wan,iface=wan"). Media is steered to the owner's queue by rte_flow on the
// UDP destination port, else by RSS with the workers handing over. What is not media goes to the kernel through an exception
// port (exception_device.cc, dataplane/exception_path.h), whose interface carries the node's addresses, routes and neighbours.

#include <rte_bus_pci.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <cctype>
#include <filesystem>
#include <string>

#include "drivers/port.h"

namespace sallyport::drivers {

bool is_pci_address(const std::string& text) {
  const std::string shape = "hhhh:hh:hh.h";
  if (text.size() != shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 'h' ? !std::isxdigit(static_cast<unsigned char>(text[i])) : text[i] != shape[i]) return false;
  }
  return true;
}

bool is_virtual_device(const std::string& device) { return device.starts_with("net_"); }

namespace {

Fault vfio_fault(const PortSpec& spec, const std::string& cause, const std::string& remedy) {
  return Fault{FaultCode::refused, "port " + spec.name + " (" + spec.device + ")", cause, remedy};
}

// One rule a queue and family: destination ports whose owner (port >> 1) mod queues is this queue. A mask can say that only when
// the number of queues is a power of two.
bool add_rule(uint16_t port_id, bool is_v4, uint16_t queue, uint16_t queues) {
  rte_flow_attr attributes{};
  attributes.ingress = 1;
  rte_flow_item_udp value{}, mask{};
  value.hdr.dst_port = rte_cpu_to_be_16(static_cast<uint16_t>(queue << 1));
  mask.hdr.dst_port = rte_cpu_to_be_16(static_cast<uint16_t>((queues - 1) << 1));
  rte_flow_item pattern[4] = {};
  pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
  pattern[1].type = is_v4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
  pattern[2].type = RTE_FLOW_ITEM_TYPE_UDP;
  pattern[2].spec = &value;
  pattern[2].mask = &mask;
  pattern[3].type = RTE_FLOW_ITEM_TYPE_END;
  rte_flow_action_queue target{};
  target.index = queue;
  rte_flow_action actions[2] = {};
  actions[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
  actions[0].conf = &target;
  actions[1].type = RTE_FLOW_ACTION_TYPE_END;
  rte_flow_error error{};
  if (rte_flow_validate(port_id, &attributes, pattern, actions, &error) != 0) return false;
  return rte_flow_create(port_id, &attributes, pattern, actions, &error) != nullptr;
}

}  // namespace

Outcome<uint16_t> open_vfio_port(const PortSpec& spec, std::string& device_name) {
  if (is_virtual_device(spec.device)) {
    const size_t comma = spec.device.find(',');
    device_name = spec.device.substr(0, comma);
    return probe_device(device_name, comma == std::string::npos ? "" : spec.device.substr(comma + 1), "see DPDK's log lines above, and its guide for the device's arguments");
  }
  if (!is_pci_address(spec.device)) return vfio_fault(spec, "is neither a PCI address nor a device of DPDK's", "write the address whole, as 0000:65:00.0, or the device as net_af_packet_wan,iface=wan");
  const std::filesystem::path device = "/sys/bus/pci/devices/" + spec.device;
  std::error_code error;
  if (!std::filesystem::exists(device, error)) return vfio_fault(spec, "there is no such PCI device", "see lspci -D");
  const auto driver = std::filesystem::read_symlink(device / "driver", error).filename().string();
  // Drivers that share the NIC with the kernel (mlx5, mana) need no binding.
  const bool shares = driver.starts_with("mlx") || driver.starts_with("mana");
  if (!shares && driver != "vfio-pci") {
    return vfio_fault(spec, "is bound to " + (driver.empty() ? "no driver" : driver) + ", not to vfio-pci", "run scripts/bind-nic " + spec.device);
  }
  uint16_t port_id = 0;
  device_name = spec.device;
  if (rte_eth_dev_get_port_by_name(spec.device.c_str(), &port_id) == 0) return port_id;
  return probe_device(spec.device, "", "check IOMMU groups and that nothing else uses the NIC");
}

const char* steer_vfio_port(const PortSpec& spec, uint16_t port_id) {
  const uint16_t queues = spec.queues;
  if (queues < 2) return "one worker";
  const bool is_power_of_two = (queues & (queues - 1)) == 0;
  bool steered = is_power_of_two;
  for (uint16_t queue = 0; steered && queue < queues; ++queue) {
    steered = add_rule(port_id, true, queue, queues) && add_rule(port_id, false, queue, queues);
  }
  if (steered) return "rte_flow";
  // Half a set of rules would be worse than none.
  rte_flow_error error{};
  rte_flow_flush(port_id, &error);
  rte_eth_dev_info info{};
  const bool spreads = rte_eth_dev_info_get(port_id, &info) == 0 && (info.flow_type_rss_offloads & (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)) != 0;
  return spreads ? "rss" : "hand-over";
}

}  // namespace sallyport::drivers
