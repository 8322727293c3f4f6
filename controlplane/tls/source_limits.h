// SPDX-License-Identifier: Apache-2.0
#pragma once
// SourceLimits: how many connections and handshakes one source address, and all together, may have. Shared by the listeners of
// all threads; every call takes one short lock. Bounded: at most max_sources sources are remembered; idle ones are forgotten first.
// IPv6 sources count by /64, since one subscriber owns that much.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "controlplane/tls/socket_address.h"

namespace sallyport::tls {

struct SourceLimitOptions {
  uint32_t connections_per_source = 200;
  double handshakes_per_source_per_s = 50;
  double handshake_burst = 100;
  uint32_t connections_total = 20000;
  uint32_t max_sources = 65536;
};

enum class Admission : uint8_t { admitted, source_full, source_too_fast, total_full, sources_exhausted };
const char* name_of(Admission admission);
inline constexpr size_t admissions = 5;

class SourceLimits {
 public:
  explicit SourceLimits(SourceLimitOptions options);
  // Counts the connection when admitted; every admit() that says admitted needs one release().
  Admission admit(const SocketAddress& source, std::chrono::steady_clock::time_point now);
  void release(const SocketAddress& source);
  void configure(SourceLimitOptions options);  // applies to connections from now on
  uint32_t connections() const;
  uint32_t connections_of(const SocketAddress& source) const;

 private:
  struct Source {
    uint32_t connections = 0;
    double tokens = 0;
    std::chrono::steady_clock::time_point filled{};
  };
  void forget_idle(std::chrono::steady_clock::time_point now);

  mutable std::mutex mutex_;
  SourceLimitOptions options_;
  uint32_t total_ = 0;
  std::unordered_map<std::string, Source> sources_;
};

}  // namespace sallyport::tls
