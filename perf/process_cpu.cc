// SPDX-License-Identifier: Apache-2.0
#include "perf/process_cpu.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::perf {

ProcessCpu::ProcessCpu(const std::string& pids) {
  std::istringstream list(pids);
  for (std::string pid; std::getline(list, pid, ',');) pids_.push_back(std::stoi(pid));
}

uint64_t ProcessCpu::used_ns() const {
  uint64_t sum = 0;
  for (const pid_t pid : pids_) {
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
      uint64_t ran_ns = 0;  // the first number of schedstat
      std::ifstream(thread.path() / "schedstat") >> ran_ns;
      sum += ran_ns;
    }
  }
  return sum;
}

}  // namespace sallyport::perf
