// SPDX-License-Identifier: Apache-2.0
#pragma once
// Command: `sallyport` as a process with its standard streams in pipes, without a terminal.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

extern char** environ;

namespace sallyport::api {

struct Finished {
  int code = -1;
  std::string out, err;
};

inline std::string drain(int descriptor) {
  std::string text;
  char chunk[4096];
  for (ssize_t count; (count = ::read(descriptor, chunk, sizeof chunk)) > 0;) text.append(chunk, static_cast<std::size_t>(count));
  ::close(descriptor);
  return text;
}

// A process with its standard streams in pipes.
class Command {
 public:
  explicit Command(std::vector<std::string> words) {
    int out[2], err[2];
    EXPECT_EQ(::pipe(out), 0);
    EXPECT_EQ(::pipe(err), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    for (int descriptor : {out[0], out[1], err[0], err[1]}) posix_spawn_file_actions_addclose(&actions, descriptor);
    words.insert(words.begin(), SALLYPORT_COMMAND);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, SALLYPORT_COMMAND, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  // Blocks until the text was printed or the process ended.
  bool prints(const std::string& text) {
    char chunk[4096];
    while (seen_.find(text) == std::string::npos) {
      ssize_t count = ::read(out_, chunk, sizeof chunk);
      if (count <= 0) return false;
      seen_.append(chunk, static_cast<std::size_t>(count));
    }
    return true;
  }
  Finished wait() {
    Finished run;
    run.out = seen_ + drain(out_);
    run.err = drain(err_);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return run;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::string seen_;
};

inline Finished run(std::vector<std::string> words) { return Command(std::move(words)).wait(); }

}  // namespace sallyport::api
