// SPDX-License-Identifier: Apache-2.0
#pragma once
// Call: one call as this node knows it: its dialogs (RFC 3261 12) and its media session. Owned by CallList; the media goes with it.
// Times are of CLOCK_MONOTONIC as the caller counts it. One thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/calls/near_dialog.h"
#include "controlplane/media/media_session.h"

namespace sallyport::calls {

enum class CallState : uint8_t { early, confirmed, ended };
const char* name_of(CallState state);

struct Call {
  std::string id;           // eight hex digits, for people; the same after a restart of the control plane
  std::string call_id, caller_tag;
  std::vector<std::string> callee_tags;  // one a dialog: a downstream fork makes several
  std::string from, to;     // URIs
  bool began_near = true;   // the caller is on this node's face (a client on E, call control on C)
  uint64_t adopted_ms = 0;  // when it was taken over from the control plane before this one; 0: it was not, or has been heard of since
  CallState state = CallState::early;
  std::string end_reason;   // "BYE of the caller", "486 Busy Here" ...
  uint64_t started_ms = 0, answered_ms = 0, ended_ms = 0;
  NearDialog near;          // of the callee that answered first; empty before, and after a restart of the control plane
  uint32_t far_cseq = 0;    // the highest of the party on the other side
  uint64_t expires_ms = 0;  // RFC 4028: when the session is over unless refreshed; 0: no session timer
  std::unique_ptr<media::MediaSession> session;  // none once it has ended
  media::SessionSnapshot last;                   // kept when the call has ended

  bool has_callee(std::string_view tag) const;
  void add_callee(std::string_view tag);         // bounded
};

}  // namespace sallyport::calls
