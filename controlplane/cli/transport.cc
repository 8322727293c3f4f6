// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/transport.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::cli {
namespace {

class LocalTransport final : public Transport {
 public:
  explicit LocalTransport(const std::string& path) : Transport("socket " + path), path_(path) {}
  ~LocalTransport() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  Outcome<> open(std::uint32_t patience_s) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return fault("is longer than 107 characters", "name the socket of [api] in the node file");
    std::memcpy(address.sun_path, path_.data(), path_.size());
    descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor_ < 0) return fault(std::strerror(errno), "");
    timeval patience{static_cast<time_t>(patience_s), 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return Done{};
    switch (errno) {
      case ENOENT: return fault("there is no such socket, so the control plane does not run", "start it (systemctl start sallyport-controlplane@NODE), or name its socket with --socket");
      case ECONNREFUSED: return fault("nobody answers, so the control plane does not run any more", "start it: systemctl start sallyport-controlplane@NODE");
      case EACCES: return fault("you may not open it", "use sudo, or become a member of the group that owns it");
      default: return fault(std::strerror(errno), "look at the control plane's log");
    }
  }

  Outcome<> send(std::string_view bytes) override {
    while (!bytes.empty()) {
      ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      // The node may refuse early, for example a document that is too large: what it answered counts.
      if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return Done{};
      if (sent < 0) return fault(std::strerror(errno), "look at the control plane's log");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return Done{};
  }

  Outcome<bool> receive() override {
    char chunk[16384];
    for (;;) {
      ssize_t received = ::recv(descriptor_, chunk, sizeof chunk, 0);
      if (received < 0 && errno == EINTR) continue;
      if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return fault("the control plane did not answer in time", "look at its log: journalctl -u sallyport-controlplane@NODE");
      if (received < 0 && errno != ECONNRESET) return fault(std::strerror(errno), "look at the control plane's log");
      if (received <= 0) return false;
      buffer.append(chunk, static_cast<std::size_t>(received));
      return true;
    }
  }

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace

Outcome<std::unique_ptr<Transport>> open_local_transport(const std::string& socket_path, std::uint32_t patience_s) {
  auto made = std::make_unique<LocalTransport>(socket_path);
  if (auto opened = made->open(patience_s); !opened) return opened.fault();
  return std::unique_ptr<Transport>(std::move(made));
}

}  // namespace sallyport::cli
