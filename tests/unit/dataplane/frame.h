// SPDX-License-Identifier: Apache-2.0
#pragma once
// Frames for tests: built whole with right checksums, taken apart again, and the RTP, RTCP and addresses inside.

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/address.h"

namespace sallyport::test {

using Bytes = std::vector<uint8_t>;

abi::Address address(const std::string& ip, uint16_t port);

struct Frame {
  abi::Address source;
  abi::Address destination;
  Bytes payload;
  uint8_t dscp = 0;
  uint8_t hop_limit = 0;
  bool checksums_hold = false;
};

// Ethernet, IPv4 or IPv6 by the addresses, UDP. vlan_tags of 802.1Q between.
Bytes build_frame(const abi::Address& source, const abi::Address& destination, const Bytes& payload, int vlan_tags = 0);
// Sets the checksums of an IPv4 frame anew after a test has changed it.
void fix_checksums(Bytes& frame);
// False when it is no whole UDP frame.
bool read_frame(const Bytes& bytes, Frame& frame);

Bytes rtp(uint16_t seq, uint32_t ssrc = 0x1234, uint8_t fill = 0x55, size_t payload_bytes = 160);
Bytes rtcp(uint32_t ssrc = 0x1234);

}  // namespace sallyport::test
