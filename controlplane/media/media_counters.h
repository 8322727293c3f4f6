// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaCounters: one list of everything that media signalling refuses or reports, with its help text. One set a MediaPlane,
// touched by its thread only; labels are finite (house style 30).

#include <array>
#include <cstddef>
#include <cstdint>

namespace sallyport::media {

#define SALLYPORT_MEDIA_COUNTERS(COUNTER)                                                          \
  COUNTER(offers, "SDP offers forwarded")                                                          \
  COUNTER(answers, "SDP answers forwarded")                                                        \
  COUNTER(repeats, "offers and answers seen again and answered from the same state")               \
  COUNTER(rolled_back, "offers undone because their request failed")                               \
  COUNTER(refused_malformed, "SDP that cannot be read")                                            \
  COUNTER(refused_oversized, "SDP above the limits of size or of media lines")                     \
  COUNTER(refused_no_keys, "offers or answers without SRTP keys")                                  \
  COUNTER(refused_clear_media, "RTP/AVP where only RTP/SAVP is taken")                             \
  COUNTER(refused_suite, "no supported SRTP suite offered")                                        \
  COUNTER(refused_crypto_answer, "answers whose crypto tag or suite was never offered")            \
  COUNTER(refused_address, "c= that is no numeric address where one is needed")                    \
  COUNTER(refused_multiplex_id, "stream without, or with a foreign, multiplexID on the traversal leg") \
  COUNTER(refused_multiplex_conflict, "multiplexID already used by another call")                  \
  COUNTER(refused_answer_shape, "answers that do not fit their offer")                             \
  COUNTER(refused_no_ports, "relay ports exhausted")                                               \
  COUNTER(refused_no_flows, "flow table full")                                                     \
  COUNTER(refused_no_multiplex_ids, "multiplexIDs exhausted")                                      \
  COUNTER(refused_no_dataplane, "dataplane not running or not answering")                          \
  COUNTER(refused_no_link, "no media link for the traversal peer")                                 \
  COUNTER(refused_sessions, "calls above the configured limit")                                    \
  COUNTER(streams_refused, "media lines set to port 0 because they are no RTP stream we anchor")   \
  COUNTER(streams_anchored, "streams anchored")                                                    \
  COUNTER(commands_failed, "flow commands refused by a worker")                                    \
  COUNTER(flows_reinstalled, "flows installed anew after a dataplane restart")                     \
  COUNTER(flows_orphaned, "flows of unknown calls removed after a restart")                        \
  COUNTER(sessions_adopted, "calls taken over after a control-plane restart")                      \
  COUNTER(sessions_lost, "calls whose flows could not be kept")                                    \
  COUNTER(events_unknown, "dataplane events for flows that no call owns")                          \
  COUNTER(journal_failures, "call records that could not be written")

enum class MediaCounter : uint8_t {
#define SALLYPORT_MEDIA_ENUM(name, text) name,
  SALLYPORT_MEDIA_COUNTERS(SALLYPORT_MEDIA_ENUM)
#undef SALLYPORT_MEDIA_ENUM
  count,
};

struct MediaCounterInfo {
  const char* name;
  const char* help;
};

inline constexpr MediaCounterInfo media_counter_info[] = {
#define SALLYPORT_MEDIA_INFO(name, text) {#name, text},
    SALLYPORT_MEDIA_COUNTERS(SALLYPORT_MEDIA_INFO)
#undef SALLYPORT_MEDIA_INFO
};

class MediaCounters {
 public:
  void add(MediaCounter counter, uint64_t by = 1) { values_[static_cast<size_t>(counter)] += by; }
  uint64_t value(MediaCounter counter) const { return values_[static_cast<size_t>(counter)]; }

 private:
  std::array<uint64_t, static_cast<size_t>(MediaCounter::count)> values_{};
};

}  // namespace sallyport::media
