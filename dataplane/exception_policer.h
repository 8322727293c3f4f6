// SPDX-License-Identifier: Apache-2.0
#pragma once
// ExceptionPolicer: what a worker gives the kernel of one port at most. Each packet costs the worker a system call and the kernel's own work
// on the same core, so that without a bound anybody could take the core from media. ARP and neighbour discovery have a share of their own: a
// flood of the rest must not make the node's neighbours forget it. One lcore; sixteen bytes a port.

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include <cstdint>

#include "dataplane/policer.h"
#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

class ExceptionPolicer {
 public:
  static constexpr uint32_t neighbour_packets_per_s = 500;
  static constexpr uint64_t neighbour_tolerance_ns = 200'000'000;
  static constexpr uint64_t tolerance_ns = 50'000'000;

  // `frame`: bytes of a whole Ethernet frame, any content.
  bool take(const uint8_t* frame, uint32_t bytes, uint64_t now_ns, uint32_t packets_per_s) {
    if (is_of_neighbours(frame, bytes)) return neighbours_.take(now_ns, interval_of_rate(neighbour_packets_per_s), neighbour_tolerance_ns);
    return others_.take(now_ns, interval_of_rate(packets_per_s), tolerance_ns);
  }

  static bool is_of_neighbours(const uint8_t* frame, uint32_t bytes) {
    constexpr uint32_t tag_bytes = 4;
    uint32_t type_at = 12;
    if (bytes >= type_at + tag_bytes + 2 && load_be16(frame + type_at) == RTE_ETHER_TYPE_VLAN) type_at += tag_bytes;
    if (bytes < type_at + 2) return false;
    const uint16_t type = load_be16(frame + type_at);
    if (type == RTE_ETHER_TYPE_ARP) return true;
    const uint32_t ip_at = type_at + 2, icmp_at = ip_at + sizeof(rte_ipv6_hdr);
    if (type != RTE_ETHER_TYPE_IPV6 || bytes < icmp_at + 4) return false;
    // RFC 4861 6.1, 7.1: with any other hop limit it came from beyond a router, and is not valid.
    constexpr uint8_t icmpv6 = 58, unforwarded = 255, router_solicitation = 133, redirect = 137;
    const uint8_t message = frame[icmp_at];
    return frame[ip_at + 6] == icmpv6 && frame[ip_at + 7] == unforwarded && message >= router_solicitation && message <= redirect;
  }

 private:
  Policer neighbours_;
  Policer others_;
};

}  // namespace sallyport::dataplane
