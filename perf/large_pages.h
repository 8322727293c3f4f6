// SPDX-License-Identifier: Apache-2.0
#pragma once
// LargePages: an allocator for what the product keeps in large pages too (dataplane/reserved_memory.h), so that a benchmark of a part
// misses as many address translations as the whole. Any thread.

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

namespace sallyport::perf {

template <class T>
struct LargePages {
  using value_type = T;
  T* allocate(size_t count) {
    constexpr size_t page_bytes = size_t{2} << 20;
    const size_t bytes = (count * sizeof(T) + page_bytes - 1) / page_bytes * page_bytes;
    void* memory = std::aligned_alloc(page_bytes, bytes);
    if (memory == nullptr) std::abort();
    madvise(memory, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }
  bool operator==(const LargePages&) const { return true; }
};

}  // namespace sallyport::perf
