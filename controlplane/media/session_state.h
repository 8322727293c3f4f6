// SPDX-License-Identifier: Apache-2.0
#pragma once
// SessionState: what stands behind a MediaSession: the offer/answer state, and the flows that it has programmed. Internal to this folder.

#include <memory>
#include <string>
#include <vector>

#include "controlplane/media/flow_specs.h"
#include "controlplane/media/media_session.h"
#include "controlplane/media/offer_answer.h"
#include "controlplane/media/sdp_rewriter.h"

namespace sallyport::media {

class PlaneState;

class SessionState {
 public:
  SessionState(PlaneState& plane, SessionStart start, uint64_t call_tag, uint64_t started_unix_s);

  SdpResult rewrite(const SdpMessage& message);
  void on_final(Side request_from, uint32_t cseq, std::string_view method, std::string_view branch, uint16_t status);
  bool end_branch(std::string_view branch);
  // Removes the flows and the record. Idempotent.
  void release();
  // The flows are gone or belong to nobody any more: forget them without commands.
  void abandon();
  // The session's owner lets go: as release(), but a control plane that stops leaves its calls running.
  void leave();
  bool is_released() const { return released_; }

  uint64_t call_tag() const { return call_tag_; }
  const SessionStart& start() const { return start_; }
  SessionSnapshot snapshot() const;
  uint64_t last_packet_ns() const;
  // The plane's settings have changed.
  void refresh();
  // Has its flows copied (FlowFlag bits), or with 0 no longer. false: it is released.
  bool capture(uint16_t flags);
  bool is_held() const;
  CallRecord record() const;
  // false: the region no longer holds what the record says.
  bool adopt(const CallRecord& record);

 private:
  SdpResult refuse(const Refusal& refusal);
  SdpResult rewrite_placed(const SdpMessage& message, OfferAnswer::Place place, SdpRewriter& rewriter);
  void program();
  bool program_stream(size_t line, const Stream& stream);
  void drop(StreamLease& lease);
  void keep_record();
  FlowPlace flow_place() const;
  StreamSnapshot snapshot(size_t line, const Stream& stream) const;
  void set_link_local(const RegionMap* region, StreamSnapshot& stream, uint32_t worker) const;
  bool adopt_stream(const StreamRecord& record, uint16_t face_slot, Stream& stream);

  PlaneState& plane_;
  SessionStart start_;
  uint64_t call_tag_;
  uint64_t started_unix_s_;
  OfferAnswer exchanges_;
  std::vector<SharedLease> programmed_;
  std::vector<std::weak_ptr<StreamLease>> leases_;
  uint32_t next_serial_ = 1;
  uint16_t capture_flags_ = 0;
  bool released_ = false;
};

}  // namespace sallyport::media
