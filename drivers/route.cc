// SPDX-License-Identifier: Apache-2.0
#include "drivers/route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "drivers/netlink_message.h"

namespace sallyport::drivers {

namespace {
constexpr int answer_deadline_ms = 50;
constexpr size_t receive_bytes = 32768;
}  // namespace

Outcome<NetlinkSocket> NetlinkSocket::open(uint32_t groups) {
  const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (descriptor < 0 || bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (descriptor >= 0) close(descriptor);
    return Fault{FaultCode::refused, "netlink", std::strerror(errno), "the dataplane needs AF_NETLINK sockets"};
  }
  const int one = 1;
  // The kernel then checks requests strictly and honours the filter of neighbour queries.
  setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
  return NetlinkSocket(descriptor);
}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept : descriptor_(other.descriptor_), sequence_(other.sequence_) {
  other.descriptor_ = -1;
}

NetlinkSocket::~NetlinkSocket() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::vector<std::vector<uint8_t>> NetlinkSocket::ask(std::span<const uint8_t> request) {
  std::vector<std::vector<uint8_t>> messages;
  std::vector<uint8_t> buffer(request.begin(), request.end());
  nlmsghdr header;
  std::memcpy(&header, buffer.data(), sizeof header);
  header.nlmsg_seq = ++sequence_;
  std::memcpy(buffer.data(), &header, sizeof header);
  if (send(descriptor_, buffer.data(), buffer.size(), 0) < 0) return messages;
  buffer.resize(receive_bytes);
  for (;;) {
    pollfd waiting{descriptor_, POLLIN, 0};
    const int ready = poll(&waiting, 1, answer_deadline_ms);
    // DPDK's tap interrupts with a signal a frame; what the kernel was about to say is no silence.
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return messages;
    const ssize_t length = recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (length <= 0) return messages;
    for (auto message : NetlinkMessages({buffer.data(), static_cast<size_t>(length)})) {
      if (message.header.nlmsg_seq != sequence_) continue;
      if (message.header.nlmsg_type == NLMSG_ERROR || message.header.nlmsg_type == NLMSG_DONE) return messages;
      messages.emplace_back(message.bytes.begin(), message.bytes.end());
      if ((message.header.nlmsg_flags & NLM_F_MULTI) == 0) return messages;
    }
  }
}

std::vector<std::vector<uint8_t>> NetlinkSocket::waiting(bool& overrun) {
  std::vector<std::vector<uint8_t>> messages;
  std::vector<uint8_t> buffer(receive_bytes);
  // At most 64 datagrams a call, so that a storm of neighbour events cannot hold the housekeeping thread.
  for (int datagrams = 0; datagrams < 64; ++datagrams) {
    const ssize_t length = recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (length < 0 && errno == ENOBUFS) {
      overrun = true;
      continue;
    }
    if (length <= 0) break;
    for (auto message : NetlinkMessages({buffer.data(), static_cast<size_t>(length)})) {
      messages.emplace_back(message.bytes.begin(), message.bytes.end());
    }
  }
  return messages;
}

namespace {

// The kernel's answer about a route through the interface; `flags` of rtmsg.
std::optional<Route> ask_route(NetlinkSocket& socket, const IpAddress& destination, const IpAddress& source, uint32_t interface_index, uint32_t flags) {
  NetlinkRequest<rtmsg> request(RTM_GETROUTE, NLM_F_REQUEST);
  request.body().rtm_flags = flags;
  request.body().rtm_family = destination.family == 4 ? AF_INET : AF_INET6;
  request.body().rtm_dst_len = static_cast<uint8_t>(destination.length() * 8);
  request.body().rtm_src_len = static_cast<uint8_t>(source.length() * 8);
  request.attribute(RTA_DST, destination.bytes, destination.length());
  request.attribute(RTA_SRC, source.bytes, source.length());
  request.attribute(RTA_OIF, &interface_index, sizeof interface_index);
  for (const auto& answer : socket.ask(request.bytes())) {
    NetlinkMessage message(answer);
    if (message.header.nlmsg_type != RTM_NEWROUTE) continue;
    rtmsg body;
    if (!message.body(body) || body.rtm_type != RTN_UNICAST) continue;
    Route route{interface_index, destination};
    for (auto attribute : message.attributes<rtmsg>()) {
      if (attribute.type == RTA_OIF && attribute.data.size() == 4) std::memcpy(&route.interface_index, attribute.data.data(), 4);
      if (attribute.type == RTA_GATEWAY && attribute.data.size() == destination.length()) {
        std::memcpy(route.next_hop.bytes, attribute.data.data(), attribute.data.size());
      }
    }
    return route;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Route> find_route(NetlinkSocket& socket, const IpAddress& destination, const IpAddress& source,
                                uint32_t interface_index) {
  const auto route = ask_route(socket, destination, source, interface_index, 0);
  // Asked about an interface, IPv4 takes what no route leads to as on its link; only the routing table itself tells that apart.
  const bool may_be_assumed = route && destination.family == 4 && route->next_hop == destination;
  if (may_be_assumed && !ask_route(socket, destination, source, interface_index, RTM_F_FIB_MATCH)) return std::nullopt;
  return route;
}

}  // namespace sallyport::drivers
