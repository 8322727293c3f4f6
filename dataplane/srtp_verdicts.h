// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the verdict of an SRTP job is counted: its drop reason. Any thread.

#include "dataplane/abi/drop_reason.h"
#include "dataplane/srtp_verdict.h"

namespace sallyport::dataplane {

// Precondition: not `ok`.
constexpr abi::DropReason drop_reason_of(SrtpVerdict verdict) {
  switch (verdict) {
    case SrtpVerdict::truncated: return abi::DropReason::truncated;
    case SrtpVerdict::replay: return abi::DropReason::replay;
    case SrtpVerdict::too_old: return abi::DropReason::too_old;
    case SrtpVerdict::auth_failed: return abi::DropReason::auth_failed;
    case SrtpVerdict::no_room: return abi::DropReason::no_room;
    case SrtpVerdict::key_limit: return abi::DropReason::key_limit;
    case SrtpVerdict::duplicate_index: return abi::DropReason::duplicate_index;
    case SrtpVerdict::ok:
    case SrtpVerdict::malformed: break;
  }
  return abi::DropReason::malformed;
}

}  // namespace sallyport::dataplane
