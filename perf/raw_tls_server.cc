// SPDX-License-Identifier: Apache-2.0
#include "perf/raw_tls_server.h"

#include <arpa/inet.h>
#include <csignal>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace sallyport::perf {

struct RawTlsServer::Connection {
  int fd;
  SSL* ssl;
  bool established = false;
};

RawTlsServer::RawTlsServer(const std::string& certificate_path, const std::string& key_path, bool keep_buffers) {
  signal(SIGPIPE, SIG_IGN);
  context_ = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
  SSL_CTX_set_options(context_, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(context_, 1);
  if (!keep_buffers) SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_use_certificate_chain_file(context_, certificate_path.c_str()) != 1 || SSL_CTX_use_PrivateKey_file(context_, key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("raw server: certificate");
  }
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listen_fd_, 4096) != 0) throw std::runtime_error("raw server: listen");
  getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event listening{EPOLLIN, {.ptr = this}}, stopping{EPOLLIN, {.ptr = nullptr}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listen_fd_, &listening);
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, stop_fd_, &stopping);
}

RawTlsServer::~RawTlsServer() {
  while (!connections_.empty()) drop(*connections_.begin());
  close(listen_fd_);
  close(epoll_fd_);
  close(stop_fd_);
  SSL_CTX_free(context_);
}

void RawTlsServer::stop() {
  const uint64_t one = 1;
  if (write(stop_fd_, &one, sizeof one) < 0) std::terminate();
}

void RawTlsServer::accept_some() {
  for (;;) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto* connection = new Connection{fd, SSL_new(context_)};
    connections_.insert(connection);
    SSL_set_fd(connection->ssl, fd);
    SSL_set_accept_state(connection->ssl);
    epoll_event readable{EPOLLIN, {.ptr = connection}};
    epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &readable);
  }
}

void RawTlsServer::drop(Connection* connection) {
  connections_.erase(connection);
  SSL_free(connection->ssl);
  close(connection->fd);
  delete connection;
}

void RawTlsServer::serve(Connection* connection) {
  char buffer[16384];
  ERR_clear_error();
  if (!connection->established) {
    const int result = SSL_do_handshake(connection->ssl);
    if (result != 1) {
      if (SSL_get_error(connection->ssl, result) != SSL_ERROR_WANT_READ) drop(connection);
      return;
    }
    connection->established = true;
    established_.fetch_add(1, std::memory_order_relaxed);
  }
  for (;;) {
    const int bytes = SSL_read(connection->ssl, buffer, sizeof buffer);
    if (bytes <= 0) {
      if (SSL_get_error(connection->ssl, bytes) != SSL_ERROR_WANT_READ) drop(connection);
      return;
    }
    if (SSL_write(connection->ssl, buffer, bytes) != bytes) return drop(connection);
    echoes_.fetch_add(1, std::memory_order_relaxed);
    if (SSL_pending(connection->ssl) == 0 && bytes < static_cast<int>(sizeof buffer)) return;  // level-triggered: epoll tells us again
  }
}

void RawTlsServer::run() {
  epoll_event events[512];
  for (;;) {
    const int count = epoll_wait(epoll_fd_, events, 512, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) return;
      if (events[i].data.ptr == this) accept_some();
      else serve(static_cast<Connection*>(events[i].data.ptr));
    }
  }
}

}  // namespace sallyport::perf
