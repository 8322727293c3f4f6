// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a command and its user say to each other: complaints on standard error with an exit code, files and secrets that are read, and
// the question before something is changed. One thread.

#include <string>

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int complain(const std::string& text, int code);       // "sallyport: TEXT"; returns the code
int complain_unreadable(const std::string& path);      // by errno

bool read_file(const std::string& path, std::string& text);    // "-": standard input; false: errno says why
// A secret stands in a file of its own, since every user of the machine can read a command line; line ends behind it do not count.
bool read_secret(const std::string& path, std::string& secret);

// Asks at the terminal, without showing what is typed. False: there is no terminal, or nothing was typed.
bool ask_secret(const std::string& question, std::string& secret);

// Without a terminal, and with --yes, nobody is asked.
bool is_confirmed(const Options& options, const std::string& question);

}  // namespace sallyport::cli
