// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/frame.h"

#include <arpa/inet.h>

#include <cstddef>
#include <cstring>

namespace sallyport::test {

namespace {

constexpr size_t ethernet_bytes = 14;

uint32_t sum(const uint8_t* data, size_t length, uint32_t start) {
  for (size_t i = 0; i < length; ++i) start += i % 2 == 0 ? uint32_t{data[i]} << 8 : data[i];
  return start;
}

uint16_t fold(uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return static_cast<uint16_t>(total);
}

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

uint16_t get16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

// Of addresses, protocol and length, then the datagram: what UDP sums (RFC 768, RFC 8200 8.1).
uint16_t udp_sum(const uint8_t* addresses, size_t address_bytes, const uint8_t* udp, size_t udp_bytes) {
  uint32_t total = sum(addresses, address_bytes, 17 + static_cast<uint32_t>(udp_bytes));
  return fold(sum(udp, udp_bytes, total));
}

size_t ip_offset(const Bytes& frame) {
  size_t at = 12;
  while (at + 2 < frame.size() && get16(&frame[at]) == 0x8100) at += 4;
  return at + 2;
}

}  // namespace

abi::Address address(const std::string& ip, uint16_t port) {
  abi::Address result;
  result.port = port;
  if (inet_pton(AF_INET, ip.c_str(), result.ip) == 1) {
    result.family = 4;
  } else if (inet_pton(AF_INET6, ip.c_str(), result.ip) == 1) {
    result.family = 6;
  }
  return result;
}

Bytes build_frame(const abi::Address& source, const abi::Address& destination, const Bytes& payload, int vlan_tags) {
  const bool is_v4 = destination.family == 4;
  const size_t ip = ethernet_bytes + 4 * static_cast<size_t>(vlan_tags), ip_bytes = is_v4 ? 20 : 40, udp = ip + ip_bytes;
  Bytes frame(udp + 8 + payload.size());
  const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99};
  std::memcpy(frame.data(), macs, sizeof macs);
  for (int tag = 0; tag < vlan_tags; ++tag) {
    put16(&frame[12 + 4 * static_cast<size_t>(tag)], 0x8100);
    put16(&frame[14 + 4 * static_cast<size_t>(tag)], 100 + static_cast<uint32_t>(tag));
  }
  put16(&frame[ip - 2], is_v4 ? 0x0800 : 0x86dd);
  const size_t udp_bytes = 8 + payload.size();
  if (is_v4) {
    frame[ip] = 0x45;
    put16(&frame[ip + 2], static_cast<uint32_t>(20 + udp_bytes));
    frame[ip + 8] = 60;
    frame[ip + 9] = 17;
    std::memcpy(&frame[ip + 12], source.ip, 4);
    std::memcpy(&frame[ip + 16], destination.ip, 4);
  } else {
    frame[ip] = 0x60;
    put16(&frame[ip + 4], static_cast<uint32_t>(udp_bytes));
    frame[ip + 6] = 17;
    frame[ip + 7] = 60;
    std::memcpy(&frame[ip + 8], source.ip, 16);
    std::memcpy(&frame[ip + 24], destination.ip, 16);
  }
  put16(&frame[udp], source.port);
  put16(&frame[udp + 2], destination.port);
  put16(&frame[udp + 4], static_cast<uint32_t>(udp_bytes));
  if (!payload.empty()) std::memcpy(&frame[udp + 8], payload.data(), payload.size());
  fix_checksums(frame);
  return frame;
}

void fix_checksums(Bytes& frame) {
  const size_t ip = ip_offset(frame);
  const bool is_v4 = frame[ip] >> 4 == 4;
  const size_t udp = ip + (is_v4 ? (frame[ip] & 15) * 4u : 40);
  const size_t udp_bytes = frame.size() - udp;
  if (is_v4) {
    put16(&frame[ip + 10], 0);
    put16(&frame[ip + 10], static_cast<uint16_t>(~fold(sum(&frame[ip], udp - ip, 0))));
  }
  put16(&frame[udp + 6], 0);
  const uint16_t check = static_cast<uint16_t>(~udp_sum(&frame[ip + (is_v4 ? 12 : 8)], is_v4 ? 8 : 32, &frame[udp], udp_bytes));
  put16(&frame[udp + 6], check == 0 ? 0xffff : check);
}

bool read_frame(const Bytes& bytes, Frame& frame) {
  if (bytes.size() < ethernet_bytes + 28) return false;
  const size_t ip = ip_offset(bytes);
  const bool is_v4 = bytes[ip] >> 4 == 4;
  const size_t udp = ip + (is_v4 ? 20 : 40);
  if (bytes.size() < udp + 8 || bytes[ip + (is_v4 ? 9 : 6)] != 17) return false;
  frame.source = abi::Address{};
  frame.destination = abi::Address{};
  frame.source.family = frame.destination.family = is_v4 ? 4 : 6;
  std::memcpy(frame.source.ip, &bytes[ip + (is_v4 ? 12 : 8)], is_v4 ? 4 : 16);
  std::memcpy(frame.destination.ip, &bytes[ip + (is_v4 ? 16 : 24)], is_v4 ? 4 : 16);
  frame.source.port = get16(&bytes[udp]);
  frame.destination.port = get16(&bytes[udp + 2]);
  frame.payload.assign(bytes.begin() + static_cast<std::ptrdiff_t>(udp + 8), bytes.end());
  frame.dscp = is_v4 ? bytes[ip + 1] >> 2 : static_cast<uint8_t>(get16(&bytes[ip]) >> 6 & 63);
  frame.hop_limit = bytes[ip + (is_v4 ? 8 : 7)];
  const size_t udp_bytes = bytes.size() - udp;
  const bool lengths = get16(&bytes[udp + 4]) == udp_bytes &&
                       (is_v4 ? get16(&bytes[ip + 2]) == 20 + udp_bytes : get16(&bytes[ip + 4]) == udp_bytes);
  const bool ip_sum = !is_v4 || fold(sum(&bytes[ip], 20, 0)) == 0xffff;
  frame.checksums_hold = lengths && ip_sum && udp_sum(&bytes[ip + (is_v4 ? 12 : 8)], is_v4 ? 8 : 32, &bytes[udp], udp_bytes) == 0xffff;
  return true;
}

Bytes rtp(uint16_t seq, uint32_t ssrc, uint8_t fill, size_t payload_bytes) {
  Bytes packet(12 + payload_bytes, fill);
  packet[0] = 0x80;
  packet[1] = 0;
  put16(&packet[2], seq);
  put16(&packet[4], 0);
  put16(&packet[6], seq * 160u);
  put16(&packet[8], ssrc >> 16);
  put16(&packet[10], ssrc);
  return packet;
}

Bytes rtcp(uint32_t ssrc) {
  Bytes packet(32, 0);
  packet[0] = 0x81;  // receiver report with one block
  packet[1] = 201;
  put16(&packet[2], 7);
  put16(&packet[4], ssrc >> 16);
  put16(&packet[6], ssrc);
  return packet;
}

}  // namespace sallyport::test
