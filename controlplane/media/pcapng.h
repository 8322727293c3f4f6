// SPDX-License-Identifier: Apache-2.0
#pragma once
// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little endian, Ethernet frames, time in nanoseconds: what Wireshark and tcpdump
// read. Pure functions; each appends one whole block to `out`. Text is cut at 4,096 bytes.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::media {

// Begins a file.
void append_section(std::string& out, std::string_view application, std::string_view comment);
// Interfaces are numbered in the order in which they are appended.
void append_interface(std::string& out, std::string_view name, std::string_view description, uint32_t longest_frame_bytes);

struct PcapngPacket {
  uint32_t interface = 0;
  uint64_t unix_ns = 0;
  bool outbound = false;
  uint32_t frame_bytes = 0;  // on the wire
  std::span<const uint8_t> kept;
};
void append_packet(std::string& out, const PcapngPacket& packet);

// Ends what is told of an interface: what was lost, and why it ends.
void append_statistics(std::string& out, uint32_t interface, uint64_t unix_ns, uint64_t lost, std::string_view comment);

}  // namespace sallyport::media
