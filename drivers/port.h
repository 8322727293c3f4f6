// SPDX-License-Identifier: Apache-2.0
#pragma once
// Port: one DPDK Ethernet port with a receive and a transmit queue for every worker, whatever its profile.
// Made by the main thread after EAL is up, started before the workers, stopped after them. A profile is one file, port_<name>.cc,
// and one function that turns a PortSpec into a DPDK port id; everything else is the same for all.
// Cost on the path: rte_eth_rx_burst and rte_eth_tx_burst on the queue of the worker's number.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/abi/fault.h"

struct rte_mempool;

namespace sallyport::drivers {

enum class Profile : uint8_t { packet, xdp, ring, memif, vfio };
const char* profile_name(Profile profile);
Outcome<Profile> parse_profile(const std::string& name);

struct PortSpec {
  std::string name;
  Profile profile = Profile::packet;
  std::string device;      // interface name; PCI address or DPDK device "net_x,arguments" for vfio; ring or socket name for ring and memif
  uint16_t queues = 1;     // one a worker
  uint16_t mtu = 1500;
  bool memif_server = false;
  std::string peer_mac;    // ring, memif: no kernel knows the neighbour, so it is given
  uint32_t kernel_packets_per_s = 50000;  // vfio: what one worker gives the kernel at most
  // Steering and the XDP program let only these UDP ports into the dataplane.
  uint16_t relay_port_min = 36002;
  uint16_t relay_port_max = 59999;
  std::vector<uint16_t> link_ports;
};

inline constexpr uint16_t no_port = 0xffff;

// vfio: the interface of the kernel's with the NIC's MAC address.
struct ExceptionDevice {
  uint16_t id = no_port;
  std::string interface_name;
  const char* kind = nullptr;  // "virtio_user" or "tap"; nullptr: made elsewhere, and not ours to remove
};

class Port {
 public:
  // Opens the device of the profile. A profile that falls back says so in `notice`.
  static Outcome<std::unique_ptr<Port>> open(const PortSpec& spec, rte_mempool* pool, std::string& notice);
  // Takes over a port made elsewhere (tests join ring ports back to back).
  static Outcome<std::unique_ptr<Port>> wrap(const PortSpec& spec, uint16_t port_id, rte_mempool* pool);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  uint16_t id() const { return id_; }
  const PortSpec& spec() const { return spec_; }
  uint16_t mtu() const { return spec_.mtu; }
  const std::array<uint8_t, 6>& mac() const { return mac_; }
  const std::array<uint8_t, 6>& peer_mac() const { return peer_mac_; }
  bool has_kernel_neighbours() const { return spec_.profile != Profile::ring && spec_.profile != Profile::memif; }
  bool offloads_checksum() const { return offloads_checksum_; }
  const char* steering() const { return steering_; }
  // Where what is not media goes and the kernel's own packets come from; only a port that the kernel does not see has one.
  bool has_exception_port() const { return exception_.id != no_port; }
  uint16_t exception_id() const { return exception_.id; }
  const ExceptionDevice& exception_device() const { return exception_; }
  // Gives a wrapped port one (tests); profile vfio opens its own.
  void set_exception_port(uint16_t port_id) { exception_.id = port_id; }
  // The interface whose routes and neighbours hold for this port; for vfio the exception port's.
  const std::string& kernel_interface() const { return kernel_interface_; }

 private:
  explicit Port(const PortSpec& spec) : spec_(spec), kernel_interface_(spec.device) {}
  static Outcome<std::unique_ptr<Port>> open_profile(const PortSpec& spec, rte_mempool* pool);
  Outcome<> configure(rte_mempool* pool);

  PortSpec spec_;
  uint16_t id_ = no_port;
  ExceptionDevice exception_;
  bool started_ = false;
  bool offloads_checksum_ = false;
  const char* steering_ = "hand-over";
  std::string kernel_interface_;
  std::array<uint8_t, 6> mac_{};
  std::array<uint8_t, 6> peer_mac_{};
  std::string device_name_;  // of the DPDK device to remove at the end; empty when wrapped
};

// The profiles. Each probes its device and returns the DPDK port id; device_name receives what to remove later.
Outcome<uint16_t> open_packet_port(const PortSpec& spec, std::string& device_name);
Outcome<uint16_t> open_xdp_port(const PortSpec& spec, std::string& device_name);
Outcome<uint16_t> open_ring_port(const PortSpec& spec, std::string& device_name);
Outcome<uint16_t> open_memif_port(const PortSpec& spec, std::string& device_name);
Outcome<uint16_t> open_vfio_port(const PortSpec& spec, std::string& device_name);

// vfio: opens and starts the exception port, by virtio_user over vhost-net, else by tap; its interface is up when this returns.
Outcome<ExceptionDevice> open_exception_device(const PortSpec& spec, const std::array<uint8_t, 6>& mac, rte_mempool* pool);
// vfio: a whole PCI address, "0000:65:00.0"; or a device that DPDK makes itself, "net_af_packet_wan,iface=wan".
bool is_pci_address(const std::string& device);
bool is_virtual_device(const std::string& device);

// Probes a DPDK device "net_x0,args" and finds the port it made.
Outcome<uint16_t> probe_device(const std::string& name, const std::string& arguments, const std::string& remedy);
void remove_device(uint16_t port_id);
// xdp: after the queues are set up, and with them the program attached, lets the relay ports in.
Outcome<> finish_xdp_port(const PortSpec& spec);
// vfio: after start, steer UDP destination ports to the owner's queue. Names what is in force: "rte_flow", "rss", or
// "hand-over" when the driver knows neither.
const char* steer_vfio_port(const PortSpec& spec, uint16_t port_id);

}  // namespace sallyport::drivers
