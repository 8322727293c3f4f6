// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hop: the next or previous place of a message: a client's TLS flow, the traversal connection, or call control over UDP,
// TCP or TLS. Owned by its transport through shared_ptr; transactions hold weak references, so a lost connection is seen
// and never written to. One thread. send() queues without waiting and refuses above the hop's bound.

#include <cstdint>
#include <memory>
#include <string>

#include "controlplane/sip/via.h"
#include "controlplane/tls/socket_address.h"

namespace sallyport::proxy {

enum class Side : uint8_t { client, traversal, call_control };
using sip::Transport;

class Hop : public std::enable_shared_from_this<Hop> {
 public:
  Hop(uint64_t id, Side side, Transport transport) : id(id), side(side), transport(transport) {}
  virtual ~Hop() = default;
  Hop(const Hop&) = delete;
  Hop& operator=(const Hop&) = delete;

  // False when the hop is closed or its queue is full; the caller answers 503 or tries another target.
  virtual bool send(std::string message) = 0;
  virtual bool is_open() const = 0;
  virtual void close() = 0;

  bool is_reliable() const { return transport != Transport::udp; }
  // remote's address as text, made once: every request carries it in its Via.
  const std::string& remote_ip() const {
    if (remote_ip_.empty()) remote_ip_ = remote.ip();
    return remote_ip_;
  }

  const uint64_t id;        // never reused in the life of a process; flow tokens carry it
  const Side side;
  const Transport transport;
  tls::SocketAddress remote;
  tls::SocketAddress local;
  std::string via_head;     // "SIP/2.0/TLS edge.example.com:5061;branch=": our Via towards this hop, up to the branch
  uint32_t transactions = 0;  // client and server transactions that name this hop; lets a lost hop skip the search when 0
  std::string flow_token;   // E's word for it in Path and Record-Route (RFC 5626 5.2); empty until needed
  std::string name;         // for logs and status: "198.51.100.7:40112", "edge.example.com:7001", "cm1"

 private:
  mutable std::string remote_ip_;
};

}  // namespace sallyport::proxy
