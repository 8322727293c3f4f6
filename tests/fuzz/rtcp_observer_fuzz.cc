// SPDX-License-Identifier: Apache-2.0
// Any bytes as the RTCP of both directions of a call: nothing outside the datagram is read, and what is recorded stays within its bounds.
#include "dataplane/rtcp_observer.h"

#include <cstdlib>

using namespace sallyport;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  abi::RtcpObservation ways[2];
  // A first byte says where one direction's compound ends and the other's begins.
  const size_t split = size == 0 ? 0 : data[0] % size;
  const std::span<const uint8_t> whole(data, size);
  const std::span<const uint8_t> compounds[] = {whole.first(split), whole.subspan(split), whole};
  uint64_t now_ns = 1'000'000'000'000;
  for (int round = 0; round < 3; ++round) {
    for (size_t at = 0; at < std::size(compounds); ++at) {
      abi::RtcpObservation& own = ways[at & 1];
      dataplane::note_rtcp(own, &ways[1 - (at & 1)], compounds[at], now_ns);
      now_ns += 20'000'000;
      check(own.malformed <= own.compounds && own.next_mark < 4);
      check(own.round_trip_ns <= 60'000'000'000 && (own.round_trips != 0 || own.round_trip_ns == 0));
      check(own.reported_lost >= -(1 << 23) && own.reported_lost < (1 << 23));
    }
  }
  return 0;
}
