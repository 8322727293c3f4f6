// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/dialogue.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

namespace sallyport::cli {

int complain(const std::string& text, int code) {
  std::cerr << "sallyport: " << text << "\n";
  return code;
}

int complain_unreadable(const std::string& path) { return complain(path + ": cannot be read: " + std::strerror(errno) + "; check the path and its permissions", exit_error); }

bool read_file(const std::string& path, std::string& text) {
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
    return true;
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  text.assign(std::istreambuf_iterator<char>(file), {});
  return !file.bad();
}

bool read_secret(const std::string& path, std::string& secret) {
  if (!read_file(path, secret)) return false;
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  return true;
}

bool ask_secret(const std::string& question, std::string& secret) {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0) return false;
  termios before{};
  const bool is_terminal = ::tcgetattr(terminal, &before) == 0;
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  silent.c_lflag |= ECHONL;
  // Signals are held back: an interrupted command must not leave the terminal silent.
  sigset_t mine, former;
  sigemptyset(&mine);
  for (const int signal : {SIGINT, SIGTERM, SIGTSTP, SIGHUP}) sigaddset(&mine, signal);
  sigprocmask(SIG_BLOCK, &mine, &former);
  if (is_terminal) ::tcsetattr(terminal, TCSAFLUSH, &silent);
  const std::string prompt = question + ": ";
  bool is_asked = ::write(terminal, prompt.data(), prompt.size()) == static_cast<ssize_t>(prompt.size());
  secret.clear();
  char c = 0;
  while (is_asked && ::read(terminal, &c, 1) == 1 && c != '\n') secret += c;
  if (is_terminal) ::tcsetattr(terminal, TCSAFLUSH, &before);
  sigprocmask(SIG_SETMASK, &former, nullptr);
  ::close(terminal);
  return is_asked && !secret.empty();
}

bool is_confirmed(const Options& options, const std::string& question) {
  if (options.yes || !::isatty(STDIN_FILENO)) return true;
  std::cout << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

}  // namespace sallyport::cli
