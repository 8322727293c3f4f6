// SPDX-License-Identifier: Apache-2.0
#pragma once
// UdpHop: call control reached over UDP: one remote address on C's shared socket. The socket outlives its hops.
// One thread. send() never waits; what the network loses, the transaction repeats.

#include "controlplane/proxy/hop.h"
#include "controlplane/tls/udp_socket.h"

namespace sallyport::proxy {

class UdpHop final : public Hop {
 public:
  UdpHop(uint64_t id, tls::UdpSocket& socket, const tls::SocketAddress& remote_address) : Hop(id, Side::call_control, Transport::udp), socket_(socket) {
    remote = remote_address;
    local = socket.local_address();
    name = remote.text();
  }
  bool send(std::string message) override { return open_ && socket_.send_to(message, remote); }
  bool is_open() const override { return open_; }
  void close() override { open_ = false; }

 private:
  tls::UdpSocket& socket_;
  bool open_ = true;
};

}  // namespace sallyport::proxy
