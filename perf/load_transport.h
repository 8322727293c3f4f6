// SPDX-License-Identifier: Apache-2.0
#pragma once
// LoadTransport: how packet_load's packets leave and come back: through memif ports of DPDK, or through UDP sockets of the kernel.
// A burst is at most load_burst packets. One thread. What cannot be set up ends the program with the reason.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "perf/load_flows.h"

namespace sallyport::perf {

class LoadTransport {
 public:
  virtual ~LoadTransport() = default;
  // Gives every packet a buffer with room for `bytes` of RTP and LoadFlows::tailroom_bytes behind.
  virtual void lend(std::span<LoadPacket> packets, uint32_t bytes) = 0;
  // Sends what was lent, in order; how many went. The rest is lost.
  virtual uint32_t send(std::span<LoadPacket> packets) = 0;
  // Packets that have come; their buffers hold until the next call.
  virtual std::span<LoadPacket> receive() = 0;
};

// Two memif ports, the server's side of both: packets go out by `out` and come back by `in`, names of abstract sockets.
std::unique_ptr<LoadTransport> open_memif_load(const std::string& out, const std::string& in, uint32_t core, const LoadFlows& flows);
// One UDP socket to send from and one to receive by, both at `ip`.
std::unique_ptr<LoadTransport> open_socket_load(const std::string& ip, uint16_t send_port, uint16_t receive_port, const LoadFlows& flows);

}  // namespace sallyport::perf
