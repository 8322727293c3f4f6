// SPDX-License-Identifier: Apache-2.0
#pragma once
// connect(): TCP connect, then the TLS client handshake with SNI and SAN check, each against its deadline.
// A failure names the layer that failed and why, in words an operator can act on. Runs on the engine's thread; cancellable.
// Never retries and never resolves names: dial.h does both.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/tls/stream.h"
#include "controlplane/tls/stream_engine.h"
#include "controlplane/tls/tls_policy.h"

namespace sallyport::tls {

enum class ConnectStage : uint8_t { resolving, tcp, tls, established };
const char* name_of(ConnectStage stage);

enum class ConnectReason : uint8_t { resolve_failed, local_address, refused, timed_out, unreachable, cancelled, exhausted, handshake };

struct ConnectFailure {
  ConnectStage stage = ConnectStage::tcp;  // the layer that failed
  ConnectReason reason = ConnectReason::refused;
  std::string text;    // "TCP connection to 192.0.2.1:7001 was refused"
  std::string remedy;
  std::optional<HandshakeFailure> handshake;  // stage tls: reason, alert, certificate with issuer, serial and names

  Fault fault() const;
};

struct ConnectOptions {
  SocketAddress remote;
  SocketAddress local;          // unset: the kernel chooses
  uint16_t local_port_low = 0;  // range to bind from, such as 25000 to 29999; 0: ephemeral
  uint16_t local_port_high = 0;
  std::chrono::milliseconds connect_deadline{5000};
  std::chrono::milliseconds handshake_deadline{10000};
  std::shared_ptr<TlsPolicy> tls;       // none: plain
  std::string sni;                      // host name dialled
  std::vector<std::string> peer_names;  // one must be in the SAN; empty: sni, else the remote IP
  StreamLimits stream_limits;
  std::function<void(ConnectStage)> progress;
  std::function<bool(const SocketAddress&)> admits;  // dial(): whether a name may lead to that address; none: to any
};

struct ConnectResult {
  StreamPtr stream;  // set, or failure is
  std::optional<ConnectFailure> failure;
  explicit operator bool() const { return stream != nullptr; }
};

// Pass options as a variable: GCC 12 copies a braced temporary inside a co_await expression bit by bit.
boost::asio::awaitable<ConnectResult> connect(StreamEngine& engine, ConnectOptions options);

}  // namespace sallyport::tls
