// SPDX-License-Identifier: Apache-2.0
#pragma once
// SocketAddress: an IPv4 or IPv6 address with port, or a Unix socket's path, as the kernel takes it. A plain value; any thread.
// parse() takes numeric text only ("192.0.2.1", "2001:db8::1", "[2001:db8::1]"): names are the resolver's work.
// IPv4-mapped IPv6 addresses are turned into IPv4, so that equality and per-source limits see one peer as one.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::tls {

class SocketAddress {
 public:
  SocketAddress() = default;
  static Outcome<SocketAddress> parse(std::string_view ip, uint16_t port);
  // "ip:port" or "[v6]:port".
  static Outcome<SocketAddress> parse_with_port(std::string_view text);
  static Outcome<SocketAddress> from_unix_path(std::string_view path);
  static SocketAddress from_kernel(const sockaddr* address, socklen_t length);
  static SocketAddress local_of(int fd);
  static SocketAddress peer_of(int fd);

  bool is_set() const { return length_ != 0; }
  bool is_v4() const { return storage_.any.sa_family == AF_INET; }
  bool is_v6() const { return storage_.any.sa_family == AF_INET6; }
  bool is_unix() const { return storage_.any.sa_family == AF_UNIX; }
  int family() const { return storage_.any.sa_family; }
  uint16_t port() const;  // host byte order; 0 for a Unix socket
  void set_port(uint16_t port);
  std::string ip() const;    // "192.0.2.1", "2001:db8::1", or the Unix path
  std::string text() const;  // "192.0.2.1:5061", "[2001:db8::1]:5061", "unix:/run/x"

  const sockaddr* kernel() const { return &storage_.any; }
  socklen_t kernel_length() const { return length_; }
  // Network byte order bytes of the address: 4, 16 or 0 of them.
  std::string_view ip_bytes() const;
  // Neither this host's own (loopback, unspecified) nor link-local, multicast or broadcast: what a stranger's URL may lead to.
  bool is_beyond_link() const;
  bool operator==(const SocketAddress& other) const;

 private:
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  };
  Storage storage_{};
  socklen_t length_ = 0;
};

}  // namespace sallyport::tls

template <>
struct std::hash<sallyport::tls::SocketAddress> {
  size_t operator()(const sallyport::tls::SocketAddress& address) const {
    return std::hash<std::string_view>{}(address.ip_bytes()) * 31 + address.port();
  }
};
