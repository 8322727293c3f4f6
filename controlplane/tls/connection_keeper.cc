// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/connection_keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "controlplane/tls/tls_session.h"

namespace sallyport::tls {

// Each side is read only while nothing waits for the other: whoever does not read holds up its own connection and no memory.
struct ConnectionKeeper::Line {
  std::unique_ptr<TlsSession> session;
  int wire = -1, local = -1;
  Chunk to_wire, to_local;
  bool wire_ended = false, local_ended = false, half_closed = false, is_over = false;

  ~Line() {
    for (const int fd : {wire, local})
      if (fd >= 0) ::close(fd);
  }
  uint32_t wanted(bool is_wire) const {
    const bool reads = is_wire ? to_local.empty() && !wire_ended : to_wire.empty() && !local_ended;
    const bool writes = is_wire ? !to_wire.empty() : !to_local.empty();
    return (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u);
  }
  void from_wire();
  void from_local();
  void flush(Chunk& waiting, int fd);
  void step();
};

namespace {

constexpr size_t piece_bytes = 16 << 10;

bool is_only_now(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

void ConnectionKeeper::Line::from_wire() {
  std::array<char, piece_bytes> buffer;
  const ssize_t bytes = ::recv(wire, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (bytes < 0 && is_only_now(errno)) return;
  if (bytes <= 0) {
    wire_ended = true;
    is_over = is_over || bytes < 0;
    return;
  }
  std::string_view input(buffer.data(), static_cast<size_t>(bytes));
  TlsSession::Read verdict = TlsSession::Read::more;
  while (verdict == TlsSession::Read::more) {
    Chunk plain(piece_bytes);
    verdict = session->read(input, plain, to_wire);
    to_local.append(plain.view());
  }
  if (verdict != TlsSession::Read::want_input) wire_ended = true;
}

void ConnectionKeeper::Line::from_local() {
  std::array<char, piece_bytes> buffer;
  const ssize_t bytes = ::recv(local, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (bytes < 0 && is_only_now(errno)) return;
  if (bytes > 0) {
    is_over = !session->write({buffer.data(), static_cast<size_t>(bytes)}, to_wire);
    return;
  }
  local_ended = true;
  session->close_notify(to_wire);
}

void ConnectionKeeper::Line::flush(Chunk& waiting, int fd) {
  if (waiting.empty()) return;
  const ssize_t sent = ::send(fd, waiting.view().data(), waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && !is_only_now(errno)) is_over = true;
  if (sent > 0) waiting.consume(static_cast<size_t>(sent));
  if (waiting.empty()) waiting = Chunk();  // idle connections hold no buffers
}

void ConnectionKeeper::Line::step() {
  flush(to_wire, wire);
  flush(to_local, local);
  if (wire_ended && to_local.empty() && !half_closed) {
    ::shutdown(local, SHUT_WR);
    half_closed = true;
  }
  if (local_ended && to_wire.empty()) is_over = true;
}

ConnectionKeeper::ConnectionKeeper() = default;
ConnectionKeeper::~ConnectionKeeper() = default;

int ConnectionKeeper::keep(Stream::Detached connection) {
  auto line = std::make_unique<Line>();
  line->session = std::move(connection.session);
  line->wire = std::exchange(connection.fd, -1);
  int ends[2];
  if (line->wire < 0 || line->session == nullptr || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -1;
  line->local = ends[0];
  lines_.push_back(std::move(line));
  return ends[1];
}

Outcome<> ConnectionKeeper::start() {
  if (lines_.empty()) return Done{};
  const pid_t between = ::fork();
  if (between < 0) return Fault{FaultCode::exhausted, "connections of phones", std::string("cannot be kept: fork() failed: ") + std::strerror(errno), "raise the limit of tasks; the phones connect anew"};
  if (between == 0) {
    // Not our child but init's, so that nobody has to wait for its end.
    if (::fork() == 0) carry();
    ::_exit(0);
  }
  ::waitpid(between, nullptr, 0);
  lines_.clear();
  return Done{};
}

void ConnectionKeeper::carry() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::signal(number, SIG_DFL);
  ::prctl(PR_SET_NAME, "sallyport-keep");
  if (const int null = ::open("/dev/null", O_RDWR); null >= 0)
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  std::vector<int> own{STDERR_FILENO};
  for (const auto& line : lines_) own.insert(own.end(), {line->wire, line->local});
  std::sort(own.begin(), own.end());
  for (size_t index = 0; index < own.size(); ++index) {
    const auto first = static_cast<unsigned>(own[index] + 1);
    const unsigned last = index + 1 < own.size() ? static_cast<unsigned>(own[index + 1] - 1) : ~0u;
    if (first <= last) ::close_range(first, last, 0);
  }
  const int poll = ::epoll_create1(0);
  const auto watch = [poll](int operation, const Line& line, size_t index) {
    for (const bool is_wire : {true, false}) {
      epoll_event event{.events = line.wanted(is_wire), .data = {.u64 = index << 1 | (is_wire ? 1 : 0)}};
      ::epoll_ctl(poll, operation, is_wire ? line.wire : line.local, &event);
    }
  };
  for (size_t index = 0; index < lines_.size(); ++index) watch(EPOLL_CTL_ADD, *lines_[index], index);
  std::array<epoll_event, 64> events;
  for (size_t running = lines_.size(); running > 0;) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) break;
    for (int number = 0; number < count; ++number) {
      const size_t index = events[static_cast<size_t>(number)].data.u64 >> 1;
      if (lines_[index] == nullptr) continue;
      Line& line = *lines_[index];
      serve(line, events[static_cast<size_t>(number)].events, (events[static_cast<size_t>(number)].data.u64 & 1) != 0);
      if (!line.is_over) {
        watch(EPOLL_CTL_MOD, line, index);
        continue;
      }
      lines_[index].reset();
      --running;
    }
  }
  ::_exit(0);
}

void ConnectionKeeper::serve(Line& line, uint32_t events, bool is_wire) {
  const uint32_t wanted = line.wanted(is_wire);
  if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (wanted & EPOLLIN) == 0) {
    // Both directions are down and nothing more is read here: nobody is left to carry for.
    line.is_over = true;
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && (wanted & EPOLLIN) != 0) is_wire ? line.from_wire() : line.from_local();
  line.step();
}

}  // namespace sallyport::tls
