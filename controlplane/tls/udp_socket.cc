// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/udp_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "controlplane/tls/inherited_sockets.h"
#include "controlplane/tls/marking.h"

namespace sallyport::tls {

namespace asio = boost::asio;

struct UdpSocket::State {
  State(asio::io_context& context, int fd) : descriptor(context, fd) {}
  asio::posix::stream_descriptor descriptor;
  SocketAddress local;
  UdpCounters counters;
  std::vector<char> buffer = std::vector<char>(65536);
  bool is_receiving = false;
};

namespace {

Fault udp_fault(const SocketAddress& address, const char* step, int error) {
  const std::string remedy = error == EADDRINUSE ? "stop the process that holds the port (see: ss -lunp)" : error == EADDRNOTAVAIL ? "correct the address, or set freebind" : "";
  return {error == EADDRINUSE ? FaultCode::conflict : FaultCode::invalid, "UDP socket on " + address.text(), std::string(step) + " failed: " + std::strerror(error), remedy};
}

Outcome<int> open_udp(const UdpSocketOptions& options) {
  const SocketAddress& address = options.address;
  const int fd = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return udp_fault(address, "socket()", errno);
  mark_signalling(fd, address.family());
  const int on = 1;
  const int size = static_cast<int>(options.receive_buffer_bytes);
  if (address.is_v6()) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (options.freebind) setsockopt(fd, address.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP, address.is_v6() ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on);
  if (options.reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (::bind(fd, address.kernel(), address.kernel_length()) != 0) {
    const int error = errno;
    ::close(fd);
    return udp_fault(address, "bind()", error);
  }
  return fd;
}

}  // namespace

Outcome<std::unique_ptr<UdpSocket>> UdpSocket::open(asio::io_context& context, UdpSocketOptions options) {
  const SocketAddress& address = options.address;
  if (!address.is_v4() && !address.is_v6()) return Fault{FaultCode::invalid, "UDP socket", "has no IP address", "configure one"};
  const int inherited = InheritedSockets::instance().take(SOCK_DGRAM, address);
  const Outcome<int> fd = inherited >= 0 ? Outcome<int>(inherited) : open_udp(options);
  if (!fd) return fd.fault();
  auto state = std::make_shared<State>(context, *fd);
  state->local = SocketAddress::local_of(*fd);
  return std::unique_ptr<UdpSocket>(new UdpSocket(std::move(state)));
}

UdpSocket::UdpSocket(std::shared_ptr<State> state) : state_(std::move(state)) {}
UdpSocket::~UdpSocket() { close(); }

void UdpSocket::close() {
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
}

int UdpSocket::share_socket() const { return ::fcntl(state_->descriptor.native_handle(), F_DUPFD_CLOEXEC, 0); }

asio::awaitable<Outcome<UdpDatagram>> UdpSocket::receive() {
  const std::shared_ptr<State> state = state_;
  const Fault closed{FaultCode::refused, "UDP socket on " + state->local.text(), "is closed", ""};
  if (state->is_receiving) co_return Fault{FaultCode::conflict, "UDP socket on " + state->local.text(), "another receive() is waiting", ""};
  struct Receiving {
    bool& flag;
    explicit Receiving(bool& of) : flag(of) { flag = true; }
    ~Receiving() { flag = false; }
  } receiving(state->is_receiving);
  while (state->descriptor.is_open()) {
    sockaddr_storage source{};
    iovec piece{state->buffer.data(), state->buffer.size()};
    msghdr message{};
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    const ssize_t bytes = ::recvmsg(state->descriptor.native_handle(), &message, MSG_DONTWAIT);
    if (bytes >= 0) {
      ++state->counters.received;
      if ((message.msg_flags & MSG_TRUNC) != 0) ++state->counters.truncated;
      co_return UdpDatagram{{state->buffer.data(), static_cast<size_t>(bytes)}, SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&source), message.msg_namelen)};
    }
    if (errno != EAGAIN && errno != EINTR) {  // an ICMP error of an earlier datagram: the socket goes on
      ++state->counters.peer_unreachable;
      continue;
    }
    boost::system::error_code error;
    co_await state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
  }
  co_return closed;
}

bool UdpSocket::send_to(std::string_view bytes, const SocketAddress& destination) {
  if (!state_->descriptor.is_open()) return false;
  const ssize_t sent = ::sendto(state_->descriptor.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, destination.kernel(), destination.kernel_length());
  if (sent >= 0) {
    ++state_->counters.sent;
    return true;
  }
  if (errno == EAGAIN || errno == ENOBUFS) ++state_->counters.send_dropped;
  else ++state_->counters.send_failed;
  return false;
}

const SocketAddress& UdpSocket::local_address() const { return state_->local; }
const UdpCounters& UdpSocket::counters() const { return state_->counters; }

}  // namespace sallyport::tls
