// SPDX-License-Identifier: Apache-2.0
#include "perf/load_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sallyport::perf {

namespace {

sockaddr_in address_of(const std::string& ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) != 1) give_up(ip + " is no IPv4 address");
  return address;
}

SSL_CTX* make_context(const SSL_METHOD* method, const std::string& certificate, const std::string& key) {
  SSL_CTX* context = SSL_CTX_new(method);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (certificate.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1 || SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    give_up(certificate + " cannot be used");
  return context;
}

}  // namespace

void give_up(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  _exit(1);
}

LoadConnection::LoadConnection(LoadLoop& loop, SSL_CTX* context, int fd, uint32_t number, bool is_accepted)
    : loop_(loop), ssl_(SSL_new(context)), fd_(fd), number_(number), framer_(is_accepted ? sip::Framer::Side::accepted : sip::Framer::Side::dialled) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SSL_set_fd(ssl_, fd);
  if (is_accepted) SSL_set_accept_state(ssl_);
  else SSL_set_connect_state(ssl_);
}

LoadConnection::~LoadConnection() {
  SSL_free(ssl_);
  close(fd_);
}

uint16_t LoadConnection::local_port() const {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

void LoadConnection::send(std::string_view text) {
  out_.append(text);
  if (dirty_) return;
  dirty_ = true;
  loop_.dirty_.push_back(this);
}

void LoadConnection::on_event() {
  ERR_clear_error();
  if (!established_) {
    const int result = SSL_do_handshake(ssl_);
    if (result != 1) {
      const int error = SSL_get_error(ssl_, result);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        const char* reason = ERR_reason_error_string(ERR_peek_error());
        give_up("connection " + std::to_string(number_) + ": TLS handshake failed: " + (reason != nullptr ? reason : std::strerror(errno)));
      }
      return loop_.watch(*this, error == SSL_ERROR_WANT_WRITE, false);
    }
    established_ = true;
    loop_.watch(*this, false, false);
    loop_.program_.on_established(*this);
  }
  read();
  if (wants_write_) flush();
}

void LoadConnection::read() {
  char buffer[65536];
  for (;;) {
    size_t bytes = 0;
    const int result = SSL_read_ex(ssl_, buffer, sizeof buffer, &bytes);
    if (result != 1) {
      if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return;
      give_up("connection " + std::to_string(number_) + " was closed by the other side");
    }
    framer_.feed({buffer, bytes});
    std::string_view text;
    for (auto event = framer_.next(text); event != sip::Framer::Event::need_more; event = framer_.next(text)) {
      if (event == sip::Framer::Event::refused) give_up("connection " + std::to_string(number_) + " got bytes that are no SIP");
      if (event == sip::Framer::Event::message) loop_.program_.on_message(*this, text);
    }
  }
}

void LoadConnection::flush() {
  dirty_ = false;
  while (out_sent_ < out_.size()) {
    size_t bytes = 0;
    const int result = SSL_write_ex(ssl_, out_.data() + out_sent_, out_.size() - out_sent_, &bytes);
    if (result != 1) {
      if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_WRITE) give_up("connection " + std::to_string(number_) + " cannot be written to");
      if (!wants_write_) loop_.watch(*this, true, false);
      return;
    }
    out_sent_ += bytes;
  }
  out_.clear();
  out_sent_ = 0;
  if (wants_write_) loop_.watch(*this, false, false);
}

LoadLoop::LoadLoop(LoadProgram& program) : program_(program), epoll_fd_(epoll_create1(EPOLL_CLOEXEC)) {}

LoadLoop::~LoadLoop() {
  connections_.clear();
  SSL_CTX_free(server_);
  SSL_CTX_free(client_);
  if (listen_fd_ >= 0) close(listen_fd_);
  close(epoll_fd_);
}

void LoadLoop::listen_at(const std::string& ip, uint16_t port, const std::string& certificate, const std::string& key) {
  server_ = make_context(TLS_server_method(), certificate, key);
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = address_of(ip, port);
  if (bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listen_fd_, 1024) != 0)
    give_up(ip + ":" + std::to_string(port) + ": " + std::strerror(errno));
  epoll_event readable{EPOLLIN, {.ptr = nullptr}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listen_fd_, &readable);
}

LoadConnection& LoadLoop::connect_to(const std::string& ip, uint16_t port, const std::string& certificate, const std::string& key) {
  if (client_ == nullptr) client_ = make_context(TLS_client_method(), certificate, key);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = address_of(ip, port);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    give_up(ip + ":" + std::to_string(port) + ": " + std::strerror(errno));
  add(fd, client_, false);
  watch(*connections_.back(), true, false);  // the handshake begins in the next round, when the caller knows the connection
  return *connections_.back();
}

void LoadLoop::add(int fd, SSL_CTX* context, bool is_accepted) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  connections_.push_back(std::make_unique<LoadConnection>(*this, context, fd, static_cast<uint32_t>(connections_.size()), is_accepted));
  watch(*connections_.back(), false, true);
}

void LoadLoop::watch(LoadConnection& connection, bool for_writing, bool is_new) {
  connection.wants_write_ = for_writing;
  epoll_event wanted{EPOLLIN | (for_writing ? static_cast<uint32_t>(EPOLLOUT) : 0u), {.ptr = &connection}};
  epoll_ctl(epoll_fd_, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection.fd_, &wanted);
}

void LoadLoop::accept_all() {
  for (int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC); fd >= 0; fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC)) add(fd, server_, true);
}

void LoadLoop::turn(int64_t wait_us) {
  epoll_event events[256];
  const timespec patience{wait_us / 1'000'000, wait_us % 1'000'000 * 1000};
  const int count = epoll_pwait2(epoll_fd_, events, 256, wait_us < 0 ? nullptr : &patience, nullptr);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.ptr == nullptr) accept_all();
    else static_cast<LoadConnection*>(events[i].data.ptr)->on_event();
  }
  std::vector<LoadConnection*> flushing;
  flushing.swap(dirty_);
  for (LoadConnection* connection : flushing) connection->flush();
}

}  // namespace sallyport::perf
