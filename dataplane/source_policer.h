// SPDX-License-Identifier: Apache-2.0
#pragma once
// SourcePolicer: what one address may send to all flows of a worker together before any of them is held to it. Each flow bounds its own
// strangers; this bounds one who knocks at every port, whose packets would all go on to C to be judged there. Addresses share a bucket by a
// hash that nobody outside can foretell; of IPv6 the /64 counts, all of which one host may use. One lcore; 32 KiB; one cache line a packet.

#include <array>
#include <cstdint>
#include <cstring>
#include <random>

#include "dataplane/abi/address.h"
#include "dataplane/policer.h"

namespace sallyport::dataplane {

class SourcePolicer {
 public:
  // A gateway with thousands of phones behind it sends a few packets of each new call before C has answered.
  static constexpr uint32_t packets_per_s = 2000;
  static constexpr uint64_t tolerance_ns = 250'000'000;

  bool take(const abi::Address& source, uint64_t now_ns) { return buckets_[bucket_of(source)].take(now_ns, interval_of_rate(packets_per_s), tolerance_ns); }

 private:
  static constexpr uint32_t buckets_log2 = 12;

  size_t bucket_of(const abi::Address& source) const {
    uint64_t prefix = 0;
    std::memcpy(&prefix, source.ip, source.family == 4 ? 4 : 8);
    return (prefix ^ seed_) * 0x9e3779b97f4a7c15 >> (64 - buckets_log2);
  }

  uint64_t seed_ = uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  std::array<Policer, 1u << buckets_log2> buckets_{};
};

}  // namespace sallyport::dataplane
