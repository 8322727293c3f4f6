// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "perf/load_transport.h"

namespace sallyport::perf {
namespace {

constexpr uint32_t packet_room = 2048;
constexpr int socket_buffer_bytes = 8 << 20;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "packet_load: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

sockaddr_in address_of(const std::string& ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) != 1) fail("\"" + ip + "\" is no IPv4 address");
  return address;
}

int open_socket(const std::string& ip, uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const sockaddr_in address = address_of(ip, port);
  if (descriptor < 0 || bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("UDP port " + std::to_string(port) + " of " + ip);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  return descriptor;
}

class SocketLoad : public LoadTransport {
 public:
  SocketLoad(const std::string& ip, uint16_t send_port, uint16_t receive_port, const LoadFlows& flows)
      : sends_(open_socket(ip, send_port)), receives_(open_socket(ip, receive_port)) {
    for (uint32_t flow = 0; flow < flows.count(); ++flow) {
      char text[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, flows.destination(flow).ip, text, sizeof text);
      destinations_.push_back(address_of(text, flows.destination(flow).port));
    }
  }
  ~SocketLoad() override {
    close(sends_);
    close(receives_);
  }

  void lend(std::span<LoadPacket> packets, uint32_t bytes) override {
    if (bytes + LoadFlows::tailroom_bytes > packet_room) std::abort();
    for (size_t i = 0; i < packets.size(); ++i) packets[i].rtp = lent_[i];
  }

  uint32_t send(std::span<LoadPacket> packets) override {
    mmsghdr messages[load_burst]{};
    iovec parts[load_burst];
    for (size_t i = 0; i < packets.size(); ++i) {
      parts[i] = {packets[i].rtp, packets[i].bytes};
      messages[i].msg_hdr = {&destinations_[packets[i].flow], sizeof(sockaddr_in), &parts[i], 1, nullptr, 0, 0};
    }
    const int sent = sendmmsg(sends_, messages, static_cast<unsigned>(packets.size()), 0);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED) fail("sending");
    return sent < 0 ? 0 : static_cast<uint32_t>(sent);
  }

  std::span<LoadPacket> receive() override {
    mmsghdr messages[load_burst]{};
    iovec parts[load_burst];
    for (uint32_t i = 0; i < load_burst; ++i) {
      parts[i] = {received_[i], packet_room};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = recvmmsg(receives_, messages, load_burst, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < count; ++i) packets_[i] = {received_[i], messages[i].msg_len, 0};
    return {packets_, count < 0 ? 0 : static_cast<size_t>(count)};
  }

 private:
  const int sends_, receives_;
  std::vector<sockaddr_in> destinations_;
  LoadPacket packets_[load_burst];
  alignas(64) uint8_t lent_[load_burst][packet_room];
  alignas(64) uint8_t received_[load_burst][packet_room];
};

}  // namespace

std::unique_ptr<LoadTransport> open_socket_load(const std::string& ip, uint16_t send_port, uint16_t receive_port, const LoadFlows& flows) {
  return std::make_unique<SocketLoad>(ip, send_port, receive_port, flows);
}

}  // namespace sallyport::perf
