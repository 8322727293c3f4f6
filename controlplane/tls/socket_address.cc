// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/socket_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstddef>
#include <cstring>

namespace sallyport::tls {

Outcome<SocketAddress> SocketAddress::parse(std::string_view ip, uint16_t port) {
  if (ip.size() >= 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  const std::string text(ip);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from_kernel(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return from_kernel(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return Fault{FaultCode::invalid, "address " + text, "is neither an IPv4 nor an IPv6 address", "write it in digits, such as 192.0.2.1 or 2001:db8::1"};
}

Outcome<SocketAddress> SocketAddress::parse_with_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  uint16_t port = 0;
  const std::string_view digits = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool bracketed = colon != std::string_view::npos && colon > 0 && text[colon - 1] == ']';
  const bool ambiguous = text.find(':') != colon && !bracketed;
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || ambiguous) {
    return Fault{FaultCode::invalid, "address " + std::string(text), "is not an address with a port", "write 192.0.2.1:53 or [2001:db8::1]:53"};
  }
  return parse(text.substr(0, colon), port);
}

Outcome<SocketAddress> SocketAddress::from_unix_path(std::string_view path) {
  SocketAddress address;
  if (path.empty() || path.size() >= sizeof address.storage_.local.sun_path) {
    return Fault{FaultCode::invalid, "socket path " + std::string(path), "is empty or longer than 107 bytes", "choose a shorter path"};
  }
  address.storage_.local.sun_family = AF_UNIX;
  std::memcpy(address.storage_.local.sun_path, path.data(), path.size());
  address.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

SocketAddress SocketAddress::from_kernel(const sockaddr* from, socklen_t length) {
  SocketAddress address;
  if (from->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, from, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      address.storage_.v4 = {};
      address.storage_.v4.sin_family = AF_INET;
      address.storage_.v4.sin_port = v6.sin6_port;
      std::memcpy(&address.storage_.v4.sin_addr, v6.sin6_addr.s6_addr + 12, 4);
      address.length_ = sizeof address.storage_.v4;
      return address;
    }
  }
  address.length_ = std::min<socklen_t>(length, sizeof address.storage_);
  std::memcpy(&address.storage_, from, address.length_);
  return address;
}

SocketAddress SocketAddress::local_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return from_kernel(reinterpret_cast<sockaddr*>(&storage), length);
}

SocketAddress SocketAddress::peer_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return from_kernel(reinterpret_cast<sockaddr*>(&storage), length);
}

uint16_t SocketAddress::port() const {
  if (is_v4()) return ntohs(storage_.v4.sin_port);
  return is_v6() ? ntohs(storage_.v6.sin6_port) : 0;
}

void SocketAddress::set_port(uint16_t port) {
  if (is_v4()) storage_.v4.sin_port = htons(port);
  if (is_v6()) storage_.v6.sin6_port = htons(port);
}

std::string SocketAddress::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) {  // inet_ntop() goes through sprintf, and every call asks for this
    char* end = text;
    for (const char byte : ip_bytes()) {
      if (end != text) *end++ = '.';
      end = std::to_chars(end, text + sizeof text, static_cast<unsigned char>(byte)).ptr;
    }
    return {text, end};
  }
  if (is_v6()) inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  if (!is_unix()) return text;
  const size_t room = length_ - std::min<size_t>(length_, offsetof(sockaddr_un, sun_path));
  return std::string(storage_.local.sun_path, strnlen(storage_.local.sun_path, room));
}

std::string SocketAddress::text() const {
  if (is_unix()) return "unix:" + ip();
  if (!is_set()) return "unset";
  return (is_v6() ? "[" + ip() + "]" : ip()) + ":" + std::to_string(port());
}

std::string_view SocketAddress::ip_bytes() const {
  if (is_v4()) return {reinterpret_cast<const char*>(&storage_.v4.sin_addr), 4};
  if (is_v6()) return {reinterpret_cast<const char*>(&storage_.v6.sin6_addr), 16};
  return {};
}

bool SocketAddress::operator==(const SocketAddress& other) const {
  if (family() != other.family() || is_set() != other.is_set()) return false;
  if (is_unix()) return ip() == other.ip();
  return ip_bytes() == other.ip_bytes() && port() == other.port();
}

bool SocketAddress::is_beyond_link() const {
  if (is_v4()) {
    const uint32_t ip = ntohl(storage_.v4.sin_addr.s_addr);
    const bool is_host = ip >> 24 == 127 || ip >> 24 == 0, is_link = ip >> 16 == 0xa9fe, is_many = ip >> 28 >= 0xe;  // 224.0.0.0 and above
    return !is_host && !is_link && !is_many;
  }
  if (!is_v6()) return false;
  const in6_addr& ip = storage_.v6.sin6_addr;
  return !IN6_IS_ADDR_LOOPBACK(&ip) && !IN6_IS_ADDR_UNSPECIFIED(&ip) && !IN6_IS_ADDR_LINKLOCAL(&ip) && !IN6_IS_ADDR_MULTICAST(&ip) && !IN6_IS_ADDR_V4COMPAT(&ip);
}

}  // namespace sallyport::tls
