// SPDX-License-Identifier: Apache-2.0
#include "drivers/port.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace sallyport::drivers {

namespace {
constexpr uint16_t receive_descriptors = 1024;
constexpr uint16_t transmit_descriptors = 1024;
constexpr const char* profile_names[] = {"packet", "xdp", "ring", "memif", "vfio"};

Fault port_fault(const PortSpec& spec, const std::string& cause, const std::string& remedy) {
  return Fault{FaultCode::refused, "port " + spec.name + " (" + spec.device + ")", cause, remedy};
}
}  // namespace

const char* profile_name(Profile profile) { return profile_names[static_cast<size_t>(profile)]; }

Outcome<Profile> parse_profile(const std::string& name) {
  for (size_t i = 0; i < std::size(profile_names); ++i) {
    if (name == profile_names[i]) return static_cast<Profile>(i);
  }
  return Fault{FaultCode::invalid, "port profile \"" + name + "\"", "is unknown", "use packet, xdp, vfio, memif or ring"};
}

Outcome<uint16_t> probe_device(const std::string& name, const std::string& arguments, const std::string& remedy) {
  const std::string device = arguments.empty() ? name : name + "," + arguments;
  if (rte_dev_probe(device.c_str()) != 0) {
    return Fault{FaultCode::refused, "DPDK device " + device, "cannot be opened", remedy};
  }
  uint16_t port_id = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port_id) != 0) {
    return Fault{FaultCode::internal, "DPDK device " + device, "made no Ethernet port", remedy};
  }
  return port_id;
}

Outcome<std::unique_ptr<Port>> Port::open(const PortSpec& spec, rte_mempool* pool, std::string& notice) {
  auto port = open_profile(spec, pool);
  if (port || spec.profile != Profile::xdp) return port;
  notice = "port " + spec.name + ": profile xdp is not possible here (" + port.fault().text() + "), falling back to packet";
  PortSpec packet = spec;
  packet.profile = Profile::packet;
  return open_profile(packet, pool);
}

Outcome<std::unique_ptr<Port>> Port::open_profile(const PortSpec& spec, rte_mempool* pool) {
  constexpr Outcome<uint16_t> (*openers[])(const PortSpec&, std::string&) = {open_packet_port, open_xdp_port, open_ring_port,
                                                                             open_memif_port, open_vfio_port};
  std::unique_ptr<Port> port(new Port(spec));
  const auto id = openers[static_cast<size_t>(spec.profile)](spec, port->device_name_);
  if (!id) return id.fault();
  port->id_ = *id;
  if (auto configured = port->configure(pool); !configured) return configured.fault();
  if (spec.profile == Profile::xdp) {
    if (auto finished = finish_xdp_port(spec); !finished) return finished.fault();
  }
  if (spec.profile == Profile::vfio) {
    auto exception = open_exception_device(spec, port->mac_, pool);
    if (!exception) return exception.fault();
    port->exception_ = *exception;
    port->kernel_interface_ = exception->interface_name;
  }
  return port;
}

Outcome<std::unique_ptr<Port>> Port::wrap(const PortSpec& spec, uint16_t port_id, rte_mempool* pool) {
  std::unique_ptr<Port> port(new Port(spec));
  port->id_ = port_id;
  if (auto configured = port->configure(pool); !configured) return configured.fault();
  return port;
}

Outcome<> Port::configure(rte_mempool* pool) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id_, &info) != 0) return port_fault(spec_, "DPDK cannot describe it", "");
  if (info.max_rx_queues < spec_.queues || info.max_tx_queues < spec_.queues) {
    return port_fault(spec_, "has fewer queues than there are workers", "configure fewer lcores, or a device with more queues");
  }
  rte_eth_conf conf{};
  if (spec_.profile == Profile::vfio && spec_.queues > 1) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP) & info.flow_type_rss_offloads;
  }
  const uint64_t checksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
  offloads_checksum_ = spec_.profile == Profile::vfio && (info.tx_offload_capa & checksums) == checksums;
  if (offloads_checksum_) conf.txmode.offloads |= checksums;
  if (spec_.profile == Profile::vfio) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_CHECKSUM & info.rx_offload_capa;
  if (rte_eth_dev_configure(id_, spec_.queues, spec_.queues, &conf) != 0) {
    return port_fault(spec_, "DPDK refuses the queue configuration", "check the driver's log lines above");
  }
  uint16_t receive = receive_descriptors, transmit = transmit_descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive, &transmit);
  const int socket = rte_eth_dev_socket_id(id_);
  for (uint16_t queue = 0; queue < spec_.queues; ++queue) {
    if (rte_eth_rx_queue_setup(id_, queue, receive, socket, nullptr, pool) != 0 ||
        rte_eth_tx_queue_setup(id_, queue, transmit, socket, nullptr) != 0) {
      return port_fault(spec_, "DPDK cannot set up queue " + std::to_string(queue), "give the dataplane more memory_mb");
    }
  }
  if (spec_.profile == Profile::vfio) rte_eth_dev_set_mtu(id_, spec_.mtu);
  if (const int error = rte_eth_dev_start(id_); error != 0) {
    return port_fault(spec_, std::string("cannot be started: ") + rte_strerror(-error), "is the interface up?");
  }
  started_ = true;
  rte_ether_addr address{};
  rte_eth_macaddr_get(id_, &address);
  std::copy_n(address.addr_bytes, 6, mac_.begin());
  // Neighbour solicitations come to multicast addresses of which only the kernel knows. A device that knows neither filters nothing.
  if (spec_.profile == Profile::vfio && rte_eth_allmulticast_enable(id_) != 0) rte_eth_promiscuous_enable(id_);
  rte_ether_addr peer{};
  if (!spec_.peer_mac.empty()) {
    if (rte_ether_unformat_addr(spec_.peer_mac.c_str(), &peer) != 0) {
      return port_fault(spec_, "peer_mac \"" + spec_.peer_mac + "\" is no MAC address", "write it as 02:00:00:00:00:01");
    }
    std::copy_n(peer.addr_bytes, 6, peer_mac_.begin());
  }
  if (spec_.profile == Profile::vfio) steering_ = steer_vfio_port(spec_, id_);
  if (spec_.queues == 1) steering_ = "one worker";
  return Done{};
}

void remove_device(uint16_t port_id) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port_id, &info) != 0) return;
  rte_eth_dev_close(port_id);
  rte_dev_remove(info.device);
}

Port::~Port() {
  if (id_ == no_port) return;
  if (started_) rte_eth_dev_stop(id_);
  if (exception_.kind != nullptr) {
    rte_eth_dev_stop(exception_.id);
    remove_device(exception_.id);
  }
  if (!device_name_.empty()) remove_device(id_);
}

}  // namespace sallyport::drivers
