// SPDX-License-Identifier: Apache-2.0
#pragma once
// Network namespaces for tests that need real interfaces: made and removed by the test that owns them. Needs root.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {

inline bool shell(const std::string& line) { return std::system((line + " >/dev/null 2>&1").c_str()) == 0; }

// Looks again until the condition holds; false when the deadline is over.
template <class Condition>
bool until(Condition condition, int deadline_ms = 5000) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    poll(nullptr, 0, 10);
  }
  return true;
}

class Namespace {
 public:
  explicit Namespace(const std::string& role) : name_("sptest-" + std::to_string(getpid()) + "-" + role) {
    made_ = shell("ip netns add " + name_) && in("ip link set lo up");
  }
  ~Namespace() { shell("ip netns del " + name_); }
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  bool made() const { return made_; }
  const std::string& name() const { return name_; }
  bool in(const std::string& line) const { return shell("ip netns exec " + name_ + " " + line); }

  // What a command says there.
  std::string output(const std::string& line) const {
    std::string text;
    FILE* pipe = popen(("ip netns exec " + name_ + " " + line + " 2>&1").c_str(), "r");
    char part[256];
    while (pipe != nullptr && std::fgets(part, sizeof part, pipe) != nullptr) text += part;
    if (pipe != nullptr) pclose(pipe);
    return text;
  }
  uint64_t number(const std::string& path) const { return std::strtoull(output("cat " + path).c_str(), nullptr, 10); }

  // Runs `work` on a thread within the namespace: sockets made there stay there.
  template <class Work>
  void inside(Work work) const {
    std::thread([&] {
      const int space = open(("/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC);
      const bool is_there = space >= 0 && setns(space, CLONE_NEWNET) == 0;
      if (space >= 0) close(space);
      if (is_there) work();
    }).join();
  }

  // A socket bound to ip:port within the namespace; -1: it cannot be.
  int socket(const std::string& ip, uint16_t port, int type = SOCK_DGRAM) const {
    int descriptor = -1;
    inside([&] {
      const bool is_v6 = ip.find(':') != std::string::npos;
      descriptor = ::socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
      sockaddr_storage address = endpoint(ip, port);
      if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in)) != 0) {
        close(descriptor);
        descriptor = -1;
      }
    });
    return descriptor;
  }

  static sockaddr_storage endpoint(const std::string& ip, uint16_t port) {
    sockaddr_storage storage{};
    if (ip.find(':') != std::string::npos) {
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(port);
      inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr);
    } else {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
      v4->sin_family = AF_INET;
      v4->sin_port = htons(port);
      inet_pton(AF_INET, ip.c_str(), &v4->sin_addr);
    }
    return storage;
  }

 private:
  std::string name_;
  bool made_ = false;
};

// A veth pair between two namespaces; the software checksum is left on, as packets never meet hardware.
inline bool join(const Namespace& a, const std::string& a_if, const std::string& a_ip, const Namespace& b, const std::string& b_if,
                 const std::string& b_ip) {
  const auto set = [](const Namespace& space, const std::string& name, const std::string& ip) {
    return space.in("ip addr add " + ip + " dev " + name + (ip.find(':') != std::string::npos ? " nodad" : "")) &&
           space.in("ip link set " + name + " up") && space.in("ethtool -K " + name + " tx off");
  };
  return shell("ip link add " + a_if + " netns " + a.name() + " type veth peer name " + b_if + " netns " + b.name()) &&
         set(a, a_if, a_ip) && set(b, b_if, b_ip);
}

// Whole frames of an interface of a namespace: sends them, and sees all that pass there, either way.
class FrameSocket {
 public:
  FrameSocket(const Namespace& space, const std::string& interface) {
    space.inside([&] {
      address_.sll_family = AF_PACKET;
      address_.sll_protocol = htons(ETH_P_ALL);
      address_.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
      descriptor_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
      if (bind(descriptor_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0) {
        close(descriptor_);
        descriptor_ = -1;
      }
    });
  }
  ~FrameSocket() { close(descriptor_); }
  FrameSocket(const FrameSocket&) = delete;
  FrameSocket& operator=(const FrameSocket&) = delete;
  int descriptor() const { return descriptor_; }
  bool send(const std::vector<uint8_t>& frame) const {
    return sendto(descriptor_, frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == static_cast<ssize_t>(frame.size());
  }

 private:
  int descriptor_ = -1;
  sockaddr_ll address_{};
};

// A program within a namespace, ended by its id; what it says goes to a file when one is named.
class Program {
 public:
  Program(const Namespace& space, std::vector<std::string> words, const std::string& log = "") {
    std::vector<std::string> all = {"ip", "netns", "exec", space.name()};
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> arguments;
    for (auto& word : all) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      if (!log.empty() && std::freopen(log.c_str(), "a", stderr) == nullptr) _exit(126);
      execvp("ip", arguments.data());
      _exit(127);
    }
  }
  ~Program() { end(SIGTERM); }
  // The exit status as waitpid gives it.
  int end(int signal) {
    if (pid_ <= 0) return -1;
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

inline bool send_to(int socket, const std::vector<uint8_t>& bytes, const std::string& ip, uint16_t port) {
  const sockaddr_storage address = Namespace::endpoint(ip, port);
  const socklen_t length = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  return sendto(socket, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&address), length) == static_cast<ssize_t>(bytes.size());
}

inline std::optional<std::vector<uint8_t>> receive_from(int socket, int deadline_ms) {
  pollfd waiting{socket, POLLIN, 0};
  if (poll(&waiting, 1, deadline_ms) <= 0) return std::nullopt;
  std::vector<uint8_t> bytes(2048);
  const ssize_t length = recv(socket, bytes.data(), bytes.size(), 0);
  if (length < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(length));
  return bytes;
}

}  // namespace sallyport::test
