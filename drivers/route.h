// SPDX-License-Identifier: Apache-2.0
#pragma once
// NetlinkSocket and the two questions the resolver asks the kernel: which route leads to a destination, and which link-layer
// address its next hop has. Blocking for at most a few milliseconds; housekeeping thread only, never a worker.
// Answers hold for the network namespace of the calling thread.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::drivers {

struct IpAddress {
  uint8_t family = 0;   // 4 or 6
  uint8_t bytes[16] = {};
  size_t length() const { return family == 4 ? 4 : 16; }
  bool operator==(const IpAddress&) const = default;
};

struct Route {
  uint32_t interface_index = 0;
  IpAddress next_hop;   // the gateway, or the destination itself when it is on the link
};

class NetlinkSocket {
 public:
  static Outcome<NetlinkSocket> open(uint32_t groups);
  NetlinkSocket(NetlinkSocket&& other) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&&) = delete;
  ~NetlinkSocket();

  int descriptor() const { return descriptor_; }
  // Sends a request and returns its answer's messages, or nothing when the kernel refuses or keeps silent.
  std::vector<std::vector<uint8_t>> ask(std::span<const uint8_t> request);
  // Messages that wait on a subscribed socket; never blocks. `overrun` says that the kernel dropped some.
  std::vector<std::vector<uint8_t>> waiting(bool& overrun);

 private:
  explicit NetlinkSocket(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
  uint32_t sequence_ = 0;
};

// The route from `source` through the interface; nothing when there is none.
std::optional<Route> find_route(NetlinkSocket& socket, const IpAddress& destination, const IpAddress& source,
                                uint32_t interface_index);

}  // namespace sallyport::drivers
