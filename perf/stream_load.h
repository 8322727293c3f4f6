// SPDX-License-Identifier: Apache-2.0
#pragma once
// StreamLoad: many TCP streams to a port on 127.0.0.1 and what they do, for comparisons of what lies between. Its other end is
// run_far_end(), in a process of its own. The first byte of a stream says what the far end does with it. One thread, that of the caller.

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::perf {

inline constexpr char far_end_echoes = 'E', far_end_sends = 'S', far_end_takes = 'D';
inline constexpr uint64_t taken_step_bytes = 1 << 20;  // for each of so many the far end that takes sends one byte

// Serves the listening socket until it is killed.
[[noreturn]] void run_far_end(int listener_fd);
// A listening socket on a port that the kernel chose.
int listen_on_loopback(uint16_t& port);

class StreamLoad {
 public:
  explicit StreamLoad(uint16_t port);
  ~StreamLoad();
  StreamLoad(const StreamLoad&) = delete;
  StreamLoad& operator=(const StreamLoad&) = delete;

  // Opens streams until there are so many, each with an echo there and back, so many at the same time. False: not within the time.
  bool open_echoing(size_t streams, size_t at_once, double give_up_s);
  // Messages there and back for so long, over all streams in turn, so many on their way at the same time.
  uint64_t echo(size_t message_bytes, size_t at_once, double seconds);
  // Bytes that one more stream carried in so long, from here or to here; the first quarter of the time goes before.
  // `begun` is called when what counts begins.
  template <class Begun>
  uint64_t bulk(bool from_here, double seconds, Begun begun) {
    const int fd = start_bulk(from_here);
    if (fd < 0) return 0;
    carry(fd, from_here, seconds / 4);
    begun();
    const uint64_t bytes = carry(fd, from_here, seconds);
    drop(fd);
    return bytes;
  }
  double last_seconds() const { return last_seconds_; }  // that bulk() or echo() really took

 private:
  int connect_one();
  int start_bulk(bool from_here);
  uint64_t carry(int fd, bool from_here, double seconds);
  static void drop(int fd);

  uint16_t port_;
  int epoll_fd_ = -1;
  std::vector<int> open_;
  std::string block_;
  double last_seconds_ = 0;
};

}  // namespace sallyport::perf
