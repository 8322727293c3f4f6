// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/source_limits.h"

#include <algorithm>
#include <array>

namespace sallyport::tls {
namespace {

// One subscriber owns an IPv6 /64, so the interface identifier does not count.
std::string key_of(const SocketAddress& source) { return std::string(source.ip_bytes().substr(0, 8)); }

}  // namespace

const char* name_of(Admission admission) {
  static constexpr std::array<const char*, admissions> names = {"admitted", "source_full", "source_too_fast", "total_full", "sources_exhausted"};
  return names[static_cast<size_t>(admission)];
}

SourceLimits::SourceLimits(SourceLimitOptions options) : options_(options) {}

Admission SourceLimits::admit(const SocketAddress& source, std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (total_ >= options_.connections_total) return Admission::total_full;
  const std::string key = key_of(source);
  auto found = sources_.find(key);
  if (found == sources_.end()) {
    if (sources_.size() >= options_.max_sources) forget_idle(now);
    if (sources_.size() >= options_.max_sources) return Admission::sources_exhausted;
    found = sources_.emplace(key, Source{0, options_.handshake_burst, now}).first;
  }
  Source& entry = found->second;
  if (entry.connections >= options_.connections_per_source) return Admission::source_full;
  const double elapsed_s = std::chrono::duration<double>(now - entry.filled).count();
  entry.tokens = std::min(options_.handshake_burst, entry.tokens + std::max(0.0, elapsed_s) * options_.handshakes_per_source_per_s);
  entry.filled = now;
  if (entry.tokens < 1) return Admission::source_too_fast;
  entry.tokens -= 1;
  ++entry.connections;
  ++total_;
  return Admission::admitted;
}

void SourceLimits::release(const SocketAddress& source) {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(key_of(source));
  if (found == sources_.end() || found->second.connections == 0) return;
  --found->second.connections;
  --total_;
}

// Only sources whose bucket would be full again are forgotten: forgetting must not hand out fresh tokens.
void SourceLimits::forget_idle(std::chrono::steady_clock::time_point now) {
  const double refill_s = options_.handshakes_per_source_per_s > 0 ? options_.handshake_burst / options_.handshakes_per_source_per_s : 3600;
  std::erase_if(sources_, [&](const auto& entry) {
    return entry.second.connections == 0 && std::chrono::duration<double>(now - entry.second.filled).count() >= refill_s;
  });
}

void SourceLimits::configure(SourceLimitOptions options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
}

uint32_t SourceLimits::connections() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

uint32_t SourceLimits::connections_of(const SocketAddress& source) const {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(key_of(source));
  return found == sources_.end() ? 0 : found->second.connections;
}

}  // namespace sallyport::tls
