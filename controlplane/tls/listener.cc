// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <utility>

#include "controlplane/tls/engine_core.h"
#include "controlplane/tls/inherited_sockets.h"
#include "controlplane/tls/marking.h"

namespace sallyport::tls {

struct Listener::State : std::enable_shared_from_this<Listener::State> {
  StreamEngine* engine = nullptr;
  ListenerOptions options;
  OnStream on_stream;
  OnFailure on_failure;
  ListenerCounters counters;
  SocketAddress address;
  int fd = -1;
  uint32_t acceptor = 0;
  bool accepting = false, stopped = false;
  std::unordered_map<uint64_t, Stream*> handshakes;  // their coroutines keep them alive

  void stop();
  void on_accept(int accepted_fd);
  void refuse(int accepted_fd) { ::close(accepted_fd); }
  boost::asio::awaitable<void> handshake(StreamPtr stream, std::shared_ptr<TlsPolicy> policy);
};

namespace {

constexpr std::chrono::milliseconds bind_pause{20};

// A place in the source's limits, given back when the stream closes.
struct AdmissionTicket {
  AdmissionTicket(std::shared_ptr<SourceLimits> from, const SocketAddress& of) : limits(std::move(from)), source(of) {}
  ~AdmissionTicket() { limits->release(source); }
  AdmissionTicket(const AdmissionTicket&) = delete;
  AdmissionTicket& operator=(const AdmissionTicket&) = delete;
  std::shared_ptr<SourceLimits> limits;
  SocketAddress source;
};

Fault listen_fault(const ListenerOptions& options, const char* step, int error) {
  Fault fault{FaultCode::internal, "listener " + options.name + " on " + options.address.text(), std::string(step) + " failed: " + std::strerror(error), ""};
  if (error == EADDRINUSE) fault = {FaultCode::conflict, fault.subject, "the port is taken by another process", "stop that process (see: ss -ltnp) or choose another port"};
  if (error == EADDRNOTAVAIL) fault = {FaultCode::missing, fault.subject, "no interface has this address", "correct the address, or set freebind"};
  if (error == EACCES) fault = {FaultCode::refused, fault.subject, "ports below 1024 need a capability", "grant CAP_NET_BIND_SERVICE"};
  return fault;
}

int set_on(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on);
}

Outcome<int> open_socket_once(const ListenerOptions& options) {
  const int fd = socket(options.address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return listen_fault(options, "socket()", errno);
  const auto fail = [&](const char* step) -> Outcome<int> {
    const int error = errno;
    ::close(fd);
    return listen_fault(options, step, error);
  };
  if (!options.address.is_unix()) {
    if (set_on(fd, SOL_SOCKET, SO_REUSEADDR) != 0) return fail("SO_REUSEADDR");
    if (options.reuse_port && set_on(fd, SOL_SOCKET, SO_REUSEPORT) != 0) return fail("SO_REUSEPORT");
    if (options.address.is_v6() && set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0) return fail("IPV6_V6ONLY");
    if (options.freebind && (options.address.is_v6() ? set_on(fd, IPPROTO_IPV6, IPV6_FREEBIND) : set_on(fd, IPPROTO_IP, IP_FREEBIND)) != 0) return fail("IP_FREEBIND");
  }
  mark_signalling(fd, options.address.family());
  if (::bind(fd, options.address.kernel(), options.address.kernel_length()) != 0) return fail("bind()");
  if (::listen(fd, options.backlog) != 0) return fail("listen()");
  return fd;
}

// The sockets of a process that was killed live on until the kernel has taken its io_uring apart, for a second with thousands of connections.
Outcome<int> open_socket(const ListenerOptions& options) {
  const auto end = std::chrono::steady_clock::now() + options.bind_patience;
  for (;;) {
    Outcome<int> opened = open_socket_once(options);
    if (opened || opened.fault().code != FaultCode::conflict || std::chrono::steady_clock::now() >= end) return opened;
    std::this_thread::sleep_for(bind_pause);
  }
}

}  // namespace

void Listener::State::on_accept(int accepted_fd) {
  if (accepted_fd < 0) return;  // out of descriptors: the engine counts it and tries again
  ++counters.accepted;
  std::shared_ptr<void> ticket;
  if (options.limits != nullptr) {
    const SocketAddress source = SocketAddress::peer_of(accepted_fd);
    const Admission admission = options.limits->admit(source, std::chrono::steady_clock::now());
    ++counters.admission[static_cast<size_t>(admission)];
    if (admission != Admission::admitted) return refuse(accepted_fd);
    ticket = std::make_shared<AdmissionTicket>(options.limits, source);
  }
  if (options.tls != nullptr && handshakes.size() >= options.handshakes_at_once) {
    ++counters.handshakes_exhausted;
    return refuse(accepted_fd);
  }
  auto adopted = engine->adopt(accepted_fd);
  if (!adopted) {
    ++counters.engine_full;
    return;
  }
  StreamPtr stream = std::move(*adopted);
  stream->set_limits(options.stream_limits);
  stream->hold_until_closed(std::move(ticket));
  if (options.tls != nullptr) {
    handshakes.emplace(stream->id(), stream.get());
    boost::asio::co_spawn(engine->context(), handshake(std::move(stream), options.tls), boost::asio::detached);
    return;
  }
  ++counters.established;
  if (options.idle_deadline.count() != 0) stream->set_idle_deadline(options.idle_deadline);
  on_stream(std::move(stream));
}

boost::asio::awaitable<void> Listener::State::handshake(StreamPtr stream, std::shared_ptr<TlsPolicy> policy) {
  const auto self = shared_from_this();
  const bool may_be_challenge = policy->options().challenges != nullptr;
  const std::optional<HandshakeFailure> failure = co_await stream->secure_server(std::move(policy), options.handshake_deadline);
  handshakes.erase(stream->id());
  if (failure) {
    ++counters.handshake_failed[static_cast<size_t>(failure->reason)];
    if (on_failure && !stopped) on_failure(stream->peer_address(), *failure);
    co_return;
  }
  if (stopped) {
    stream->close("the listener was closed");
    co_return;
  }
  if (may_be_challenge && stream->tls_facts().alpn == challenge_protocol) {
    // RFC 8737 3: the handshake was the answer; no byte is exchanged.
    ++counters.challenges_answered;
    stream->close_after_send();
    co_return;
  }
  ++counters.established;
  if (options.idle_deadline.count() != 0) stream->set_idle_deadline(options.idle_deadline);
  on_stream(std::move(stream));
}

void Listener::State::stop() {
  if (!accepting) return;
  accepting = false;
  engine->core().stop_accept(acceptor);
  ::shutdown(fd, SHUT_RDWR);  // the port is free at once, though the kernel may hold the descriptor a little longer
  ::close(fd);
}

Outcome<std::unique_ptr<Listener>> Listener::open(StreamEngine& engine, ListenerOptions options, OnStream on_stream, OnFailure on_failure) {
  if (!options.address.is_set()) return Fault{FaultCode::invalid, "listener " + options.name, "has no address", "configure one"};
  if (options.tls != nullptr && !options.tls->is_server()) return Fault{FaultCode::invalid, "listener " + options.name, "was given a client's TLS policy", "give it a server's"};
  const int inherited = InheritedSockets::instance().take(SOCK_STREAM, options.address);
  auto opened = inherited >= 0 ? Outcome<int>(inherited) : open_socket(options);
  if (!opened) return opened.fault();
  auto state = std::make_shared<State>();
  state->engine = &engine;
  state->options = std::move(options);
  state->on_stream = std::move(on_stream);
  state->on_failure = std::move(on_failure);
  state->fd = *opened;
  state->address = SocketAddress::local_of(*opened);
  state->accepting = true;
  state->acceptor = engine.core().start_accept(*opened, [weak = std::weak_ptr<State>(state)](int fd) {
    const auto alive = weak.lock();
    if (alive != nullptr && !alive->stopped) return alive->on_accept(fd);
    if (fd >= 0) ::close(fd);
  });
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}

Listener::~Listener() {
  state_->stop();
  state_->stopped = true;
  std::vector<StreamPtr> running;
  for (const auto& [id, stream] : state_->handshakes) running.push_back(stream->shared_from_this());
  for (const StreamPtr& stream : running) stream->close("the listener was closed");
  state_->on_stream = nullptr;
  state_->on_failure = nullptr;
}

const SocketAddress& Listener::address() const { return state_->address; }
const ListenerCounters& Listener::counters() const { return state_->counters; }
uint32_t Listener::handshakes_running() const { return static_cast<uint32_t>(state_->handshakes.size()); }
void Listener::set_tls(std::shared_ptr<TlsPolicy> policy) { state_->options.tls = std::move(policy); }
void Listener::stop_accepting() { state_->stop(); }

int Listener::release_socket() {
  if (!state_->accepting) return -1;
  state_->accepting = false;
  state_->engine->core().stop_accept(state_->acceptor);
  return std::exchange(state_->fd, -1);
}

}  // namespace sallyport::tls
