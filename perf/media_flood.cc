// SPDX-License-Identifier: Apache-2.0
// media_flood INTERFACE KIND PACKETS_PER_S SECONDS: one hostile source, in the lab only. Sends frames of a kind of tests/unit/dataplane/flood.h
// out of INTERFACE, or for KIND "replays" once more what it saw leave by it for a relay port in the first half second.
// Standard input, to its end:
//   to MAC                                              where the frames go
//   around STRANGER_IP GATEWAY_IP UNUSED_PORT LINK_SOURCE_IP LINK_SOURCE_PORT LINK_IP LINK_PORT     before the first flow
//   flow PHONE_IP PHONE_PORT RELAY_IP RELAY_PORT        one that runs; as many as there are
// Prints one JSON line of what it sent, and for each reason how many frames must be dropped for it. Where the
// machine is too slow for the rate, "per_s" says what it was.

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/dataplane/flood.h"

namespace sallyport::perf {
namespace {

using test::Bytes;
using test::FloodFrame;
using test::FloodTarget;

constexpr size_t frames_wanted = 4096;  // in turn, so that ports, IDs and contents vary
constexpr uint32_t batch = 32;
constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t tick_ns = 1'000'000;
constexpr int listen_ms = 500;
constexpr unsigned long most_per_s = 2'000'000;
constexpr unsigned long most_seconds = 3600;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "media_flood: %s\n", what.c_str());
  std::exit(2);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * second_ns + static_cast<uint64_t>(now.tv_nsec);
}

abi::Address address_of(const std::string& ip, const std::string& port) {
  const abi::Address address = test::address(ip, static_cast<uint16_t>(std::strtoul(port.c_str(), nullptr, 10)));
  if (address.family != 4) fail("\"" + ip + "\" is no IPv4 address");
  return address;
}

struct Order {
  uint8_t mac[6] = {};
  FloodTarget around;
  std::vector<FloodTarget> targets;
};

void read_line(const std::string& line, Order& order) {
  std::istringstream words(line);
  std::string what;
  std::vector<std::string> rest;
  words >> what;
  for (std::string word; words >> word;) rest.push_back(word);
  if (what == "to" && rest.size() == 1) {
    unsigned byte[6];
    if (std::sscanf(rest[0].c_str(), "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) != 6) fail("no MAC address");
    for (int i = 0; i < 6; ++i) order.mac[i] = static_cast<uint8_t>(byte[i]);
  } else if (what == "around" && rest.size() == 7) {
    order.around.stranger = address_of(rest[0], "4000");
    order.around.gateway = address_of(rest[1], "0");
    order.around.unused_relay.port = static_cast<uint16_t>(std::strtoul(rest[2].c_str(), nullptr, 10));
    order.around.link_source = address_of(rest[3], rest[4]);
    order.around.link = address_of(rest[5], rest[6]);
  } else if (what == "flow" && rest.size() == 4) {
    FloodTarget target = order.around;
    target.phone = address_of(rest[0], rest[1]);
    target.relay = address_of(rest[2], rest[3]);
    const uint16_t unused = target.unused_relay.port;
    target.unused_relay = target.relay;
    target.unused_relay.port = unused;
    order.targets.push_back(target);
  } else {
    fail("cannot read \"" + line + "\"");
  }
}

int open_socket(const std::string& interface) {
  const int descriptor = socket(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (descriptor < 0 || where.sll_ifindex == 0 || bind(descriptor, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    fail(interface + ": no packet socket: " + std::strerror(errno));
  }
  const int one = 1;
  setsockopt(descriptor, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
  return descriptor;
}

std::vector<FloodFrame> frames_of(test::FloodKind kind, const Order& order, std::mt19937& random) {
  std::vector<FloodFrame> frames;
  for (size_t at = 0; frames.size() < frames_wanted; ++at) {
    for (FloodFrame& frame : test::flood_frames(kind, order.targets[at % order.targets.size()], random)) {
      if (frame.bytes[0] != 0xff) std::memcpy(frame.bytes.data(), order.mac, sizeof order.mac);
      frames.push_back(std::move(frame));
    }
  }
  return frames;
}

bool is_of(const Bytes& frame, const std::vector<FloodTarget>& targets) {
  if (frame.size() < 54 || frame[12] != 8 || frame[13] != 0 || frame[23] != 17) return false;
  return std::any_of(targets.begin(), targets.end(), [&](const FloodTarget& target) {
    return std::memcmp(&frame[30], target.relay.ip, 4) == 0 && (frame[36] << 8 | frame[37]) == target.relay.port;
  });
}

// What phones sent, as it passed: the tags are right, and the numbers have been seen.
std::vector<FloodFrame> listen(int socket, const std::vector<FloodTarget>& targets) {
  sockaddr_ll all{};
  socklen_t length = sizeof all;
  getsockname(socket, reinterpret_cast<sockaddr*>(&all), &length);
  all.sll_protocol = htons(ETH_P_ALL);
  const int ear = ::socket(AF_PACKET, SOCK_RAW, 0);
  if (ear < 0 || bind(ear, reinterpret_cast<sockaddr*>(&all), sizeof all) != 0) fail("cannot listen on the interface");
  std::vector<FloodFrame> frames;
  for (const uint64_t end = now_ns() + listen_ms * tick_ns; now_ns() < end && frames.size() < frames_wanted;) {
    pollfd waiting{ear, POLLIN, 0};
    if (poll(&waiting, 1, 10) <= 0) continue;
    Bytes frame(2048);
    frame.resize(static_cast<size_t>(std::max<ssize_t>(recv(ear, frame.data(), frame.size(), 0), 0)));
    if (is_of(frame, targets)) frames.push_back({"a replay", std::move(frame), {}});
  }
  close(ear);
  if (frames.empty()) fail("nothing to replay was heard");
  return frames;
}

class Flood {
 public:
  Flood(int socket, std::vector<FloodFrame> frames) : socket_(socket), frames_(std::move(frames)), times_(frames_.size()) {}

  void run(uint64_t per_s, uint64_t seconds) {
    begun_ns_ = now_ns();
    const uint64_t end_ns = begun_ns_ + seconds * second_ns;
    for (uint64_t now = begun_ns_; now < end_ns; now = now_ns()) {
      const uint64_t due = (now - begun_ns_) * per_s / second_ns;
      // Behind time what is due is not made up for: a flood that comes in heaps would be another kind.
      const uint64_t most = std::max<uint64_t>(per_s / 100, 1);
      const uint64_t turn = std::min(due - std::min(due, turned_), most);
      send(turn);
      turned_ = due;
      const uint64_t spent = now_ns() - now;
      const timespec rest{0, static_cast<long>(spent < tick_ns ? tick_ns - spent : 0)};
      nanosleep(&rest, nullptr);
    }
    ended_ns_ = now_ns();
  }

  void report() const {
    std::map<std::string, uint64_t> reasons;
    uint64_t sent = 0, undecided = 0;
    for (size_t at = 0; at < frames_.size(); ++at) {
      sent += times_[at];
      if (frames_[at].drop) {
        reasons[abi::drop_reason_info[static_cast<size_t>(*frames_[at].drop)].name] += times_[at];
      } else {
        undecided += times_[at];
      }
    }
    const double seconds = static_cast<double>(ended_ns_ - begun_ns_) * 1e-9;
    std::printf("{\"sent\": %lu, \"per_s\": %.0f, \"undecided\": %lu, \"drops\": {", sent, static_cast<double>(sent) / seconds, undecided);
    const char* comma = "";
    for (const auto& [name, count] : reasons) {
      std::printf("%s\"%s\": %lu", comma, name.c_str(), count);
      comma = ", ";
    }
    std::printf("}}\n");
  }

 private:
  void send(uint64_t count) {
    while (count > 0) {
      mmsghdr messages[batch]{};
      iovec parts[batch];
      const auto wanted = static_cast<uint32_t>(std::min<uint64_t>(count, batch));
      for (uint32_t i = 0; i < wanted; ++i) {
        Bytes& bytes = frames_[(next_ + i) % frames_.size()].bytes;
        parts[i] = {bytes.data(), bytes.size()};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      const int sent = sendmmsg(socket_, messages, wanted, MSG_DONTWAIT);
      for (int i = 0; i < sent; ++i) ++times_[(next_ + static_cast<size_t>(i)) % frames_.size()];
      // One that the interface refuses must not stand in the way of the rest.
      next_ = (next_ + static_cast<size_t>(std::max(sent, 1))) % frames_.size();
      count -= static_cast<uint64_t>(std::max(sent, 1));
    }
  }

  const int socket_;
  std::vector<FloodFrame> frames_;
  std::vector<uint64_t> times_;
  size_t next_ = 0;
  uint64_t turned_ = 0;
  uint64_t begun_ns_ = 0;
  uint64_t ended_ns_ = 0;
};

}  // namespace

int run(const std::string& interface, const std::string& name, uint64_t per_s, uint64_t seconds) {
  Order order;
  for (std::string line; std::getline(std::cin, line);) read_line(line, order);
  if (order.targets.empty()) fail("no flow was named");
  std::mt19937 random{std::random_device{}()};
  const int socket = open_socket(interface);
  const auto kind = test::flood_kind(name);
  if (!kind && name != "replays") fail("no flood is called \"" + name + "\"");
  Flood flood(socket, kind ? frames_of(*kind, order, random) : listen(socket, order.targets));
  flood.run(per_s, seconds);
  flood.report();
  close(socket);
  return 0;
}

}  // namespace sallyport::perf

int main(int count, char** arguments) {
  const unsigned long per_s = count == 5 ? std::strtoul(arguments[3], nullptr, 10) : 0;
  const unsigned long seconds = count == 5 ? std::strtoul(arguments[4], nullptr, 10) : 0;
  if (per_s == 0 || per_s > sallyport::perf::most_per_s || seconds == 0 || seconds > sallyport::perf::most_seconds) {
    std::fprintf(stderr, "usage: media_flood INTERFACE KIND PACKETS_PER_S SECONDS (up to %lu a second, %lu s)\n", sallyport::perf::most_per_s,
                 sallyport::perf::most_seconds);
    return 2;
  }
  return sallyport::perf::run(arguments[1], arguments[2], per_s, seconds);
}
