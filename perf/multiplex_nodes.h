// SPDX-License-Identifier: Apache-2.0
#pragma once
// MultiplexNodes: E and C as two processes of their own with nothing in them but the stream multiplex, as the product has it: E takes TCP
// connections and opens a channel for each, C joins each channel to a TCP connection of its own to the far end. For comparisons with
// other relays of streams between two nodes.

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace sallyport::perf {

struct NodeFiles {
  std::string certificate, key, authority;  // PEM; one certificate for both nodes, good for 127.0.0.1
};

class MultiplexNodes {
 public:
  // Forks: call before threads exist. is_up() tells whether C got in.
  MultiplexNodes(const NodeFiles& files, uint16_t far_end_port, uint32_t connections);
  ~MultiplexNodes();
  MultiplexNodes(const MultiplexNodes&) = delete;
  MultiplexNodes& operator=(const MultiplexNodes&) = delete;

  bool is_up() const { return entry_port_ != 0; }
  uint16_t entry_port() const { return entry_port_; }
  pid_t edge() const { return edge_; }
  pid_t core() const { return core_; }

 private:
  pid_t edge_ = -1, core_ = -1;
  uint16_t entry_port_ = 0;
};

}  // namespace sallyport::perf
