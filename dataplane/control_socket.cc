// SPDX-License-Identifier: Apache-2.0
#include "dataplane/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sallyport::dataplane {

namespace {

constexpr size_t descriptors_passed = 3;

// Takes at most one descriptor; closes any other the peer may have sent.
int take_descriptor(msghdr& message) {
  int taken = -1;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(control) + i * sizeof descriptor, sizeof descriptor);
      if (taken < 0) {
        taken = descriptor;
      } else {
        close(descriptor);
      }
    }
  }
  return taken;
}

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) close(descriptor);
  descriptor = -1;
}

bool is_somebody_listening(const sockaddr_un& address) {
  const int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool answered = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return answered;
}

}  // namespace

Outcome<std::unique_ptr<ControlSocket>> ControlSocket::listen(const std::string& path, Greet greet) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const Fault fault{FaultCode::refused, "socket " + path, "", "create its directory and let the service user write there"};
  if (path.size() >= sizeof address.sun_path) return Fault{FaultCode::invalid, fault.subject, "the path is too long", "shorten it"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (is_somebody_listening(address)) {
    return Fault{FaultCode::conflict, fault.subject, "another dataplane answers on it", "stop it first"};
  }
  unlink(path.c_str());
  const int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // Whoever reaches this socket gets the media keys of every call: owner only.
  const mode_t before = umask(0177);
  const bool bound = descriptor >= 0 && bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  umask(before);
  if (!bound || ::listen(descriptor, 4) != 0) {
    const std::string cause = std::strerror(errno);
    if (descriptor >= 0) close(descriptor);
    return Fault{fault.code, fault.subject, cause, fault.remedy};
  }
  return std::unique_ptr<ControlSocket>(new ControlSocket(descriptor, path, std::move(greet)));
}

ControlSocket::~ControlSocket() {
  close_descriptor(peer_);
  close_descriptor(waiting_);
  close(listen_);
  unlink(path_.c_str());
}

void ControlSocket::accept_peer() {
  const int descriptor = accept4(listen_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (descriptor < 0) return;
  close_descriptor(waiting_);
  waiting_ = descriptor;
}

void ControlSocket::serve_waiting() {
  bool greeted = false;
  if (!serve(waiting_, greeted)) return close_descriptor(waiting_);
  if (!greeted) return;
  close_descriptor(peer_);
  peer_ = waiting_;
  waiting_ = -1;
}

void ControlSocket::serve_peer() {
  bool greeted = false;
  if (!serve(peer_, greeted)) close_descriptor(peer_);
}

bool ControlSocket::serve(int descriptor, bool& greeted) {
  abi::Hello hello;
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
  iovec part{&hello, sizeof hello};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t length = recvmsg(descriptor, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (length <= 0) return false;
  const int offered = take_descriptor(message);
  greeted = length == sizeof hello && hello.magic == abi::region_magic && hello.version == abi::abi_version &&
            answer(descriptor, hello.region_offered != 0 ? offered : -1);
  if (offered >= 0) close(offered);
  return greeted;
}

bool ControlSocket::answer(int descriptor, int offered) {
  Descriptors passed;
  abi::Welcome welcome = greet_(offered, passed);
  const int descriptors[descriptors_passed] = {passed.region, passed.wake, passed.notify};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {};
  iovec part{&welcome, sizeof welcome};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  return sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(sizeof welcome);
}

}  // namespace sallyport::dataplane
