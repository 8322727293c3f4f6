// SPDX-License-Identifier: Apache-2.0
#pragma once
// What signalling is marked with on the wire: CS3, as enterprise networks mark call signalling (RFC 4594 4.2 proposes CS5, which they
// keep for other things). Best effort: a socket that cannot be marked works all the same. Connections take it from their listener.

#include <netinet/in.h>
#include <sys/socket.h>

namespace sallyport::tls {

inline constexpr int signalling_dscp = 24;

inline void mark_signalling(int fd, int family) {
  const int traffic_class = signalling_dscp << 2;
  if (family == AF_INET) setsockopt(fd, IPPROTO_IP, IP_TOS, &traffic_class, sizeof traffic_class);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &traffic_class, sizeof traffic_class);
}

}  // namespace sallyport::tls
