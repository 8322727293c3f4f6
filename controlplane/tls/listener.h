// SPDX-License-Identifier: Apache-2.0
#pragma once
// Listener: accepts TCP (or Unix) connections on one address, admits them by SourceLimits, runs the TLS handshake against a deadline
// and hands each established Stream to on_stream. Refused connections are closed at once and counted; nothing is logged here.
// Lives on its engine's thread and must go before the engine; destroying it stops accepting and aborts handshakes, established streams live on.

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/tls/source_limits.h"
#include "controlplane/tls/stream.h"
#include "controlplane/tls/stream_engine.h"
#include "controlplane/tls/tls_policy.h"

namespace sallyport::tls {

inline constexpr std::chrono::milliseconds start_patience{5000};  // of a node's start, for the sockets of a killed one to go

struct ListenerOptions {
  std::string name;              // "sip-tls outside"; used in faults
  SocketAddress address;         // port 0: the kernel chooses, see Listener::address()
  bool freebind = false;         // the address may appear later
  bool reuse_port = false;       // several threads listen on one port
  std::chrono::milliseconds bind_patience{0};  // a port that is taken may come free so long; blocks the thread: for a start only
  int backlog = 1024;
  std::shared_ptr<TlsPolicy> tls;  // none: plain
  std::chrono::milliseconds handshake_deadline{10000};
  std::chrono::milliseconds idle_deadline{0};  // set on each stream; 0: none
  uint32_t handshakes_at_once = 2048;
  StreamLimits stream_limits;
  std::shared_ptr<SourceLimits> limits;  // none: unlimited by source
};

struct ListenerCounters {
  uint64_t accepted = 0, established = 0, handshakes_exhausted = 0, engine_full = 0, challenges_answered = 0;
  std::array<uint64_t, admissions> admission{};                // index: Admission
  std::array<uint64_t, handshake_reasons> handshake_failed{};  // index: HandshakeReason
};

class Listener {
 public:
  using OnStream = std::function<void(StreamPtr)>;
  // For counters with detail and a rate-limited log; the stream is already closed.
  using OnFailure = std::function<void(const SocketAddress& source, const HandshakeFailure&)>;

  static Outcome<std::unique_ptr<Listener>> open(StreamEngine& engine, ListenerOptions options, OnStream on_stream, OnFailure on_failure = {});
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const SocketAddress& address() const;  // with the port the kernel chose
  const ListenerCounters& counters() const;
  uint32_t handshakes_running() const;
  // Handshakes from now on use the new policy (null: plain).
  void set_tls(std::shared_ptr<TlsPolicy> policy);
  void stop_accepting();
  // Stops accepting and leaves the socket open for whoever listens next: what connects meanwhile waits in its queue. -1: it was stopped.
  int release_socket();

 private:
  struct State;
  explicit Listener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::tls
