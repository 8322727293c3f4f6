// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/dialogue.h"

#include <unistd.h>

#include <cerrno>
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

bool is_confirmed(const Options& options, const std::string& question) {
  if (options.yes || !::isatty(STDIN_FILENO)) return true;
  std::cout << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

}  // namespace sallyport::cli
