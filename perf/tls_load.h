// SPDX-License-Identifier: Apache-2.0
#pragma once
// TlsLoad: a child process that opens TLS connections to a port on 127.0.0.1, and either keeps one message of 500 bytes in flight
// on each, or leaves them idle. A process of its own, so that its memory and CPU time are not the server's.

#include <sys/types.h>

#include <cstdint>

namespace sallyport::perf {

class TlsLoad {
 public:
  // Forks; call before threads exist. message_bytes 0: idle connections.
  TlsLoad(int connections, int message_bytes);
  ~TlsLoad();  // ends the child
  void connect_to(uint16_t port);  // begins
  // Blocks until every connection is established; false: the child failed.
  bool wait_established();

 private:
  [[noreturn]] static void child(int in_fd, int out_fd, int connections, int message_bytes);
  pid_t pid_ = -1;
  int to_child_ = -1, from_child_ = -1;
};

}  // namespace sallyport::perf
