// SPDX-License-Identifier: Apache-2.0
#pragma once
// StapleBook: the OCSP responses that listeners staple to their handshakes (RFC 6066 8, RFC 8446 4.4.2.1), by certificate. What is in
// it was verified by who put it there; one past its nextUpdate is never handed out. Look-ups take a reference to an immutable leaf of the
// book, and wait for nobody longer than it takes to count that reference (atomic<shared_ptr> of libstdc++ is a lock of one bit); a change
// copies one leaf of 64. Any thread.

#include <openssl/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace sallyport::tls {

struct Staple {
  std::string response;  // DER of an OCSPResponse
  int64_t this_update_s = 0, next_update_s = 0;
};
using StaplePtr = std::shared_ptr<const Staple>;

struct StapleCounters {
  uint64_t sent = 0;     // handshakes that asked and got one
  uint64_t missing = 0;  // that asked and got none
};

class StapleBook {
 public:
  using Clock = std::function<int64_t()>;  // Unix time, seconds

  explicit StapleBook(Clock clock = {});
  // fingerprint: fingerprint_of() of the certificate.
  void put(const std::string& fingerprint, StaplePtr staple);
  void remove(const std::string& fingerprint);
  StaplePtr find(const std::string& fingerprint) const;  // null: none, or a stale one
  // For a handshake: counts it.
  StaplePtr serve(X509* certificate);
  size_t fresh() const;
  StapleCounters counters() const { return {sent_.load(std::memory_order_relaxed), missing_.load(std::memory_order_relaxed)}; }

 private:
  using Leaf = std::unordered_map<std::string, StaplePtr>;
  static constexpr size_t leaves = 64;
  static size_t leaf_of(const std::string& fingerprint);
  void change(const std::string& fingerprint, StaplePtr staple);

  const Clock clock_;
  std::mutex mutex_;  // of changes
  std::array<std::atomic<std::shared_ptr<const Leaf>>, leaves> leaves_;
  std::atomic<uint64_t> sent_{0}, missing_{0};
};

}  // namespace sallyport::tls
