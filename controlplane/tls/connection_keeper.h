// SPDX-License-Identifier: Apache-2.0
#pragma once
// ConnectionKeeper: lets TLS connections outlive the exec() of their process. OpenSSL's state cannot be handed to another program, so
// a process of its own keeps it and carries the plain bytes between each connection and a local socket, which the successor serves as
// if it were the connection. It ends with the last connection, and at once when the successor does. One thread.

#include <memory>
#include <vector>

#include "controlplane/tls/stream.h"

namespace sallyport::tls {

class ConnectionKeeper {
 public:
  ConnectionKeeper();
  ~ConnectionKeeper();
  ConnectionKeeper(const ConnectionKeeper&) = delete;
  ConnectionKeeper& operator=(const ConnectionKeeper&) = delete;

  // The successor's end, the caller's to leave open over exec(); -1: no descriptors are left, and the connection is closed.
  int keep(Stream::Detached connection);
  size_t size() const { return lines_.size(); }
  // Makes the process that carries. It is nobody's child to wait for, and holds no descriptor but those of its connections.
  Outcome<> start();

 private:
  struct Line;
  [[noreturn]] void carry();
  void serve(Line& line, uint32_t events, bool is_wire);
  std::vector<std::unique_ptr<Line>> lines_;
};

}  // namespace sallyport::tls
