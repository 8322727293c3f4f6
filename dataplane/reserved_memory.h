// SPDX-License-Identifier: Apache-2.0
#pragma once
// ReservedMemory: address space reserved once, zero, backed as it is touched, kept out of core dumps; wiped when given back.
// For tables that are sized for the worst case and used sparsely. Main thread makes it, one lcore uses it.

#include <cstddef>

#include "dataplane/abi/fault.h"

namespace sallyport::dataplane {

class ReservedMemory {
 public:
  static Outcome<ReservedMemory> reserve(size_t bytes, const char* purpose);
  ReservedMemory() = default;
  ReservedMemory(ReservedMemory&& other) noexcept;
  ReservedMemory& operator=(ReservedMemory&& other) noexcept;
  ~ReservedMemory();

  template <class T>
  T* as() const { return static_cast<T*>(base_); }

 private:
  ReservedMemory(void* base, size_t bytes) : base_(base), bytes_(bytes) {}
  void* base_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace sallyport::dataplane
