// SPDX-License-Identifier: Apache-2.0
#pragma once
// ProcessCpu: CPU time that a set of other processes has used, all their threads, those of the kernel's io_uring included: the sum
// of what the scheduler accounts them, to the nanosecond. A process that is gone counts nothing, so its caller must know it lives.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::perf {

class ProcessCpu {
 public:
  // "12,13,14"
  explicit ProcessCpu(const std::string& pids);
  uint64_t used_ns() const;

 private:
  std::vector<pid_t> pids_;
};

}  // namespace sallyport::perf
