// SPDX-License-Identifier: Apache-2.0
#include "perf/stream_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <unordered_map>

#include "perf/own_process.h"

namespace sallyport::perf {

namespace {

constexpr size_t block_bytes = 256 << 10;
constexpr int events_at_once = 256;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void send_at_once(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void watch(int epoll_fd, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void change(int epoll_fd, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

// One stream at the far end; false: it is over.
struct FarStream {
  char does = 0;
  uint64_t taken = 0;
  std::string unsent;

  bool serve(int epoll_fd, int fd, uint32_t events, std::string& block) {
    if (events & (EPOLLERR | EPOLLHUP)) return false;
    if ((events & EPOLLIN) && !take(fd, block)) return false;
    return does == far_end_sends ? send_all(epoll_fd, fd, block) : send_rest(epoll_fd, fd);
  }
  bool take(int fd, std::string& block) {
    const ssize_t count = read(fd, block.data(), block.size());
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN;
    size_t at = 0;
    if (does == 0) does = block[at++];
    const size_t rest = static_cast<size_t>(count) - at;
    if (does == far_end_echoes) unsent.append(block, at, rest);
    if (does == far_end_takes) {
      const uint64_t before = taken / taken_step_bytes;
      taken += rest;
      unsent.append(taken / taken_step_bytes - before, '.');
    }
    return true;
  }
  bool send_all(int epoll_fd, int fd, const std::string& block) const {
    while (write(fd, block.data(), block.size()) > 0) {
    }
    if (errno != EAGAIN) return false;
    change(epoll_fd, fd, EPOLLIN | EPOLLOUT);
    return true;
  }
  bool send_rest(int epoll_fd, int fd) {
    if (unsent.empty()) return true;
    const ssize_t count = write(fd, unsent.data(), unsent.size());
    if (count < 0 && errno != EAGAIN) return false;
    unsent.erase(0, static_cast<size_t>(std::max<ssize_t>(count, 0)));
    change(epoll_fd, fd, unsent.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
    return true;
  }
};

}  // namespace

int listen_on_loopback(uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 4096) != 0) return -1;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

void run_far_end(int listener_fd) {
  const int epoll_fd = epoll_create1(0);
  fcntl(listener_fd, F_SETFL, O_NONBLOCK);
  watch(epoll_fd, listener_fd, EPOLLIN);
  std::unordered_map<int, FarStream> streams;
  std::string block(block_bytes, 'x');
  epoll_event events[events_at_once];
  for (;;) {
    const int count = epoll_wait(epoll_fd, events, events_at_once, -1);
    if (count < 0) _exit(0);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_fd) {
        for (int fresh; (fresh = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          send_at_once(fresh);
          streams[fresh] = {};
          watch(epoll_fd, fresh, EPOLLIN);
        }
        continue;
      }
      if (streams[fd].serve(epoll_fd, fd, events[i].events, block)) continue;
      streams.erase(fd);
      close(fd);
    }
  }
}

StreamLoad::StreamLoad(uint16_t port) : port_(port), epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), block_(block_bytes, 'y') {}

StreamLoad::~StreamLoad() {
  for (const int fd : open_) drop(fd);
  close(epoll_fd_);
}

// By a reset, or the ports of ten thousand streams wait for a minute.
void StreamLoad::drop(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

int StreamLoad::connect_one() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_in address = loopback(port_);
  if (fd < 0) return -1;
  send_at_once(fd);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

bool StreamLoad::open_echoing(size_t streams, size_t at_once, double give_up_s) {
  const uint64_t give_up = now_ns() + static_cast<uint64_t>(give_up_s * 1e9);
  size_t under_way = 0;
  epoll_event events[events_at_once];
  char answer[16];
  while (open_.size() < streams && now_ns() < give_up) {
    while (under_way < at_once && open_.size() + under_way < streams) {
      const int fd = connect_one();
      if (fd < 0) return false;
      watch(epoll_fd_, fd, EPOLLOUT);
      ++under_way;
    }
    const int count = epoll_wait(epoll_fd_, events, events_at_once, 100);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (events[i].events & EPOLLOUT) {
        const char question[] = {far_end_echoes, '!'};
        if (write(fd, question, sizeof question) != sizeof question) return false;
        change(epoll_fd_, fd, EPOLLIN);
        continue;
      }
      if (read(fd, answer, sizeof answer) != 1) return false;
      open_.push_back(fd);
      --under_way;
    }
  }
  return open_.size() == streams;
}

uint64_t StreamLoad::echo(size_t message_bytes, size_t at_once, double seconds) {
  std::unordered_map<int, size_t> missing;  // of the answer, by stream
  std::deque<int> idle(open_.begin(), open_.end());
  const std::string message(message_bytes, 'm');
  uint64_t done = 0;
  const uint64_t begin = now_ns(), end = begin + static_cast<uint64_t>(seconds * 1e9);
  epoll_event events[events_at_once];
  while (now_ns() < end) {
    for (; missing.size() < at_once && !idle.empty(); idle.pop_front()) {
      if (write(idle.front(), message.data(), message.size()) != static_cast<ssize_t>(message.size())) return 0;
      missing[idle.front()] = message_bytes;
    }
    const int count = epoll_wait(epoll_fd_, events, events_at_once, 100);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      const ssize_t got = read(fd, block_.data(), block_.size());
      if (got <= 0) return 0;
      if ((missing[fd] -= static_cast<size_t>(got)) != 0) continue;
      missing.erase(fd);
      idle.push_back(fd);
      ++done;
    }
  }
  last_seconds_ = static_cast<double>(now_ns() - begin) / 1e9;
  // What is on its way is no part of the next measurement.
  while (!missing.empty() && now_ns() < end + 10'000'000'000u) {
    const int count = epoll_wait(epoll_fd_, events, events_at_once, 100);
    for (int i = 0; i < count; ++i) {
      const ssize_t got = read(events[i].data.fd, block_.data(), block_.size());
      if (got <= 0) return 0;
      if ((missing[events[i].data.fd] -= static_cast<size_t>(got)) == 0) missing.erase(events[i].data.fd);
    }
  }
  return done;
}

int StreamLoad::start_bulk(bool from_here) {
  const int fd = connect_one();
  pollfd ready{fd, POLLOUT, 0};
  const char does = from_here ? far_end_takes : far_end_sends;
  if (fd < 0 || poll(&ready, 1, 5000) != 1 || write(fd, &does, 1) != 1) return -1;
  return fd;
}

// What the far end has taken, or what came from it.
uint64_t StreamLoad::carry(int fd, bool from_here, double seconds) {
  uint64_t bytes = 0;
  const uint64_t begin = now_ns(), end = begin + static_cast<uint64_t>(seconds * 1e9);
  while (now_ns() < end) {
    pollfd ready{fd, static_cast<short>(from_here ? POLLIN | POLLOUT : POLLIN), 0};
    poll(&ready, 1, 100);
    if (ready.revents & POLLIN) {
      const ssize_t got = read(fd, block_.data(), block_.size());
      if (got <= 0) return 0;
      bytes += static_cast<uint64_t>(got) * (from_here ? taken_step_bytes : 1);
    }
    if ((ready.revents & POLLOUT) && write(fd, block_.data(), block_.size()) < 0 && errno != EAGAIN) return 0;
  }
  last_seconds_ = static_cast<double>(now_ns() - begin) / 1e9;
  return bytes;
}

}  // namespace sallyport::perf
