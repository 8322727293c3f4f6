// SPDX-License-Identifier: Apache-2.0
#include "dataplane/reserved_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace sallyport::dataplane {

namespace {
constexpr size_t small_page_bytes = 4096;
constexpr size_t large_page_bytes = size_t{2} << 20;
constexpr size_t worth_a_large_page = size_t{256} << 10;
}  // namespace

Outcome<ReservedMemory> ReservedMemory::reserve(size_t bytes, const char* purpose) {
  // A packet touches lines all over a table: in small pages the address translations would miss more often than the lines. Large
  // pages want their alignment; what is too much at either end is given back.
  const bool is_large = bytes >= worth_a_large_page;
  if (is_large) bytes = (bytes + large_page_bytes - 1) / large_page_bytes * large_page_bytes;
  const size_t spare = is_large ? large_page_bytes : 0;
  void* reserved = mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) {
    return Fault{FaultCode::exhausted, purpose, std::string("address space cannot be reserved: ") + std::strerror(errno),
                 "raise the process's RLIMIT_AS or lower flows"};
  }
  auto* base = static_cast<uint8_t*>(reserved);
  if (is_large) {
    const size_t before = (large_page_bytes - reinterpret_cast<uintptr_t>(reserved) % large_page_bytes) % large_page_bytes;
    base += before;
    if (before != 0) munmap(reserved, before);
    if (spare - before >= small_page_bytes) munmap(base + bytes, spare - before);
    madvise(base, bytes, MADV_HUGEPAGE);
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
