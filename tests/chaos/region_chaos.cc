// SPDX-License-Identifier: Apache-2.0
// region_chaos SOCKET SECONDS SEED unused|all: a control plane gone mad. Takes the shared region from a running dataplane, as a control plane
// does, and for so long writes nonsense into it: command rings, their indices, a full ring at once, the header, records of flows and links.
//   unused   what belongs to flows and links that live is left alone: they must not notice
//   all      nothing is left alone: the dataplane must live on
// Prints one JSON line of what it did and what the dataplane counted.

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "dataplane/abi/region.h"

namespace sallyport::chaos {
namespace {

constexpr size_t descriptors_passed = 3;
constexpr long turn_ns = 500'000;
constexpr uint32_t commands_a_turn = 16;
constexpr uint32_t records_a_turn = 8;
constexpr uint32_t full_ring_every = 100;
constexpr unsigned long most_seconds = 3600;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "region_chaos: %s\n", what.c_str());
  std::exit(2);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

struct Access {
  uint8_t* memory = nullptr;
  uint64_t bytes = 0;
  int wake = -1;
};

Access take_region(const std::string& path) {
  const int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(path + ": too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail(path + ": " + std::strerror(errno));
  const abi::Hello hello;
  if (send(descriptor, &hello, sizeof hello, 0) != sizeof hello) fail("the dataplane takes no greeting");
  abi::Welcome welcome;
  alignas(cmsghdr) char control[CMSG_SPACE(descriptors_passed * sizeof(int))];
  iovec part{&welcome, sizeof welcome};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(descriptor, &message, MSG_CMSG_CLOEXEC) != sizeof welcome) fail("the dataplane does not answer");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_len != CMSG_LEN(descriptors_passed * sizeof(int))) fail("the dataplane passes no region");
  int passed[descriptors_passed];
  std::memcpy(passed, CMSG_DATA(header), sizeof passed);
  void* memory = mmap(nullptr, welcome.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, passed[0], 0);
  if (memory == MAP_FAILED) fail("the region cannot be mapped");
  // The connection stays open: a dataplane serves one control plane at a time, and this is it.
  return {static_cast<uint8_t*>(memory), welcome.region_bytes, passed[1]};
}

class Chaos {
 public:
  Chaos(const Access& access, uint64_t seed, bool spares_live) : access_(access), random_(seed), spares_live_(spares_live) {
    std::memcpy(static_cast<void*>(&header_), access.memory, sizeof header_);
    workers_ = reinterpret_cast<abi::WorkerArea*>(access.memory + header_.workers_offset);
    links_ = reinterpret_cast<abi::LinkRecord*>(access.memory + header_.links_offset);
    meters_ = reinterpret_cast<abi::FlowMeter*>(access.memory + header_.meters_offset);
    flows_ = reinterpret_cast<abi::FlowRecord*>(access.memory + header_.flows_offset);
    is_live_ = std::make_unique<bool[]>(header_.flow_capacity);
    for (uint32_t flow = 0; flow < header_.flow_capacity; ++flow) is_live_[flow] = flows_[flow].generation_live != 0;
    for (uint32_t link = 0; link < abi::max_links; ++link) is_link_live_[link] = links_[link].state.generation_live != 0;
  }

  void run(uint64_t seconds) {
    const Counts before = counts();
    const uint64_t end = now_ns() + seconds * 1'000'000'000u;
    for (turns_ = 1; now_ns() < end; ++turns_) {
      turn();
      const timespec rest{0, turn_ns};
      nanosleep(&rest, nullptr);
    }
    std::memcpy(access_.memory, &header_, sizeof header_);  // or no control plane could read the region again
    drain();
    const Counts after = counts();
    std::printf("{\"turns\": %lu, \"pushed\": %lu, \"full_rings\": %lu, \"records\": %lu, \"commands\": %lu, \"refused\": %lu}\n", turns_, pushed_, full_rings_,
                records_, after.commands - before.commands, after.refused - before.refused);
  }

 private:
  struct Counts {
    uint64_t commands = 0, refused = 0;
  };
  Counts counts() const {
    Counts sum;
    for (uint32_t worker = 0; worker < header_.worker_count; ++worker) {
      sum.commands += workers_[worker].counters.commands;
      sum.refused += workers_[worker].counters.commands_refused;
    }
    return sum;
  }

  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

  void scribble(void* at, size_t bytes) {
    auto* words = static_cast<uint8_t*>(at);
    for (size_t i = 0; i < bytes; ++i) words[i] = static_cast<uint8_t>(random_());
  }

  void turn() {
    abi::WorkerArea& worker = workers_[below(header_.worker_count)];
    for (uint32_t i = 0; i < commands_a_turn; ++i) push(worker);
    if (turns_ % full_ring_every == 0) fill(worker);
    // The consumer's indices are ours, and the producer's.
    if (below(8) == 0) worker.completions.tail.store(static_cast<uint32_t>(random_()), std::memory_order_release);
    if (below(8) == 0) worker.events.tail.store(static_cast<uint32_t>(random_()), std::memory_order_release);
    if (below(32) == 0) worker.commands.head.store(static_cast<uint32_t>(random_()), std::memory_order_release);
    if (below(4) != 0) worker.completions.tail.store(worker.completions.head.load(std::memory_order_acquire), std::memory_order_release);
    for (uint32_t i = 0; i < records_a_turn; ++i) spoil_record();
    scribble(access_.memory, sizeof header_);
    const uint64_t one = 1;
    if (write(access_.wake, &one, sizeof one) < 0 && errno != EAGAIN) fail("the dataplane's wake event is gone");
  }

  void push(abi::WorkerArea& worker) {
    abi::Command command;
    if (below(4) == 0) {
      scribble(&command, sizeof command);
    } else {
      make_plausible(command);
    }
    if (spares_live_ && concerns_live(command)) return;
    if (worker.commands.push(command)) ++pushed_;
  }

  bool concerns_live(const abi::Command& command) const {
    const auto is_live = [&](uint32_t flow) { return flow < header_.flow_capacity && is_live_[flow]; };
    const auto is_link_live = [&](uint32_t link) { return link < abi::max_links && is_link_live_[link]; };
    return is_live(command.flow_index) || is_live(command.flow.flow_index) || is_link_live(command.link) || is_link_live(command.link_spec.link);
  }

  // One that may well be obeyed, about things that nobody needs.
  void make_plausible(abi::Command& command) {
    command.id = random_();
    command.type = static_cast<abi::CommandType>(below(7));
    command.modify_flags = static_cast<uint8_t>(random_());
    command.link = static_cast<uint16_t>(below(abi::max_links + 2));
    command.flow_index = below(header_.flow_capacity + 16);
    command.generation = below(4);
    abi::FlowSpec& flow = command.flow;
    flow.flow_index = below(4) == 0 ? static_cast<uint32_t>(random_()) : command.flow_index;
    flow.generation = below(4);
    flow.arrival = static_cast<abi::Arrival>(below(4));
    flow.media = static_cast<abi::Media>(below(4));
    flow.verbs = static_cast<uint8_t>(below(9));
    flow.latch = static_cast<abi::Latch>(below(7));
    flow.flags = static_cast<uint16_t>(below(16));
    flow.local_slot = static_cast<uint16_t>(below(4));
    flow.local_port = static_cast<uint16_t>(random_());
    flow.arrival_link = flow.egress_link = command.link;
    flow.arrival_multiplex_id = static_cast<uint32_t>(random_()) & ~3u;
    flow.egress_multiplex_id = static_cast<uint32_t>(random_()) & ~3u;
    flow.rtcp_flow = below(header_.flow_capacity + 16);
    flow.destination_flow = below(header_.flow_capacity + 16);
    flow.egress_slot = static_cast<uint16_t>(below(4));
    flow.egress_port = static_cast<uint16_t>(random_());
    flow.open_key.suite = static_cast<abi::Suite>(below(7));
    flow.seal_key.suite = static_cast<abi::Suite>(below(7));
    scribble(&flow.destination, sizeof flow.destination);
    flow.destination.family = static_cast<uint8_t>(below(8));
    abi::LinkSpec& link = command.link_spec;
    link.link = command.link;
    link.role = static_cast<abi::LinkRole>(below(4));
    link.generation = below(4);
    link.session = random_();
    link.local_slot = static_cast<uint16_t>(below(4));
    // Not at the ports of a link that lives.
    link.local_rtp_port = static_cast<uint16_t>(1024 + below(30000));
    link.local_rtcp_port = static_cast<uint16_t>(1024 + below(30000));
    link.keepalive_ms = static_cast<uint16_t>(below(3));
  }

  // All at once, before anybody can take one.
  void fill(abi::WorkerArea& worker) {
    const uint32_t tail = worker.commands.tail.load(std::memory_order_acquire);
    abi::Command command;
    for (uint32_t i = 0; i < abi::command_ring_capacity; ++i) {
      do make_plausible(command);
      while (spares_live_ && concerns_live(command));
      std::memcpy(static_cast<void*>(&worker.commands.entries[(tail + i) % abi::command_ring_capacity]), &command, sizeof command);
    }
    worker.commands.head.store(tail + abi::command_ring_capacity, std::memory_order_release);
    ++full_rings_;
    pushed_ += abi::command_ring_capacity;
  }

  void spoil_record() {
    const uint32_t flow = below(header_.flow_capacity);
    if (!spares_live_ || !is_live_[flow]) {
      scribble(&flows_[flow], sizeof flows_[flow]);
      scribble(&meters_[flow], sizeof meters_[flow]);
      ++records_;
    }
    const uint32_t link = below(abi::max_links);
    if (!spares_live_ || !is_link_live_[link]) {
      scribble(&links_[link], sizeof links_[link]);
      ++records_;
    }
  }

  // Nothing of ours waits for the next control plane.
  void drain() {
    const uint64_t deadline = now_ns() + 5'000'000'000u;
    for (uint32_t id = 0; id < header_.worker_count; ++id) {
      abi::WorkerArea& worker = workers_[id];
      while (worker.commands.head.load() != worker.commands.tail.load() && now_ns() < deadline) {
        worker.completions.tail.store(worker.completions.head.load());
        const timespec rest{0, turn_ns};
        nanosleep(&rest, nullptr);
      }
      worker.completions.tail.store(worker.completions.head.load());
      worker.events.tail.store(worker.events.head.load());
    }
  }

  const Access access_;
  std::mt19937_64 random_;
  const bool spares_live_;
  abi::RegionHeader header_;
  abi::WorkerArea* workers_;
  abi::LinkRecord* links_;
  abi::FlowMeter* meters_;
  abi::FlowRecord* flows_;
  std::unique_ptr<bool[]> is_live_;
  bool is_link_live_[abi::max_links] = {};
  uint64_t turns_ = 0, pushed_ = 0, full_rings_ = 0, records_ = 0;
};

}  // namespace
}  // namespace sallyport::chaos

int main(int count, char** arguments) {
  const std::string what = count == 5 ? arguments[4] : "";
  const unsigned long seconds = count == 5 ? std::strtoul(arguments[2], nullptr, 10) : 0;
  if (seconds == 0 || seconds > sallyport::chaos::most_seconds || (what != "unused" && what != "all")) {
    std::fprintf(stderr, "usage: region_chaos SOCKET SECONDS SEED unused|all\n");
    return 2;
  }
  const uint64_t seed = std::strtoull(arguments[3], nullptr, 10);
  sallyport::chaos::Chaos(sallyport::chaos::take_region(arguments[1]), seed, what == "unused").run(seconds);
  return 0;
}
