// SPDX-License-Identifier: Apache-2.0
#pragma once
// LoadConnection: one non-blocking TLS connection of a load program: cuts SIP messages out of what it reads, and gathers what is
// sent in one round of the loop into one record and one system call. LoadLoop owns the connections and their epoll descriptor.
// One thread. A load program ends at the first thing that goes wrong: a figure over broken connections would be worth nothing.

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/framer.h"

namespace sallyport::perf {

class LoadLoop;

class LoadConnection {
 public:
  LoadConnection(LoadLoop& loop, SSL_CTX* context, int fd, uint32_t number, bool is_accepted);
  ~LoadConnection();
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  void send(std::string_view text);  // goes out at the end of the round
  bool is_established() const { return established_; }
  uint32_t number() const { return number_; }
  uint16_t local_port() const;

 private:
  friend class LoadLoop;
  void on_event();
  void read();
  void flush();

  LoadLoop& loop_;
  SSL* ssl_;
  int fd_;
  uint32_t number_;
  bool established_ = false, dirty_ = false, wants_write_ = false;
  sip::Framer framer_;
  std::string out_;
  size_t out_sent_ = 0;
};

// What a load program does with its connections.
class LoadProgram {
 public:
  virtual ~LoadProgram() = default;
  virtual void on_established(LoadConnection& connection) = 0;
  virtual void on_message(LoadConnection& connection, std::string_view text) = 0;
};

class LoadLoop {
 public:
  explicit LoadLoop(LoadProgram& program);
  ~LoadLoop();

  // "127.0.0.1", port. PEM files; without a certificate the client shows none.
  void listen_at(const std::string& ip, uint16_t port, const std::string& certificate, const std::string& key);
  LoadConnection& connect_to(const std::string& ip, uint16_t port, const std::string& certificate, const std::string& key);
  // One round: waits for events at most so long, reacts, sends. -1: without end.
  void turn(int64_t wait_us);
  const std::vector<std::unique_ptr<LoadConnection>>& connections() const { return connections_; }

 private:
  friend class LoadConnection;
  void accept_all();
  void add(int fd, SSL_CTX* context, bool is_accepted);
  void watch(LoadConnection& connection, bool for_writing, bool is_new);

  LoadProgram& program_;
  int epoll_fd_, listen_fd_ = -1;
  SSL_CTX* server_ = nullptr;
  SSL_CTX* client_ = nullptr;
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::vector<LoadConnection*> dirty_;
};

// Says what failed on standard error and ends the process.
[[noreturn]] void give_up(const std::string& what);

}  // namespace sallyport::perf
