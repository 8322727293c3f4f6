// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chunk: a move-only run of bytes that grows at its end and is taken from its front. ChunkPool: one thread's spare chunks.
// An empty Chunk owns no memory, which is what keeps idle streams small. Contents are not wiped: keys never pass through here.
// Not thread-safe; the pool keeps at most 64 chunks of 16 KiB and 8 of up to 128 KiB, the rest goes back to the allocator.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::tls {

class Chunk {
 public:
  static constexpr size_t small_bytes = 16 << 10;

  Chunk() = default;
  explicit Chunk(size_t capacity) { reserve(capacity); }
  Chunk(Chunk&& other) noexcept { swap(other); }
  Chunk& operator=(Chunk&& other) noexcept {
    Chunk(std::move(other)).swap(*this);
    return *this;
  }
  ~Chunk() { std::free(data_); }

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t capacity() const { return capacity_; }
  bool owns_memory() const { return data_ != nullptr; }
  std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
  char* tail() { return data_ + end_; }
  size_t tail_room() const { return capacity_ - end_; }
  void grew(size_t bytes) { end_ += bytes; }
  void consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void clear() { begin_ = end_ = 0; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    if (tail_room() < bytes.size()) make_room(bytes.size());
    std::memcpy(tail(), bytes.data(), bytes.size());
    end_ += bytes.size();
  }

 private:
  void make_room(size_t bytes) {
    if (begin_ != 0) {
      std::memmove(data_, data_ + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (tail_room() >= bytes) return;
    size_t capacity = capacity_ == 0 ? small_bytes : capacity_ * 2;
    while (capacity < end_ + bytes) capacity *= 2;
    reserve(capacity);
  }
  void reserve(size_t capacity) {
    void* grown = std::realloc(data_, capacity);
    if (grown == nullptr) throw std::bad_alloc();
    data_ = static_cast<char*>(grown);
    capacity_ = capacity;
  }
  void swap(Chunk& other) {
    std::swap(data_, other.data_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

  char* data_ = nullptr;
  size_t begin_ = 0, end_ = 0, capacity_ = 0;
};

class ChunkPool {
 public:
  static constexpr size_t large_bytes = 128 << 10;

  Chunk take() {
    if (small_.empty()) return Chunk(Chunk::small_bytes);
    Chunk chunk = std::move(small_.back());
    small_.pop_back();
    return chunk;
  }
  Chunk take_large() {
    if (large_.empty()) return Chunk(large_bytes);
    Chunk chunk = std::move(large_.back());
    large_.pop_back();
    return chunk;
  }
  // Grows by a spare chunk, not by the allocator.
  void append(Chunk& chunk, std::string_view bytes) {
    const size_t needed = chunk.size() + bytes.size();
    if (!chunk.owns_memory()) {
      chunk = needed > Chunk::small_bytes ? take_large() : take();
    } else if (chunk.capacity() == Chunk::small_bytes && needed > Chunk::small_bytes) {
      Chunk large = take_large();
      large.append(chunk.view());
      give(std::move(chunk));
      chunk = std::move(large);
    }
    chunk.append(bytes);
  }
  void give(Chunk&& chunk) {
    chunk.clear();
    if (chunk.capacity() == Chunk::small_bytes) {
      if (small_.size() < 64) small_.push_back(std::move(chunk));
    } else if (chunk.capacity() == large_bytes) {
      if (large_.size() < 8) large_.push_back(std::move(chunk));
    }
    Chunk(std::move(chunk));
  }

 private:
  std::vector<Chunk> small_, large_;
};

}  // namespace sallyport::tls
