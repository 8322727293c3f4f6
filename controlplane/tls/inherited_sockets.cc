// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/inherited_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace sallyport::tls {

InheritedSockets& InheritedSockets::instance() {
  static InheritedSockets only;
  return only;
}

void InheritedSockets::add(const std::vector<int>& descriptors) {
  for (const int fd : descriptors) {
    int type = 0;
    socklen_t length = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
      ::close(fd);
      continue;
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    sockets_.push_back({fd, type, SocketAddress::local_of(fd)});
  }
}

int InheritedSockets::take(int type, const SocketAddress& address) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(), [&](const Socket& socket) { return socket.type == type && socket.address == address; });
  if (found == sockets_.end()) return -1;
  const int fd = found->fd;
  sockets_.erase(found);
  return fd;
}

size_t InheritedSockets::close_rest() {
  for (const Socket& socket : sockets_) ::close(socket.fd);
  const size_t closed = sockets_.size();
  sockets_.clear();
  return closed;
}

}  // namespace sallyport::tls
