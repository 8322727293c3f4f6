// SPDX-License-Identifier: Apache-2.0
#pragma once
// run_program(): runs one program without a shell and without this process's environment, descriptors and ambient capabilities,
// waits for it without blocking the thread, and keeps the end of what it prints. At the deadline, and when the caller is cancelled,
// its whole process group is killed. On the thread of the io_context.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct ProgramRun {
  std::vector<std::string> arguments;  // the first is the absolute path
  std::chrono::milliseconds deadline{60000};
};

inline constexpr size_t kept_output_bytes = 2048;

// What it printed, after exit status 0; everything else is a Fault that ends with what it printed last.
boost::asio::awaitable<Outcome<std::string>> run_program(ProgramRun run);

}  // namespace sallyport::acme
