// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/successor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <filesystem>

extern char** environ;

namespace sallyport::node {

namespace {

namespace asio = boost::asio;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr auto patience = std::chrono::seconds(5);  // less than an answer of the API may take
constexpr auto look_interval = std::chrono::milliseconds(20);
constexpr size_t most_output_bytes = 4096;

// The program this process runs; its file may have been replaced by an installation, which the kernel marks.
std::string own_binary() {
  std::error_code error;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  constexpr std::string_view mark = " (deleted)";
  if (path.ends_with(mark)) path.resize(path.size() - mark.size());
  return path;
}

// Whoever could write the program would act with our keys.
Outcome<> may_take_over(const std::string& binary) {
  const std::string subject = "program " + binary;
  if (!binary.starts_with('/')) return Fault{FaultCode::invalid, subject, "is not named by its whole path", "write it as /usr/bin/sallyport-controlplane"};
  struct stat facts {};
  if (::stat(binary.c_str(), &facts) != 0) return Fault{FaultCode::missing, subject, std::strerror(errno), "check the path; the node's user must be able to reach it"};
  if (!S_ISREG(facts.st_mode) || ::access(binary.c_str(), X_OK) != 0) return Fault{FaultCode::invalid, subject, "is not a program that the node's user may run", "install it with mode 0755"};
  if ((facts.st_uid != 0 && facts.st_uid != ::geteuid()) || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Fault{FaultCode::refused, subject, "can be written by others than root and the node's user", "chown root it and chmod go-w it"};
  return Done{};
}

struct Child {
  pid_t pid = -1;
  int output = -1;
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (output >= 0) ::close(output);
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

Outcome<> start(Child& child, const std::string& binary, const std::string& node_file) {
  const Fault fault{FaultCode::refused, "program " + binary, "cannot be started", "is it built for this machine?"};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fault;
  child.output = ends[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::string words[] = {binary, "--config", node_file, "--check"};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  const int error = ::posix_spawn(&child.pid, binary.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error == 0) return Done{};
  child.pid = -1;
  return Fault{fault.code, fault.subject, fmt::format("cannot be started: {}", std::strerror(error)), fault.remedy};
}

std::string first_lines(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

asio::awaitable<Outcome<Successor>> check_successor(std::string binary, std::string node_file) {
  if (binary.empty()) binary = own_binary();
  const Outcome<> allowed = may_take_over(binary);
  if (!allowed) co_return allowed.fault();
  const std::string subject = "program " + binary;
  Child child;
  const Outcome<> started = start(child, binary, node_file);
  if (!started) co_return started.fault();
  const auto end = std::chrono::steady_clock::now() + patience;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  std::string said;
  char buffer[512];
  int status = 0;
  bool is_over = false;
  // A small child with a short life: looking at it from time to time is all it takes.
  while (!is_over) {
    is_over = ::waitpid(child.pid, &status, WNOHANG) == child.pid;
    ssize_t bytes = 0;
    while ((bytes = ::read(child.output, buffer, sizeof buffer)) > 0)
      if (said.size() < most_output_bytes) said.append(buffer, static_cast<size_t>(bytes));
    if (is_over) break;
    if (std::chrono::steady_clock::now() >= end) {
      co_return Fault{FaultCode::timeout, subject, "did not end its --check within 5 s", "run it with --check by hand"};
    }
    timer.expires_after(look_interval);
    co_await timer.async_wait(as_result);
  }
  child.pid = -1;
  const size_t at = said.rfind(successor_greeting);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && at != std::string::npos) {
    std::string version = said.substr(at + successor_greeting.size());
    co_return Successor{binary, version.substr(0, version.find('\n'))};
  }
  const std::string ended = WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status)) : fmt::format("does not take over (exit code {})", WEXITSTATUS(status));
  co_return Fault{FaultCode::refused, subject, said.empty() ? ended : ended + ": " + first_lines(said), "the running control plane goes on unchanged; correct this and try again"};
}

}  // namespace sallyport::node
