// SPDX-License-Identifier: Apache-2.0
#include "dataplane/reserved_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::dataplane {

Outcome<ReservedMemory> ReservedMemory::reserve(size_t bytes, const char* purpose) {
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return Fault{FaultCode::exhausted, purpose, std::string("address space cannot be reserved: ") + std::strerror(errno),
                 "raise the process's RLIMIT_AS or lower flows"};
  }
  madvise(base, bytes, MADV_DONTDUMP);
  // Best effort, page by page as they are touched: keys stay out of swap where the limit allows.
  mlock2(base, bytes, MLOCK_ONFAULT);
  return ReservedMemory(base, bytes);
}

ReservedMemory::ReservedMemory(ReservedMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

ReservedMemory& ReservedMemory::operator=(ReservedMemory&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

ReservedMemory::~ReservedMemory() {
  // Keys are wiped flow by flow when they are removed; unmapped anonymous pages are zeroed by the kernel before reuse.
  if (base_ != nullptr) munmap(base_, bytes_);
}

}  // namespace sallyport::dataplane
