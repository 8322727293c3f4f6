// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/program_run.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <variant>

#include "controlplane/acme/problem.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using Descriptor = asio::posix::stream_descriptor;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// A service that may bind port 80 has a capability which every program it starts would inherit: it is laid aside meanwhile.
class AmbientAside {
 public:
  AmbientAside() {
    for (unsigned long capability = 0; capability < 64; ++capability) {
      if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1) held_.push_back(capability);
    }
    if (!held_.empty()) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  }
  ~AmbientAside() {
    for (const unsigned long capability : held_) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  }
  AmbientAside(const AmbientAside&) = delete;
  AmbientAside& operator=(const AmbientAside&) = delete;

 private:
  std::vector<unsigned long> held_;
};

// The process until it is reaped: whoever lets go of it kills it.
class Process {
 public:
  ~Process() {
    kill_group();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    if (pid_file_ >= 0) ::close(pid_file_);
    if (output_ >= 0) ::close(output_);
  }
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // 0, or an errno.
  int start(std::vector<std::string>& arguments) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
    output_ = ends[0];
    const int result = spawn(arguments, ends[1]);
    ::close(ends[1]);
    if (result != 0) return result;
    pid_file_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    return pid_file_ < 0 ? errno : ::fcntl(output_, F_SETFL, O_NONBLOCK) != 0 ? errno : 0;
  }

  // Exit status as waitpid() gives it; nullopt: not known.
  std::optional<int> reap() {
    int status = 0;
    const pid_t reaped = ::waitpid(pid_, &status, 0);
    // What it left running in the background is not wanted either.
    kill_group();
    pid_ = -1;
    return reaped > 0 ? std::optional<int>(status) : std::nullopt;
  }

  int release_pid_file() { return std::exchange(pid_file_, -1); }
  int release_output() { return std::exchange(output_, -1); }

 private:
  int spawn(std::vector<std::string>& arguments, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);  // ignored in this process
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LC_ALL=C.UTF-8";
    char* environment[] = {path, language, nullptr};
    const AmbientAside aside;
    const int result = ::posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (result != 0) pid_ = -1;
    return result;
  }
  void kill_group() const {
    if (pid_ > 0) ::kill(-pid_, SIGKILL);
  }

  pid_t pid_ = -1;
  int pid_file_ = -1, output_ = -1;
};

void keep(std::string& kept, std::string_view more) {
  kept.append(more);
  if (kept.size() > 2 * kept_output_bytes) kept.erase(0, kept.size() - kept_output_bytes);
}

// Never ends by itself, since a program may close its output before it ends; cancelling it loses nothing.
asio::awaitable<void> read_output(Descriptor& output, std::string& kept) {
  char buffer[1024];
  for (bool open = true; open;) {
    const auto [error, bytes] = co_await output.async_read_some(asio::buffer(buffer), as_result);
    open = !error;
    keep(kept, {buffer, bytes});
  }
  asio::steady_timer never(output.get_executor(), asio::steady_timer::time_point::max());
  co_await never.async_wait(as_result);
}

// What has come since; what it left running in the background may hold the pipe open.
void read_rest(Descriptor& output, std::string& kept) {
  char buffer[1024];
  for (ssize_t bytes = 1; bytes > 0;) {
    bytes = ::read(output.native_handle(), buffer, sizeof buffer);
    if (bytes > 0) keep(kept, {buffer, static_cast<size_t>(bytes)});
  }
}

asio::awaitable<void> wait_for_end(Descriptor& pid_file) { co_await pid_file.async_wait(Descriptor::wait_read, as_result); }

std::string last_words(std::string kept) {
  if (kept.size() > kept_output_bytes) kept.erase(0, kept.size() - kept_output_bytes);
  while (!kept.empty() && (kept.back() == '\n' || kept.back() == ' ')) kept.pop_back();
  return kept;
}

}  // namespace

asio::awaitable<Outcome<std::string>> run_program(ProgramRun run) {
  const std::string subject = "program " + run.arguments.front();
  Process process;
  if (const int error = process.start(run.arguments); error != 0) {
    co_return Fault{error == ENOENT ? FaultCode::missing : FaultCode::refused, subject, std::string("cannot be run: ") + std::strerror(error), "check its path, its mode and its first line"};
  }
  const auto executor = co_await asio::this_coro::executor;
  Descriptor pid_file(executor, process.release_pid_file()), output(executor, process.release_output());
  asio::steady_timer timer(executor, run.deadline);
  std::string kept;
  asio::awaitable<void> ending = wait_for_end(pid_file), reading = read_output(output, kept);
  asio::awaitable<std::variant<std::monostate, std::monostate>> finishing = std::move(ending) || std::move(reading);
  // Asio makes one list of the three.
  const auto first = co_await (std::move(finishing) || timer.async_wait(as_result));
  if (first.index() == 2) {
    const std::string said = last_words(kept);
    co_return Fault{FaultCode::timeout, subject, "ran longer than " + std::to_string(run.deadline.count()) + " ms and was killed" + (said.empty() ? "" : "; it said: " + shown(said)), "see what it waits for"};
  }
  const auto status = process.reap();
  read_rest(output, kept);
  const std::string said = last_words(kept);
  if (status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0) co_return said;
  std::string cause = !status ? "ended, and its exit status is not known" : WIFEXITED(*status) ? "ended with exit status " + std::to_string(WEXITSTATUS(*status)) : "was ended by signal " + std::to_string(WTERMSIG(*status));
  cause += said.empty() ? " and said nothing" : "; it said: " + shown(said);
  co_return Fault{FaultCode::refused, subject, cause, "run it by hand with the same arguments"};
}

}  // namespace sallyport::acme
