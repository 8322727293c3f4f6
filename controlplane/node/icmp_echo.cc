// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/icmp_echo.h"

#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sallyport::node {
namespace {

constexpr const char* blocked = "ICMP blocked (not an error)";

uint16_t icmp_sum(const uint8_t* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t at = 0; at + 1 < size; at += 2) sum += static_cast<uint32_t>(bytes[at] << 8 | bytes[at + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

bool send_request(int fd, const tls::SocketAddress& target) {
  uint8_t request[16] = {ICMP_ECHO, 0, 0, 0, 0x53, 0x50, 0, 1};
  const uint16_t sum = icmp_sum(request, sizeof request);
  request[2] = static_cast<uint8_t>(sum >> 8);
  request[3] = static_cast<uint8_t>(sum);
  return sendto(fd, request, sizeof request, MSG_NOSIGNAL, target.kernel(), target.kernel_length()) >= 0;
}

bool is_answered(int fd, const tls::SocketAddress& target) {
  uint8_t answer[256];
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  const ssize_t got = recvfrom(fd, answer, sizeof answer, 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (got < 28 || answer[20] != ICMP_ECHOREPLY) return false;
  return tls::SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&from), length).ip_bytes() == target.ip_bytes();
}

}  // namespace

boost::asio::awaitable<std::string> ask_icmp(boost::asio::io_context& io, tls::SocketAddress target) {
  if (!target.is_v4()) co_return "not asked (IPv6)";
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
  if (fd < 0) co_return "not asked (needs CAP_NET_RAW)";
  boost::asio::posix::stream_descriptor owner(io, fd);
  target.set_port(0);
  if (!send_request(fd, target)) co_return blocked;
  boost::asio::steady_timer timer(io);
  for (int round = 0; round < 25; ++round) {
    if (is_answered(fd, target)) co_return "answered";
    boost::system::error_code ignored;
    timer.expires_after(std::chrono::milliseconds(20));
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  co_return blocked;
}

}  // namespace sallyport::node
