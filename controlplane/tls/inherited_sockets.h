// SPDX-License-Identifier: Apache-2.0
#pragma once
// InheritedSockets: bound sockets which the process before us left open over exec(): who listens on such an address takes that
// socket instead of binding one, so that nobody who connects meanwhile is refused. One for the process; used while it starts.

#include <vector>

#include "controlplane/tls/socket_address.h"

namespace sallyport::tls {

class InheritedSockets {
 public:
  static InheritedSockets& instance();

  // Descriptors that are no sockets are closed.
  void add(const std::vector<int>& descriptors);
  // The socket of that type (SOCK_STREAM: it listens) on that address; -1: none. The caller owns it.
  int take(int type, const SocketAddress& address);
  // What nobody took belongs to an address that is no longer configured.
  size_t close_rest();

 private:
  struct Socket {
    int fd;
    int type;
    SocketAddress address;
  };
  std::vector<Socket> sockets_;
};

}  // namespace sallyport::tls
