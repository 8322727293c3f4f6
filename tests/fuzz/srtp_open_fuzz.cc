// SPDX-License-Identifier: Apache-2.0
// Any bytes to the burst engine as SRTP and SRTCP of every suite: nothing passes without the key, and no state moves.
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/srtp_burst.h"

using namespace sallyport;
using namespace sallyport::dataplane;

namespace {

struct Target {
  Target() : engine(std::move(drivers::CryptoEngine::create().value())), burst(engine) {
    const std::array<uint8_t, 32> secret{0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (uint8_t number = 1; number <= 5; ++number) {
      const SrtpSuiteInfo& info = *find_srtp_suite(number);
      const auto keys = SrtpKeys::from_bytes(static_cast<SrtpSuite>(number), std::span(secret).first(info.key_length_bytes),
                                             std::span(secret).first(info.salt_length_bytes));
      contexts[number * 2 - 2].expand(engine, *keys, SrtpUse::rtp, number % 2 ? 0 : 4);
      contexts[number * 2 - 1].expand(engine, *keys, SrtpUse::rtcp, number % 2 ? 4 : 0);
    }
  }

  drivers::CryptoEngine engine;
  SrtpBurst burst;
  SrtpContext contexts[10];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Target target;
  const SrtpStreamState untouched{};
  std::array<SrtpStreamState, 10> states{};
  std::array<std::unique_ptr<uint8_t[]>, 10> packets;
  std::array<SrtpJob, 10> jobs;
  for (size_t at = 0; at < jobs.size(); ++at) {
    packets[at].reset(new uint8_t[size]);
    std::memcpy(packets[at].get(), data, size);
    jobs[at] = {packets[at].get(), static_cast<uint32_t>(size), 0, &target.contexts[at], &states[at], SrtpVerdict::ok};
  }
  target.burst.open(jobs);
  for (size_t at = 0; at < jobs.size(); ++at)
    if (jobs[at].verdict == SrtpVerdict::ok || std::memcmp(&states[at], &untouched, sizeof untouched) != 0) std::abort();
  return 0;
}
