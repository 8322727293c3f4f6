// SPDX-License-Identifier: Apache-2.0
#pragma once
// ChildProcess: a real peer that a test starts, with its output in a file, and ends with it. No shell.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controlplane/tls/socket_address.h"

namespace sallyport::acme_test {

// Where it is on the path or among the system's programs; empty: not installed.
inline std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  folders += ":/usr/bin:/usr/sbin:/bin:/sbin";
  for (size_t from = 0; from <= folders.size();) {
    const size_t colon = std::min(folders.find(':', from), folders.size());
    const std::string candidate = folders.substr(from, colon - from) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    from = colon + 1;
  }
  return "";
}

// Free for TCP and UDP both, and outside the range from which the kernel serves everybody else, so that it stays free. Never the same
// twice: what was given may be bound much later.
inline uint16_t free_port() {
  static std::minstd_rand random{std::random_device{}()};
  static std::set<uint16_t> given;
  for (int i = 0; i < 1000; ++i) {
    const auto address = *tls::SocketAddress::parse("127.0.0.1", static_cast<uint16_t>(10240 + random() % 10000));
    if (given.contains(address.port())) continue;
    const int stream = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), datagram = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool is_free = ::bind(stream, address.kernel(), address.kernel_length()) == 0 && ::bind(datagram, address.kernel(), address.kernel_length()) == 0;
    ::close(stream);
    ::close(datagram);
    if (!is_free) continue;
    given.insert(address.port());
    return address.port();
  }
  return 0;
}

inline bool answers_tcp(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = *tls::SocketAddress::parse("127.0.0.1", port);
  const bool answered = ::connect(fd, address.kernel(), address.kernel_length()) == 0;
  ::close(fd);
  return answered;
}

class ChildProcess {
 public:
  ChildProcess() = default;
  ~ChildProcess() { stop(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  bool start(std::vector<std::string> arguments, std::vector<std::string> environment, const std::string& log_path) {
    log_path_ = log_path;
    std::vector<char*> argv, envp;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    for (std::string& entry : environment) envp.push_back(entry.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nobody behind
      ::dup2(nothing, 0);
      ::dup2(log, 1);
      ::dup2(log, 2);
      ::execve(argv[0], argv.data(), envp.data());
      ::_exit(127);
    }
    ::close(log);
    ::close(nothing);
    return pid_ > 0;
  }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  bool is_running() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
  }
  std::string log() const {
    std::ifstream file(log_path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  pid_t pid_ = -1;
  std::string log_path_;
};

}  // namespace sallyport::acme_test
