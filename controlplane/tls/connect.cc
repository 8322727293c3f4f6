// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/connect.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <random>

#include "controlplane/tls/engine_core.h"
#include "controlplane/tls/marking.h"

namespace sallyport::tls {
namespace {

namespace asio = boost::asio;

// The descriptor until a Stream takes it over.
struct OwnedFd {
  int fd = -1;
  ~OwnedFd() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

ConnectFailure tcp_failure(const ConnectOptions& options, int error) {
  const std::string target = options.remote.is_unix() ? options.remote.text() : "TCP connection to " + options.remote.text();
  ConnectFailure failure;
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
      failure = {ConnectStage::tcp, ConnectReason::refused, "connection refused on " + options.remote.text(), "check the port, and that the service on the peer runs", {}};
      break;
    case ETIMEDOUT:
      failure = {ConnectStage::tcp, ConnectReason::timed_out, "connection timeout on " + options.remote.text() + ": no answer in " + std::to_string(options.connect_deadline.count()) + " ms",
                 "check that the firewall allows it, and that the peer is up", {}};
      break;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
      failure = {ConnectStage::tcp, ConnectReason::local_address, target + " has no local address or port to start from: " + std::strerror(error),
                 "check that an interface has " + (options.local.is_set() ? options.local.ip() : std::string("a fitting address")) + ", and that the port range is not used up", {}};
      break;
    case ECANCELED: failure = {ConnectStage::tcp, ConnectReason::cancelled, target + " was cancelled", "", {}}; break;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: failure = {ConnectStage::tcp, ConnectReason::exhausted, target + " failed: " + std::strerror(error), "raise LimitNOFILE or lower the load", {}}; break;
    default: failure = {ConnectStage::tcp, ConnectReason::unreachable, target + " failed: " + std::strerror(error), "check addresses and routes", {}};
  }
  return failure;
}

ConnectResult failed(ConnectFailure failure) { return {nullptr, std::move(failure)}; }

// One socket, bound as asked, with its connect() begun: 0 or EINPROGRESS, else the errno.
int begin(const ConnectOptions& options, uint16_t local_port, OwnedFd& socket) {
  socket.fd = ::socket(options.remote.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket.fd < 0) return errno;
  mark_signalling(socket.fd, options.remote.family());
  if (options.local.is_set() || local_port != 0) {
    SocketAddress local = options.local;
    if (!local.is_set()) local = *SocketAddress::parse(options.remote.is_v6() ? "::" : "0.0.0.0", 0);
    if (local.family() != options.remote.family()) return EADDRNOTAVAIL;
    const int on = 1;
    setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // a port in TIME_WAIT towards another peer may serve
    if (local_port != 0) local.set_port(local_port);
    if (::bind(socket.fd, local.kernel(), local.kernel_length()) != 0) return errno;
  }
  return ::connect(socket.fd, options.remote.kernel(), options.remote.kernel_length()) == 0 ? 0 : errno;
}

int begin_in_range(const ConnectOptions& options, OwnedFd& socket) {
  if (options.local_port_low == 0 || options.local_port_high < options.local_port_low) return begin(options, 0, socket);
  const uint32_t span = options.local_port_high - options.local_port_low + 1u;
  static thread_local std::minstd_rand generator{std::random_device{}()};
  const uint32_t start = generator() % span;
  int result = EADDRINUSE;
  for (uint32_t i = 0; i < span && (result == EADDRINUSE || result == EADDRNOTAVAIL); ++i) {
    OwnedFd attempt;
    result = begin(options, static_cast<uint16_t>(options.local_port_low + (start + i) % span), attempt);
    if (result == 0 || result == EINPROGRESS) socket.fd = attempt.release();
    // No interface has the address: no port will change that.
    if (result == EADDRNOTAVAIL && SocketAddress::local_of(attempt.fd).port() == 0) break;
  }
  return result;
}

// Waits for the connect() of fd: 0 or an errno.
asio::awaitable<int> finish(StreamEngine& engine, int fd, std::chrono::milliseconds deadline) {
  asio::posix::stream_descriptor descriptor(engine.context(), fd);
  struct Release {
    asio::posix::stream_descriptor& descriptor;
    ~Release() { descriptor.release(); }
  } release{descriptor};
  asio::steady_timer timer(engine.context(), deadline);
  // Shared, because the timer's handler may still run when this frame is gone.
  const auto state = std::make_shared<std::pair<asio::posix::stream_descriptor*, bool>>(&descriptor, false);
  timer.async_wait([state](const boost::system::error_code& error) {
    if (error || state->first == nullptr) return;
    state->second = true;
    state->first->cancel();
  });
  struct Detach {
    std::shared_ptr<std::pair<asio::posix::stream_descriptor*, bool>> state;
    ~Detach() { state->first = nullptr; }
  } detach{state};
  boost::system::error_code error;
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_write, asio::redirect_error(asio::use_awaitable, error));
  if (state->second) co_return ETIMEDOUT;
  if (error) co_return ECANCELED;
  int result = 0;
  socklen_t length = sizeof result;
  co_return getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &length) == 0 ? result : errno;
}

}  // namespace

const char* name_of(ConnectStage stage) {
  static constexpr std::array<const char*, 4> names = {"resolving", "TCP", "TLS", "established"};
  return names[static_cast<size_t>(stage)];
}

Fault ConnectFailure::fault() const {
  FaultCode code = FaultCode::unreachable;
  if (reason == ConnectReason::timed_out) code = FaultCode::timeout;
  if (reason == ConnectReason::refused || reason == ConnectReason::handshake) code = FaultCode::refused;
  if (reason == ConnectReason::exhausted) code = FaultCode::exhausted;
  if (reason == ConnectReason::resolve_failed) code = FaultCode::missing;
  return Fault{code, "", text, remedy};
}

asio::awaitable<ConnectResult> connect(StreamEngine& engine, ConnectOptions options) {
  const auto report = [&](ConnectStage stage) {
    if (options.progress) options.progress(stage);
  };
  report(ConnectStage::tcp);
  OwnedFd socket;
  int error = begin_in_range(options, socket);
  if (error == EINPROGRESS || (error == EAGAIN && options.remote.is_unix())) error = co_await finish(engine, socket.fd, options.connect_deadline);
  if (error != 0) co_return failed(tcp_failure(options, error));
  auto adopted = engine.adopt(socket.release());
  if (!adopted) co_return failed({ConnectStage::tcp, ConnectReason::exhausted, adopted.fault().text(), adopted.fault().remedy, {}});
  StreamPtr stream = std::move(*adopted);
  ++engine.core().counters().connected;
  stream->set_limits(options.stream_limits);
  if (options.tls != nullptr) {
    report(ConnectStage::tls);
    auto failure = co_await stream->secure_client(options.tls, options.sni, options.peer_names, options.handshake_deadline);
    if (failure) {
      const std::string text = "TLS with " + options.remote.text() + (options.sni.empty() ? "" : " (" + options.sni + ")") + ": " + failure->text;
      const std::string remedy = failure->remedy;
      const ConnectReason reason = failure->reason == HandshakeReason::timed_out ? ConnectReason::timed_out : ConnectReason::handshake;
      co_return failed({ConnectStage::tls, reason, text, remedy, std::move(failure)});
    }
  }
  report(ConnectStage::established);
  co_return ConnectResult{std::move(stream), std::nullopt};
}

}  // namespace sallyport::tls
