// SPDX-License-Identifier: Apache-2.0
#pragma once
// RawTlsServer: the baseline beside Stream: one epoll loop, OpenSSL on its socket BIO, nothing else. Echoes what it reads.
// run() blocks until stop() (any thread); thread_cpu_s() is the CPU time of that thread so far. keep_buffers: OpenSSL keeps its
// record buffers between records (fastest), else it releases them (as nginx does).

#include <openssl/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_set>

namespace sallyport::perf {

class RawTlsServer {
 public:
  RawTlsServer(const std::string& certificate_path, const std::string& key_path, bool keep_buffers);
  ~RawTlsServer();
  uint16_t port() const { return port_; }
  void run();
  void stop();
  uint64_t echoes() const { return echoes_.load(std::memory_order_relaxed); }
  uint64_t established() const { return established_.load(std::memory_order_relaxed); }

 private:
  struct Connection;
  void accept_some();
  void serve(Connection* connection);
  void drop(Connection* connection);

  SSL_CTX* context_ = nullptr;
  int listen_fd_ = -1, epoll_fd_ = -1, stop_fd_ = -1;
  uint16_t port_ = 0;
  std::unordered_set<Connection*> connections_;
  std::atomic<uint64_t> echoes_{0}, established_{0};
};

}  // namespace sallyport::perf
