// SPDX-License-Identifier: Apache-2.0
#include "drivers/neighbour.h"

#include <linux/neighbour.h>
#include <sys/socket.h>

#include <algorithm>

namespace sallyport::drivers {

namespace {

NeighbourState judge(uint16_t state) {
  if (state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP | NUD_DELAY | NUD_PROBE)) return NeighbourState::usable;
  // A stale address is the best we have; using it while the kernel confirms it is what the kernel itself does.
  if (state & NUD_STALE) return NeighbourState::stale;
  if (state & NUD_FAILED) return NeighbourState::failed;
  return NeighbourState::absent;
}

}  // namespace

std::optional<Neighbour> read_neighbour(const NetlinkMessage& message) {
  ndmsg body;
  if (message.header.nlmsg_type != RTM_NEWNEIGH && message.header.nlmsg_type != RTM_DELNEIGH) return std::nullopt;
  if (!message.body(body) || (body.ndm_family != AF_INET && body.ndm_family != AF_INET6)) return std::nullopt;
  Neighbour neighbour;
  neighbour.interface_index = static_cast<uint32_t>(body.ndm_ifindex);
  neighbour.ip.family = body.ndm_family == AF_INET ? 4 : 6;
  bool has_mac = false;
  for (auto attribute : message.attributes<ndmsg>()) {
    if (attribute.type == NDA_DST && attribute.data.size() == neighbour.ip.length()) {
      std::copy(attribute.data.begin(), attribute.data.end(), neighbour.ip.bytes);
    }
    if (attribute.type == NDA_LLADDR && attribute.data.size() == 6) {
      std::copy(attribute.data.begin(), attribute.data.end(), neighbour.mac.begin());
      has_mac = true;
    }
  }
  neighbour.state = message.header.nlmsg_type == RTM_DELNEIGH ? NeighbourState::absent : judge(body.ndm_state);
  if (!has_mac && neighbour.state != NeighbourState::failed) neighbour.state = NeighbourState::absent;
  return neighbour;
}

Neighbour find_neighbour(NetlinkSocket& socket, const IpAddress& ip, uint32_t interface_index) {
  NetlinkRequest<ndmsg> request(RTM_GETNEIGH, NLM_F_REQUEST);
  request.body().ndm_family = ip.family == 4 ? AF_INET : AF_INET6;
  request.body().ndm_ifindex = static_cast<int>(interface_index);
  request.attribute(NDA_DST, ip.bytes, ip.length());
  for (const auto& answer : socket.ask(request.bytes())) {
    const auto neighbour = read_neighbour(NetlinkMessage(answer));
    if (neighbour && neighbour->ip == ip && neighbour->interface_index == interface_index) return *neighbour;
  }
  return Neighbour{interface_index, ip, {}, NeighbourState::absent};
}

void probe_neighbour(NetlinkSocket& socket, const IpAddress& ip, uint32_t interface_index) {
  NetlinkRequest<ndmsg> request(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
  request.body().ndm_family = ip.family == 4 ? AF_INET : AF_INET6;
  request.body().ndm_ifindex = static_cast<int>(interface_index);
  request.body().ndm_state = NUD_NONE;
  request.body().ndm_flags = NTF_USE;
  request.attribute(NDA_DST, ip.bytes, ip.length());
  socket.ask(request.bytes());
}

}  // namespace sallyport::drivers
