// SPDX-License-Identifier: Apache-2.0
#pragma once
// UdpSocket: a bound UDP socket for SIP towards call control, on Asio's reactor of the thread that made it.
// receive() gives one datagram of at most 64 KiB, valid until the next receive(); one receive() at a time.
// send_to() never waits: a full socket buffer drops the datagram and counts it, as the network would.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string_view>

#include "controlplane/tls/socket_address.h"
#include "dataplane/abi/fault.h"

namespace sallyport::tls {

struct UdpSocketOptions {
  SocketAddress address;  // port 0: the kernel chooses
  bool freebind = false;
  bool reuse_port = false;
  uint32_t receive_buffer_bytes = 1 << 20;
};

struct UdpCounters {
  uint64_t received = 0, sent = 0, send_dropped = 0, send_failed = 0, truncated = 0, peer_unreachable = 0;
};

struct UdpDatagram {
  std::string_view bytes;
  SocketAddress source;
};

class UdpSocket {
 public:
  static Outcome<std::unique_ptr<UdpSocket>> open(boost::asio::io_context& context, UdpSocketOptions options);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // A Fault (refused) only after close() or cancellation.
  boost::asio::awaitable<Outcome<UdpDatagram>> receive();
  bool send_to(std::string_view bytes, const SocketAddress& destination);
  void close();
  // Another descriptor of the socket, the caller's, for whoever uses the address next; -1: none.
  int share_socket() const;
  const SocketAddress& local_address() const;
  const UdpCounters& counters() const;

 private:
  struct State;
  explicit UdpSocket(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::tls
