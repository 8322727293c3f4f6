// SPDX-License-Identifier: Apache-2.0
#pragma once
// RegionClient: the control plane's side of the contract, as small as tests need it: fetches or is given a region, sends
// commands to worker 0 and waits for their completions by the notify descriptor.

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "dataplane/abi/region.h"

namespace sallyport::test {

class RegionClient {
 public:
  // Connects until the deadline; `offered` is a region for adoption or -1.
  static std::optional<RegionClient> connect(const std::string& path, int offered = -1, int deadline_ms = 10000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    while (std::chrono::steady_clock::now() < end) {
      const int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
      if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        RegionClient client;
        client.socket_ = descriptor;
        if (client.greet(offered)) return client;
      }
      close(descriptor);
      poll(nullptr, 0, 20);
    }
    return std::nullopt;
  }
  RegionClient() = default;
  RegionClient(RegionClient&& other) noexcept { *this = std::move(other); }
  RegionClient& operator=(RegionClient&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(region_, other.region_);
    std::swap(wake_, other.wake_);
    std::swap(notify_, other.notify_);
    std::swap(base_, other.base_);
    std::swap(welcome_, other.welcome_);
    return *this;
  }
  ~RegionClient() {
    if (base_ != nullptr) munmap(base_, welcome_.region_bytes);
    for (const int descriptor : {socket_, region_, wake_, notify_}) {
      if (descriptor >= 0) close(descriptor);
    }
  }

  const abi::Welcome& welcome() const { return welcome_; }
  int region_descriptor() const { return region_; }
  abi::RegionHeader& header() { return *reinterpret_cast<abi::RegionHeader*>(base_); }
  abi::WorkerArea& worker() { return *reinterpret_cast<abi::WorkerArea*>(base_ + header().workers_offset); }
  abi::LinkRecord& link(uint32_t index) { return reinterpret_cast<abi::LinkRecord*>(base_ + header().links_offset)[index]; }
  abi::FlowMeter& meter(uint32_t flow) { return reinterpret_cast<abi::FlowMeter*>(base_ + header().meters_offset)[flow]; }
  abi::FlowRecord& flow(uint32_t index) { return reinterpret_cast<abi::FlowRecord*>(base_ + header().flows_offset)[index]; }
  uint64_t drops(abi::DropReason reason) { return worker().counters.drops[static_cast<size_t>(reason)]; }

  // The completion's status; nothing when none came within two seconds.
  std::optional<abi::CommandStatus> run(abi::Command command) {
    command.id = ++next_id_;
    if (!worker().commands.push(command)) return std::nullopt;
    const uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) return std::nullopt;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (std::chrono::steady_clock::now() < end) {
      abi::Completion completion;
      while (worker().completions.pop(completion)) {
        if (completion.id == command.id) return completion.status;
      }
      wait_for_news(100);
    }
    return std::nullopt;
  }

  void wait_for_news(int deadline_ms) {
    pollfd news{notify_, POLLIN, 0};
    uint64_t count = 0;
    if (poll(&news, 1, deadline_ms) > 0 && read(notify_, &count, sizeof count) < 0) count = 0;
  }

  // Waits for an event of the type; events before it are dropped.
  std::optional<abi::Event> wait_event(abi::EventType type, int deadline_ms = 3000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    do {
      abi::Event event;
      while (worker().events.pop(event)) {
        if (event.type == type) return event;
      }
      wait_for_news(50);
    } while (std::chrono::steady_clock::now() < end);
    return std::nullopt;
  }

 private:
  bool greet(int offered) {
    abi::Hello hello;
    hello.region_offered = offered >= 0;
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    iovec part{&hello, sizeof hello};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (offered >= 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &offered, sizeof offered);
    }
    if (sendmsg(socket_, &message, 0) < 0) return false;
    part = {&welcome_, sizeof welcome_};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(socket_, &message, MSG_CMSG_CLOEXEC) != sizeof welcome_) return false;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_len != CMSG_LEN(3 * sizeof(int))) return false;
    int descriptors[3];
    std::memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
    region_ = descriptors[0];
    wake_ = descriptors[1];
    notify_ = descriptors[2];
    void* base = mmap(nullptr, welcome_.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region_, 0);
    if (base == MAP_FAILED) return false;
    base_ = static_cast<uint8_t*>(base);
    return true;
  }

  int socket_ = -1;
  int region_ = -1;
  int wake_ = -1;
  int notify_ = -1;
  uint8_t* base_ = nullptr;
  abi::Welcome welcome_;
  uint64_t next_id_ = 0;
};

}  // namespace sallyport::test
