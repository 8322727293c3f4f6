// SPDX-License-Identifier: Apache-2.0
// media_load PACKETS_PER_S: RTP through whatever lies between pairs of UDP sockets, both ways at once, each stream at so many packets a second,
// sealed and verified by libsrtp2 where a side has keys. The sockets are inherited, bound and in the namespaces they belong to.
// Standard input:
//   stream FD_A IP_A PORT_A SUITE_A SEND_KEY_A RECEIVE_KEY_A FD_B IP_B PORT_B SUITE_B SEND_KEY_B RECEIVE_KEY_B   IP and port are where to send;
//                      SUITE is the number of abi::Suite and keys are master key and salt in hexadecimal, or 0 - - for plain RTP
//   sequence FIRST GAP the streams begin at this sequence number, and lose up to twice GAP packets at each wrap: they are sealed, not sent,
//                      and not counted; before the first "stream"
//   start              begins to send; answered by "started"
//   rebind STREAM FD   from now on side A of this stream, counted from 0, sends and listens by another socket, as behind a NAT that forgot it
//   mark               counts anew: what is sent from now on, and what comes of that
//   report             one JSON line of what was sent and came so far, while it goes on
//   stop               ends sending, waits until nothing has come for a while, and prints the same once more
// What is late is sent later, not all at once. Counts a packet once, whatever its order; what does not verify or does not belong is "rejected". One thread; no file is written.

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_suite.h"
#include "tests/unit/dataplane/srtp_oracle.h"

namespace sallyport::perf {
namespace {

using dataplane::load_be32;
using dataplane::SrtpKeys;
using dataplane::SrtpOracle;
using dataplane::SrtpSuite;
using dataplane::SrtpVerdict;
using dataplane::store_be16;
using dataplane::store_be32;

constexpr uint32_t header_bytes = 12;
constexpr uint32_t payload_bytes = 160;
constexpr uint32_t packet_room = 256;
constexpr uint32_t batch = 32;
constexpr uint64_t ms_ns = 1'000'000;
constexpr uint64_t tick_ns = ms_ns;
constexpr uint64_t most_behind_ns = 50 * ms_ns;
constexpr uint64_t quiet_ns = 500 * ms_ns;     // after stop: so long without a packet, and all have come that will
constexpr uint64_t patience_ns = 5000 * ms_ns;
constexpr uint32_t stamp_magic = 0x53414c59;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "media_load: %s\n", what.c_str());
  std::exit(2);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  return bytes;
}

std::unique_ptr<SrtpOracle> session_of(SrtpOracle::Role role, unsigned suite_number, const std::string& hex) {
  if (suite_number == 0) return nullptr;
  const auto suite = static_cast<SrtpSuite>(suite_number);
  const auto& info = dataplane::srtp_suite_info(suite);
  const std::vector<uint8_t> bytes = bytes_of(hex);
  if (bytes.size() != size_t{info.key_length_bytes} + info.salt_length_bytes) fail("a key of the wrong length");
  auto keys = SrtpKeys::from_bytes(suite, {bytes.data(), info.key_length_bytes}, {bytes.data() + info.key_length_bytes, info.salt_length_bytes});
  if (!keys) fail("a key that cannot be used");
  return std::make_unique<SrtpOracle>(role, *keys);
}

sockaddr_storage address_of(const std::string& ip, uint16_t port, socklen_t& length) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    length = sizeof v4;
  } else if (inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    length = sizeof v6;
  } else {
    fail("\"" + ip + "\" is no IP address");
  }
  return storage;
}

// One end of a stream: what it sends, and what has come from the other end.
struct End {
  int socket = -1;
  sockaddr_storage remote{};
  socklen_t remote_bytes = 0;
  std::unique_ptr<SrtpOracle> sealer, opener;
  uint32_t ssrc = 0;
  uint16_t first_sequence = 0;
  uint32_t sent = 0;
  uint32_t marked = 0;  // packets before this number are not counted
  uint32_t unsent = 0;  // the socket's buffer was full, or withheld at a wrap: never on its way

  std::vector<bool> has_come;  // by the other end's count
  uint32_t received = 0;
  uint32_t repeated = 0;
  uint32_t rejected = 0;
  uint64_t last_ns = 0;
  uint64_t longest_gap_ns = 0;
};

struct Totals {
  uint64_t sent = 0, received = 0, repeated = 0, rejected = 0, longest_gap_ns = 0;
};

class Load {
 public:
  explicit Load(uint32_t packets_per_s) : interval_ns_(1'000'000'000ull / packets_per_s) {}

  void add(std::istringstream& words) {
    auto ends = std::make_unique<std::array<End, 2>>();
    for (End& end : *ends) {
      std::string ip, send_key, receive_key;
      uint16_t port = 0;
      unsigned suite = 0;
      if (!(words >> end.socket >> ip >> port >> suite >> send_key >> receive_key)) fail("a stream line lacks words");
      end.remote = address_of(ip, port, end.remote_bytes);
      end.sealer = session_of(SrtpOracle::Role::sender, suite, send_key);
      end.opener = session_of(SrtpOracle::Role::receiver, suite, receive_key);
      end.ssrc = random_();
      end.first_sequence = first_sequence_ ? *first_sequence_ : static_cast<uint16_t>(random_() & 0x3fff);
      prepare(end.socket);
      polled_.push_back({end.socket, POLLIN, 0});
    }
    streams_.push_back(std::move(ends));
  }

  void start() {
    // What came before belongs to nobody here.
    for (auto& ends : streams_)
      for (End& end : *ends) {
        uint8_t waste[2048];
        while (recv(end.socket, waste, sizeof waste, 0) >= 0) continue;
      }
    begun_ns_ = now_ns();
    is_sending_ = true;
  }

  void set_sequence(std::istringstream& words) {
    unsigned first = 0;
    if (!(words >> first >> gap_) || first > UINT16_MAX || gap_ > most_gap) fail("\"sequence\" wants FIRST below 65536 and GAP up to 1000");
    first_sequence_ = static_cast<uint16_t>(first);
  }

  void rebind(std::istringstream& words) {
    size_t stream = 0;
    int socket = -1;
    if (!(words >> stream >> socket) || stream >= streams_.size()) fail("\"rebind\" wants STREAM and FD");
    prepare(socket);
    (*streams_[stream])[0].socket = socket;
    polled_[stream * 2].fd = socket;
  }

  void mark() {
    marked_ns_ = now_ns();
    for (auto& ends : streams_)
      for (End& end : *ends) {
        end.marked = end.sent;
        end.unsent = end.received = end.repeated = end.rejected = 0;
        end.longest_gap_ns = 0;
      }
  }

  // Sends what is due, takes what has come, and waits for the next tick or for standard input.
  void turn() {
    const uint64_t now = now_ns();
    if (is_sending_) {
      const uint32_t due = packets_due(now);
      for (auto& ends : streams_)
        for (End& end : *ends) send_until(end, due);
    }
    receive_all();
    const uint64_t spent = now_ns() - now;
    const timespec rest{0, static_cast<long>(spent < tick_ns ? tick_ns - spent : 0)};
    pollfd input{STDIN_FILENO, POLLIN, 0};
    ppoll(&input, 1, &rest, nullptr);
  }

  void stop() {
    is_sending_ = false;
    ended_ns_ = now_ns();
    const uint64_t deadline = now_ns() + patience_ns;
    uint64_t quiet_since = now_ns();
    while (now_ns() < deadline && now_ns() - quiet_since < quiet_ns) {
      const uint64_t before = came_;
      turn();
      if (came_ != before) quiet_since = now_ns();
    }
  }

  void report() {
    Totals forward, back;
    for (auto& ends : streams_) {
      add_to(forward, (*ends)[0], (*ends)[1]);
      add_to(back, (*ends)[1], (*ends)[0]);
    }
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    std::printf("{\"seconds\": %.3f, \"a_to_b\": ", static_cast<double>((is_sending_ ? now_ns() : ended_ns_) - std::max(begun_ns_, marked_ns_)) * 1e-9);
    print(forward);
    std::printf(", \"b_to_a\": ");
    print(back);
    std::printf(", \"p50_us\": %.0f, \"p99_us\": %.0f}\n", latency_us(0.5), latency_us(0.99));
    std::fflush(stdout);
  }

 private:
  static void prepare(int socket) {
    const int bytes = 8 << 20;
    setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
  }

  static void add_to(Totals& totals, const End& from, const End& to) {
    totals.sent += from.sent - from.marked - from.unsent;
    totals.received += to.received;
    totals.repeated += to.repeated;
    totals.rejected += to.rejected;
    totals.longest_gap_ns = std::max(totals.longest_gap_ns, to.longest_gap_ns);
  }
  static void print(const Totals& totals) {
    std::printf("{\"sent\": %lu, \"received\": %lu, \"repeated\": %lu, \"rejected\": %lu, \"longest_gap_ms\": %.1f}", totals.sent, totals.received,
                totals.repeated, totals.rejected, static_cast<double>(totals.longest_gap_ns) * 1e-6);
  }
  double latency_us(double share) const {
    if (latencies_ns_.empty()) return 0;
    return latencies_ns_[static_cast<size_t>(share * static_cast<double>(latencies_ns_.size() - 1))] * 1e-3;
  }

  void send_until(End& end, uint32_t due) {
    while (end.sent < due) {
      mmsghdr messages[batch]{};
      iovec parts[batch];
      const uint32_t count = std::min(due - end.sent, batch);
      uint32_t going = 0;
      for (uint32_t i = 0; i < count; ++i) {
        const size_t bytes = build(end, end.sent + i, packets_[going]);
        if (is_withheld(end.first_sequence + end.sent + i)) continue;
        parts[going] = {packets_[going], bytes};
        messages[going].msg_hdr = {&end.remote, end.remote_bytes, &parts[going], 1, nullptr, 0, 0};
        ++going;
      }
      const int sent = going == 0 ? 0 : sendmmsg(end.socket, messages, going, 0);
      // The packets are sealed, so their numbers are used up, sent or not.
      end.unsent += count - static_cast<uint32_t>(std::max(sent, 0));
      end.sent += count;
    }
  }

  // Where the machine is too slow, the rate sinks: packets in heaps, as no phone sends them, would be policed.
  uint32_t packets_due(uint64_t now) {
    if (streams_.empty()) return 0;
    const uint32_t sent = (*streams_.front())[0].sent;  // as all others have
    const auto due = static_cast<uint32_t>((now - begun_ns_ - lag_ns_) / interval_ns_) + 1;
    const auto most = std::max(static_cast<uint32_t>(most_behind_ns / interval_ns_), 1u);
    if (due - sent <= most) return due;
    lag_ns_ += (due - sent - most) * interval_ns_;
    return sent + most;
  }

  // All in the gap at every other wrap, each second one at those between.
  bool is_withheld(uint64_t extended_sequence) const {
    const auto sequence = static_cast<uint16_t>(extended_sequence);
    if (sequence >= gap_ && sequence < 65536 - gap_) return false;
    const uint64_t wrap = (extended_sequence + gap_) >> 16;
    return wrap % 2 == 1 || sequence % 2 == 1;
  }

  static size_t build(End& end, uint32_t number, uint8_t* packet) {
    packet[0] = 0x80;
    packet[1] = 0;
    store_be16(packet + 2, static_cast<uint16_t>(end.first_sequence + number));
    store_be32(packet + 4, number * payload_bytes);
    store_be32(packet + 8, end.ssrc);
    std::memset(packet + header_bytes, 0x55, payload_bytes);
    store_be32(packet + header_bytes, stamp_magic);
    store_be32(packet + header_bytes + 4, number);
    const uint64_t now = now_ns();
    std::memcpy(packet + header_bytes + 8, &now, sizeof now);
    int length = header_bytes + payload_bytes;
    if (end.sealer && end.sealer->seal(false, packet, length) != SrtpVerdict::ok) fail("libsrtp2 seals no more");
    return static_cast<size_t>(length);
  }

  void receive_all() {
    poll(polled_.data(), polled_.size(), 0);
    for (size_t at = 0; at < polled_.size(); ++at) {
      if ((polled_[at].revents & (POLLIN | POLLERR)) == 0) continue;
      receive(*streams_[at / 2], at % 2);
    }
  }

  void receive(std::array<End, 2>& ends, size_t side) {
    End& end = ends[side];
    for (;;) {
      mmsghdr messages[batch]{};
      iovec parts[batch];
      for (uint32_t i = 0; i < batch; ++i) {
        parts[i] = {packets_[i], packet_room};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      const int count = recvmmsg(end.socket, messages, batch, MSG_DONTWAIT, nullptr);
      if (count <= 0) return;
      const uint64_t now = now_ns();
      for (int i = 0; i < count; ++i) take(end, ends[1 - side], packets_[i], static_cast<int>(messages[i].msg_len), now);
      if (count < static_cast<int>(batch)) return;
    }
  }

  void take(End& end, const End& other, uint8_t* packet, int length, uint64_t now) {
    const bool is_genuine = !end.opener || end.opener->open(false, packet, length) == SrtpVerdict::ok;
    if (!is_genuine || length != static_cast<int>(header_bytes + payload_bytes) || load_be32(packet + header_bytes) != stamp_magic) {
      ++end.rejected;
      return;
    }
    const uint32_t number = load_be32(packet + header_bytes + 4);
    if (number >= other.sent) {
      ++end.rejected;
      return;
    }
    if (end.has_come.size() <= number) end.has_come.resize(size_t{number} * 2 + 1024);
    if (end.has_come[number]) {
      ++end.repeated;
      return;
    }
    end.has_come[number] = true;
    if (number >= other.marked) ++end.received;
    ++came_;
    if (end.last_ns != 0) end.longest_gap_ns = std::max(end.longest_gap_ns, now - end.last_ns);
    end.last_ns = now;
    uint64_t stamp = 0;
    std::memcpy(&stamp, packet + header_bytes + 8, sizeof stamp);
    if (latencies_ns_.size() < latency_samples) latencies_ns_.push_back(static_cast<double>(now - stamp));
  }

  static constexpr uint32_t most_gap = 1000;
  static constexpr size_t latency_samples = 1'000'000;
  const uint64_t interval_ns_;
  uint64_t begun_ns_ = 0;  // of sending
  uint64_t lag_ns_ = 0;    // time that was not made up for
  uint64_t marked_ns_ = 0;
  uint64_t ended_ns_ = 0;
  bool is_sending_ = false;
  std::optional<uint16_t> first_sequence_;
  uint32_t gap_ = 0;
  uint64_t came_ = 0;
  std::vector<std::unique_ptr<std::array<End, 2>>> streams_;
  std::vector<pollfd> polled_;
  std::vector<double> latencies_ns_;
  std::mt19937 random_{std::random_device{}()};
  uint8_t packets_[batch][packet_room];
};

// Lines of standard input as they come, without waiting for one.
class Orders {
 public:
  Orders() { fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK); }
  // False when there is none now.
  bool next(std::string& line) {
    for (;;) {
      const size_t end = text_.find('\n');
      if (end != std::string::npos) {
        line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return true;
      }
      char bytes[4096];
      const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
      if (count == 0) std::exit(0);  // whoever gave the orders is gone
      if (count < 0) return false;
      text_.append(bytes, static_cast<size_t>(count));
    }
  }

 private:
  std::string text_;
};

int run(uint32_t packets_per_s) {
  prctl(PR_SET_TIMERSLACK, 1000);
  Load load(packets_per_s);
  Orders orders;
  for (;;) {
    std::string line;
    while (orders.next(line)) {
      std::istringstream words(line);
      std::string order;
      words >> order;
      if (order == "stream") {
        load.add(words);
      } else if (order == "sequence") {
        load.set_sequence(words);
      } else if (order == "rebind") {
        load.rebind(words);
      } else if (order == "mark") {
        load.mark();
      } else if (order == "start") {
        load.start();
        std::printf("started\n");
        std::fflush(stdout);
      } else if (order == "report") {
        load.report();
      } else if (order == "stop") {
        load.stop();
        load.report();
        return 0;
      } else {
        fail("unknown order \"" + order + "\"");
      }
    }
    load.turn();
  }
}

}  // namespace
}  // namespace sallyport::perf

int main(int count, char** arguments) {
  const unsigned long rate = count == 2 ? std::strtoul(arguments[1], nullptr, 10) : 0;
  if (rate == 0 || rate > 100000) {
    std::fprintf(stderr, "usage: media_load PACKETS_PER_S (of each stream and direction, 1 to 100000)\n");
    return 2;
  }
  return sallyport::perf::run(static_cast<uint32_t>(rate));
}
