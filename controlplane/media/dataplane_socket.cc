// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/dataplane_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::media {
namespace {

constexpr size_t welcome_descriptors = 3;

Fault socket_fault(FaultCode code, const std::string& path, const char* cause) {
  return {code, "dataplane socket " + path, cause, "start sallyport-dataplane with the same node file"};
}

// The descriptors of one message; what exceeds them the kernel has closed already (MSG_CTRUNC).
size_t take_descriptors(const msghdr& message, int (&descriptors)[welcome_descriptors]) {
  size_t count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t held = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < held; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      if (count < welcome_descriptors) descriptors[count++] = fd;
      else close(fd);
    }
  }
  return count;
}

}  // namespace

Outcome<int> connect_dataplane(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Fault{FaultCode::invalid, "dataplane socket " + path, "the path is empty or too long for a Unix socket",
                 "shorten run_dir"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return socket_fault(FaultCode::internal, path, std::strerror(errno));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  close(fd);
  if (error == ENOENT) return socket_fault(FaultCode::missing, path, "does not exist: the dataplane is not running");
  if (error == ECONNREFUSED) return socket_fault(FaultCode::refused, path, "nobody listens: the dataplane is not running");
  if (error == EAGAIN) return socket_fault(FaultCode::unreachable, path, "the dataplane accepts no connection");
  return socket_fault(FaultCode::refused, path, std::strerror(error));
}

Outcome<> send_hello(int socket, int region_fd) {
  abi::Hello hello;
  hello.region_offered = region_fd >= 0 ? 1 : 0;
  iovec part{&hello, sizeof hello};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (region_fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &region_fd, sizeof region_fd);
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof hello)) return Done{};
  return Fault{FaultCode::unreachable, "dataplane", std::string("takes no hello: ") + std::strerror(errno), ""};
}

Outcome<std::optional<WelcomeMessage>> receive_welcome(int socket) {
  WelcomeMessage received;
  iovec part{&received.welcome, sizeof received.welcome};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t bytes = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<WelcomeMessage>{};
  if (bytes < 0) return Fault{FaultCode::unreachable, "dataplane", std::strerror(errno), ""};
  int descriptors[welcome_descriptors] = {-1, -1, -1};
  const size_t count = take_descriptors(message, descriptors);
  const bool fits = bytes == static_cast<ssize_t>(sizeof received.welcome) && (message.msg_flags & MSG_TRUNC) == 0 &&
                    count == welcome_descriptors && received.welcome.magic == abi::region_magic &&
                    received.welcome.version == abi::abi_version;
  if (!fits) {
    for (const int fd : descriptors) {
      if (fd >= 0) close(fd);
    }
    if (bytes == 0) return Fault{FaultCode::unreachable, "dataplane", "closed the connection before its welcome", ""};
    return Fault{FaultCode::invalid, "dataplane", "does not speak our ABI version",
                 "install both programs from one version"};
  }
  received.region_fd = descriptors[0];
  received.wake_fd = descriptors[1];
  received.notify_fd = descriptors[2];
  return std::optional<WelcomeMessage>{received};
}

}  // namespace sallyport::media
