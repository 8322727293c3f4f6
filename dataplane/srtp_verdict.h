// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpVerdict: what becomes of a packet in open and seal. One list makes enum, counter names and help texts.
// Only `ok` lets a packet pass; after any other verdict its bytes are undefined and it must be dropped.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::dataplane {

#define SALLYPORT_SRTP_VERDICTS(VERDICT)                                                     \
  VERDICT(ok, "opened or sealed")                                                            \
  VERDICT(malformed, "not an RTP or RTCP packet: version, CSRC count or extension is wrong") \
  VERDICT(truncated, "shorter than its header, authentication tag and trailer")              \
  VERDICT(replay, "sequence number already seen")                                            \
  VERDICT(too_old, "sequence number older than the replay window")                           \
  VERDICT(auth_failed, "authentication tag does not match")                                  \
  VERDICT(no_room, "no room behind the packet for tag and trailer")                          \
  VERDICT(key_limit, "the master key may protect no further packet (RFC 3711 9.2)")          \
  VERDICT(duplicate_index, "would seal a second packet under an index already used")

enum class SrtpVerdict : uint8_t {
#define SALLYPORT_VERDICT_NAME(name, help) name,
  SALLYPORT_SRTP_VERDICTS(SALLYPORT_VERDICT_NAME)
#undef SALLYPORT_VERDICT_NAME
};

inline constexpr std::string_view kSrtpVerdictNames[] = {
#define SALLYPORT_VERDICT_NAME(name, help) #name,
    SALLYPORT_SRTP_VERDICTS(SALLYPORT_VERDICT_NAME)
#undef SALLYPORT_VERDICT_NAME
};

inline constexpr std::string_view kSrtpVerdictHelp[] = {
#define SALLYPORT_VERDICT_HELP(name, help) help,
    SALLYPORT_SRTP_VERDICTS(SALLYPORT_VERDICT_HELP)
#undef SALLYPORT_VERDICT_HELP
};

inline constexpr size_t kSrtpVerdictCount = sizeof(kSrtpVerdictNames) / sizeof(kSrtpVerdictNames[0]);

constexpr std::string_view srtp_verdict_name(SrtpVerdict verdict) {
  return kSrtpVerdictNames[static_cast<size_t>(verdict)];
}

}  // namespace sallyport::dataplane
