// SPDX-License-Identifier: Apache-2.0
#pragma once
// RawClient: bytes to and from the API's sockets, as well-behaved or as odd as a test needs; every read has a deadline of 10 s.

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace sallyport::api {

class RawClient {
 public:
  explicit RawClient(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    open(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  explicit RawClient(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open(AF_INET, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~RawClient() { ::close(descriptor_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool is_connected() const { return connected_; }
  void send(const std::string& bytes) { (void)::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Until the text is there, the peer closes or the deadline passes.
  std::string read_until(const std::string& text) {
    while (received_.find(text) == std::string::npos && read_some()) {
    }
    return received_;
  }
  std::string read_to_end() {
    while (read_some()) {
    }
    return received_;
  }

 private:
  void open(int family, const sockaddr* address, socklen_t length) {
    descriptor_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connected_ = ::connect(descriptor_, address, length) == 0;
  }
  bool read_some() {
    pollfd wait{descriptor_, POLLIN, 0};
    if (::poll(&wait, 1, 10000) != 1) return false;
    char chunk[8192];
    ssize_t count = ::recv(descriptor_, chunk, sizeof chunk, 0);
    if (count <= 0) return false;
    received_.append(chunk, static_cast<std::size_t>(count));
    return true;
  }
  int descriptor_ = -1;
  bool connected_ = false;
  std::string received_;
};

inline std::string get_request(const std::string& target, const std::string& method = "GET") {
  return method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + (method == "POST" ? "Content-Length: 0\r\n" : "") + "\r\n";
}

}  // namespace sallyport::api
