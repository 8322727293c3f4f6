// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a benchmark asks of its own process: the time, and the memory it holds. Any thread.

#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace sallyport::perf {

// CLOCK_MONOTONIC.
inline uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

// The resident set; hugepages are no part of it.
inline uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace sallyport::perf
