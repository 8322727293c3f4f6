// SPDX-License-Identifier: Apache-2.0
#include "perf/tls_load.h"

#include <arpa/inet.h>
#include <csignal>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace sallyport::perf {

TlsLoad::TlsLoad(int connections, int message_bytes) {
  int down[2], up[2];
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(down[1]);
    close(up[0]);
    child(down[0], up[1], connections, message_bytes);
  }
  close(down[0]);
  close(up[1]);
  to_child_ = down[1];
  from_child_ = up[0];
}

TlsLoad::~TlsLoad() {
  close(to_child_);
  close(from_child_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void TlsLoad::connect_to(uint16_t port) {
  if (write(to_child_, &port, sizeof port) != sizeof port) throw std::runtime_error("load: write");
}

bool TlsLoad::wait_established() {
  char ready = 0;
  return read(from_child_, &ready, 1) == 1 && ready == 'y';
}

void TlsLoad::child(int in_fd, int out_fd, int connections, int message_bytes) {
  uint16_t port = 0;
  if (read(in_fd, &port, sizeof port) != sizeof port) _exit(0);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  std::vector<SSL*> sessions;
  for (int i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || SSL_connect(ssl) != 1) _exit(1);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event readable{EPOLLIN, {.ptr = ssl}};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &readable);
    sessions.push_back(ssl);
  }
  const std::string message(static_cast<size_t>(message_bytes), 'm');
  // The ticket of TLS 1.3 comes with the first read; an idle client reads it too, as phones do.
  if (write(out_fd, "y", 1) != 1) _exit(1);
  for (SSL* ssl : sessions) {
    if (message_bytes > 0 && SSL_write(ssl, message.data(), message_bytes) != message_bytes) _exit(1);
  }
  char buffer[16384];
  epoll_event events[512];
  for (;;) {
    const int count = epoll_wait(epoll_fd, events, 512, -1);
    for (int i = 0; i < count; ++i) {
      SSL* ssl = static_cast<SSL*>(events[i].data.ptr);
      ERR_clear_error();
      const int bytes = SSL_read(ssl, buffer, sizeof buffer);
      if (bytes <= 0) {
        if (SSL_get_error(ssl, bytes) != SSL_ERROR_WANT_READ) _exit(1);
        continue;
      }
      if (message_bytes > 0 && SSL_write(ssl, message.data(), message_bytes) != message_bytes) _exit(1);
    }
  }
}

}  // namespace sallyport::perf
