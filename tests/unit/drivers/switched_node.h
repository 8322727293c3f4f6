// SPDX-License-Identifier: Apache-2.0
#pragma once
// SwitchedNode: sallyport-dataplane in a namespace of its own, with one port on "nic", and two hosts that share a switch with it, phone a and
// router b. Behind both of them lies the same network, so that the host that hears media tells where it was sent. Needs root.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/dataplane/frame.h"
#include "tests/unit/dataplane/region_client.h"
#include "tests/unit/drivers/namespaces.h"

namespace sallyport::test {

inline constexpr int event_deadline_ms = 5000;

// One family's names for the same things.
struct Family {
  const char* name;
  const char* ip;        // the option of `ip`
  const char* node;
  const char* a;
  const char* b;
  const char* network;   // behind a and b
  const char* host;      // in it
  const char* nobody;    // on the link
  const char* host_bits;
  const char* link_bits;
  uint16_t slot;
  uint16_t relay_port;
};

inline constexpr Family families[] = {
    {"IPv4", "-4", "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.9.0.0/16", "10.9.0.9", "10.1.0.77", "/32", "/24", 0, 40000},
    {"IPv6", "-6", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3", "2001:db8:9::/48", "2001:db8:9::9", "2001:db8:1::77", "/128", "/64", 1, 40008},
};
inline constexpr uint16_t media_port = 5000, phone_port = 4000;
// An address in VLAN 100, node 10.2.0.1, a 10.2.0.2.
inline constexpr uint16_t vlan_slot = 2, vlan_relay_port = 40016, vlan_flow = 8;

inline uint16_t sequence_of(const std::vector<uint8_t>& packet) { return static_cast<uint16_t>(packet[2] << 8 | packet[3]); }

class SwitchedNode {
 public:
  ~SwitchedNode() {
    program.reset();
    if (!directory_.empty()) shell("rm -rf " + directory_);
  }

  bool make() {
    char name[] = "/tmp/sallyport-test-XXXXXX";
    if (mkdtemp(name) == nullptr) return false;
    directory_ = name;
    if (!bridge.in("ip link add br0 type bridge mcast_snooping 0") || !bridge.in("ip link set br0 up") || !plug(node, "nic", "to-node") || !plug(a, "eth", "to-a") || !plug(b, "eth", "to-b")) {
      return false;
    }
    for (const Family& family : families) {
      for (const auto& [host, ip] : {std::pair{&a, family.a}, std::pair{&b, family.b}}) {
        if (!host->in(std::string("ip addr add ") + ip + family.link_bits + " dev eth nodad") ||
            !host->in(std::string("ip addr add ") + family.host + family.host_bits + " dev lo nodad")) {
          return false;
        }
      }
    }
    // A host that gets another MAC address says so.
    for (const Namespace* host : {&a, &b}) {
      if (!host->in("sysctl -w net.ipv4.conf.eth.arp_notify=1 net.ipv6.conf.eth.ndisc_notify=1")) return false;
    }
    has_vlans = a.in("ip link add link eth name voice type vlan id 100") && a.in("ip addr add 10.2.0.2/24 dev voice") && a.in("ip link set voice up");
    return true;
  }
  bool add_vlan(const std::string& interface) const {
    return node.in("ip link add link " + interface + " name voice type vlan id 100") && node.in("ip addr add 10.2.0.1/24 dev voice") && node.in("ip link set voice up");
  }

  // `port`: keys of the [[port]].
  void configure(const std::string& lcores, const std::string& port) const {
    std::ofstream file(directory_ + "/n.toml");
    file << "[node]\nname = \"n\"\n[dataplane]\nsocket = \"" << directory_ << "/n.sock\"\nflows = 256\nmemory_mb = 64\nhugepages = \"off\"\nlcores = " << lcores
         << "\n[[port]]\nname = \"wan\"\n" << port << "\n";
    for (const Family& family : families) file << "[[address]]\nname = \"" << family.name << "\"\nip = \"" << family.node << "\"\nport = \"wan\"\n";
    file << "[[address]]\nname = \"voice\"\nip = \"10.2.0.1\"\nport = \"wan\"\nvlan = 100\n";
  }
  bool start(int offered = -1) {
    program = std::make_unique<Program>(node, command(), log_path());
    client = RegionClient::connect(directory_ + "/n.sock", offered);
    return client.has_value();
  }
  std::vector<std::string> command() const { return {SALLYPORT_DATAPLANE, "--config", directory_ + "/n.toml"}; }
  std::string log_path() const { return directory_ + "/log"; }
  std::string log() const {
    std::ostringstream text;
    text << std::ifstream(log_path()).rdbuf();
    return text.str();
  }

  // An even index, and of the pairs of ports every second, are worker 0's, whose rings the client has.
  std::optional<abi::CommandStatus> add_flow(uint32_t index, uint16_t slot, uint16_t port, const std::string& from, const std::string& to,
                                             uint16_t egress_slot = abi::no_slot) {
    abi::Command command;
    command.type = abi::CommandType::add_flow;
    abi::FlowSpec& flow = command.flow;
    flow.flow_index = index;
    flow.generation = 1;
    flow.latch = abi::Latch::expected_ip;
    flow.expected_source = address(from, 0);
    flow.local_slot = slot;
    flow.local_port = port;
    flow.egress_slot = egress_slot == abi::no_slot ? slot : egress_slot;
    flow.egress_port = port;
    flow.destination = address(to, media_port);
    return client->run(command);
  }

  // Of all workers, who go on counting.
  uint64_t sum(uint64_t abi::WorkerCounters::*counter) {
    uint64_t total = 0;
    for (uint32_t worker = 0; worker < client->header().worker_count; ++worker) total += now(counters(worker).*counter);
    return total;
  }
  uint64_t drops(abi::DropReason reason) {
    uint64_t total = 0;
    for (uint32_t worker = 0; worker < client->header().worker_count; ++worker) total += now(counters(worker).drops[static_cast<size_t>(reason)]);
    return total;
  }

  // Sends a new packet of media again and again until the listener hears one of them.
  bool is_heard(int phone, const Family& family, uint16_t relay_port, int listener) {
    while (receive_from(listener, 0)) continue;
    const uint16_t first = sequence;
    return until([&] {
      if (!send_to(phone, rtp(sequence++), family.node, relay_port)) return false;
      const auto packet = receive_from(listener, 50);
      return packet && packet->size() == 172 && static_cast<uint16_t>(sequence_of(*packet) - first) < 0x8000;
    });
  }
  // One packet, which must come.
  bool is_heard_at_once(int phone, const Family& family, int listener) {
    if (!send_to(phone, rtp(sequence), family.node, family.relay_port)) return false;
    std::optional<std::vector<uint8_t>> packet;
    do packet = receive_from(listener, event_deadline_ms);
    while (packet && sequence_of(*packet) != sequence);
    ++sequence;
    return packet.has_value();
  }

  Namespace bridge{"sw"}, node{"n"}, a{"a"}, b{"b"};
  std::unique_ptr<Program> program;
  std::optional<RegionClient> client;
  uint16_t sequence = 1;
  bool has_vlans = false;  // the kernel makes interfaces of them

 private:
  // Checksums and tags are in the frame, as on a cable.
  bool plug(const Namespace& space, const std::string& name, const std::string& port) const {
    return shell("ip link add " + name + " netns " + space.name() + " type veth peer name " + port + " netns " + bridge.name()) &&
           space.in("ethtool -K " + name + " tx off txvlan off") && bridge.in("ethtool -K " + port + " tx off txvlan off") && space.in("ip link set " + name + " up") &&
           bridge.in("ip link set " + port + " master br0 up");
  }
  abi::WorkerCounters& counters(uint32_t worker) { return (&client->worker())[worker].counters; }
  static uint64_t now(const volatile uint64_t& counter) { return counter; }

  std::string directory_;
};

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return descriptor_; }

 private:
  int descriptor_;
};

inline std::vector<uint8_t> read_bytes(int socket, size_t wanted) {
  std::vector<uint8_t> bytes(wanted);
  size_t have = 0;
  pollfd waiting{socket, POLLIN, 0};
  while (have < wanted && poll(&waiting, 1, event_deadline_ms) > 0) {
    const ssize_t length = recv(socket, bytes.data() + have, wanted - have, 0);
    if (length <= 0) break;
    have += static_cast<size_t>(length);
  }
  bytes.resize(have);
  return bytes;
}

inline bool write_bytes(int socket, const std::vector<uint8_t>& bytes) {
  const timeval limit{event_deadline_ms / 1000, 0};
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

// A connection from `from` to a listener of the node's, and as many bytes each way, one after the other.
inline void expect_stream(const Namespace& client, const std::string& from, const Namespace& server, const std::string& to) {
  constexpr uint16_t port = 7001;
  const Descriptor listener(server.socket(to, port, SOCK_STREAM)), caller(client.socket(from, 0, SOCK_STREAM));
  ASSERT_GE(listener, 0);
  ASSERT_GE(caller, 0);
  ASSERT_EQ(listen(listener, 1), 0);
  const sockaddr_storage address = Namespace::endpoint(to, port);
  ASSERT_EQ(connect(caller, reinterpret_cast<const sockaddr*>(&address), address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)), 0) << std::strerror(errno);
  const Descriptor callee(accept(listener, nullptr, nullptr));
  ASSERT_GE(callee, 0);
  std::vector<uint8_t> bytes(64 * 1024);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  for (const auto& [speaker, hearer] : {std::pair<int, int>{caller, callee}, std::pair<int, int>{callee, caller}}) {
    bool is_written = false;
    std::thread writer([&, speaker = speaker] { is_written = write_bytes(speaker, bytes); });
    const auto heard = read_bytes(hearer, bytes.size());
    writer.join();
    EXPECT_TRUE(is_written);
    EXPECT_TRUE(heard == bytes) << heard.size() << " bytes of " << bytes.size();
  }
}

// A frame with `bytes` at `at` passes; with that VLAN, when one is asked for.
inline bool sees(const FrameSocket& socket, size_t at, const std::vector<uint8_t>& bytes, int vlan = -1) {
  const int one = 1;
  setsockopt(socket.descriptor(), SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
  for (pollfd waiting{socket.descriptor(), POLLIN, 0}; poll(&waiting, 1, 100) > 0;) {
    std::vector<uint8_t> frame(2048);
    iovec part{frame.data(), frame.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t length = recvmsg(socket.descriptor(), &message, 0);
    if (length < static_cast<ssize_t>(at + bytes.size()) || !std::equal(bytes.begin(), bytes.end(), frame.begin() + static_cast<ptrdiff_t>(at))) continue;
    // The kernel takes the tag out of the frame.
    tpacket_auxdata beside{};
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == PACKET_AUXDATA) std::memcpy(&beside, CMSG_DATA(header), sizeof beside);
    if (vlan < 0 || ((beside.tp_status & TP_STATUS_VLAN_VALID) != 0 && beside.tp_vlan_tci == vlan)) return true;
  }
  return false;
}

}  // namespace sallyport::test
