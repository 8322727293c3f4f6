// SPDX-License-Identifier: Apache-2.0
#pragma once
// Egress: headers of what is sent. prepend_headers writes Ethernet, IP and UDP before a payload in place; finish_headers fills
// in what depends on the final length. find_hop answers from the next-hop table and asks the resolver at most ten times a
// second a flow. Owner lcore only.

#include <cstddef>
#include <cstdint>

#include "dataplane/flow_table.h"

struct rte_mbuf;

namespace sallyport::dataplane {

class Worker;

struct Egress {
  uint16_t slot;   // of the local address it leaves from; valid
  uint16_t port;   // UDP source port
  uint8_t dscp;
  const abi::Address& destination;
};

bool find_hop(Worker& worker, const Egress& egress, HopMemory& memory, drivers::HopLink& link);
// The UDP payload begins at `payload`; there must be room before it. Returns the bytes of headers written.
uint16_t prepend_headers(const Worker& worker, const Egress& egress, const drivers::HopLink& link, uint8_t* payload);
// Sets lengths and checksums, and the mbuf's bounds. `header_bytes` as returned by prepend_headers.
void finish_headers(rte_mbuf& mbuf, uint8_t* payload, uint16_t header_bytes, uint32_t payload_bytes, bool offload);
// A datagram of our own. Dropped and counted when there is no memory, no next hop or no room in the port.
void send_datagram(Worker& worker, const Egress& egress, HopMemory& memory, const uint8_t* payload, size_t bytes);

}  // namespace sallyport::dataplane
