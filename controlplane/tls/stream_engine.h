// SPDX-License-Identifier: Apache-2.0
#pragma once
// StreamEngine: moves the bytes of all Streams of one thread, on io_uring (multishot accept and receive, provided buffers), or on
// Asio's epoll reactor where io_uring is denied. Create it on an io_context that one thread runs; use it on that thread only.
// Destroying it closes every Stream, whose pending operations end with a Fault once the io_context runs; never destroy it from code
// that a Stream operation resumed.
// Cost: about 2.3 MB for buffers, then below 18 kB an idle TLS stream.

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/tls/stream.h"
#include "dataplane/abi/fault.h"

namespace sallyport::tls {

enum class EngineBackend : uint8_t { automatic, io_uring, epoll };

struct EngineOptions {
  EngineBackend backend = EngineBackend::automatic;  // automatic: io_uring, else epoll
  uint32_t ring_entries = 1024;
  uint32_t receive_buffers = 256;        // power of two
  uint32_t receive_buffer_bytes = 8192;
  uint32_t max_streams = 65536;
};

struct EngineCounters {
  uint64_t accepted = 0, connected = 0, closed = 0;
  uint64_t received_bytes = 0, sent_bytes = 0;  // on the wire
  uint64_t receives = 0, sends = 0, turns = 0;
  uint64_t buffers_exhausted = 0, receive_paused = 0, queue_full = 0, idle_closed = 0, accept_failed = 0;
};

class EngineCore;

class StreamEngine {
 public:
  static Outcome<std::unique_ptr<StreamEngine>> create(boost::asio::io_context& context, EngineOptions options = {});
  ~StreamEngine();
  StreamEngine(const StreamEngine&) = delete;
  StreamEngine& operator=(const StreamEngine&) = delete;

  EngineBackend backend() const;  // io_uring or epoll
  // Why automatic took epoll; empty otherwise.
  const std::string& fallback_reason() const;
  boost::asio::io_context& context() const;
  size_t open_streams() const;
  const EngineCounters& counters() const;

  // Takes over a connected stream socket (TCP or AF_UNIX); made non-blocking, closed by the engine. Fault: exhausted.
  Outcome<StreamPtr> adopt(int connected_fd);
  // For the files of this folder.
  EngineCore& core() { return *core_; }

 private:
  explicit StreamEngine(std::unique_ptr<EngineCore> core);
  std::unique_ptr<EngineCore> core_;
};

}  // namespace sallyport::tls
