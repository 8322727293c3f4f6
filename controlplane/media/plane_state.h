// SPDX-License-Identifier: Apache-2.0
#pragma once
// PlaneState: what stands behind a MediaPlane, shared by its sessions. Internal to this folder.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/media/call_capture.h"
#include "controlplane/media/flow_program.h"
#include "controlplane/media/line_rewriter.h"
#include "controlplane/media/media_plane.h"
#include "controlplane/media/media_pool.h"
#include "controlplane/media/session_state.h"

namespace sallyport::media {

class PlaneState final : public DataplaneListener {
 public:
  PlaneState(boost::asio::io_context& context, MediaSettings settings, MediaListener& listener);
  ~PlaneState() override;

  Outcome<> start();
  void stop();
  Outcome<std::unique_ptr<SessionState>> open(SessionStart start);
  void enrol(uint64_t call_tag, MediaSession* session) { sessions_[call_tag] = session; }
  void strike(uint64_t call_tag);

  // nullopt: the dataplane never came, or has no such address.
  std::optional<AnchorPlace> anchor_place(const SessionStart& start) const;
  void note_exhausted(const Refusal& refusal);
  void note_leased();
  void keep(const CallRecord& record);
  void forget(uint64_t call_tag);
  void fail(uint64_t call_tag, const Fault& fault);
  void set_marking(const Marking& marking);

  void on_dataplane_up(const DataplaneArrival& arrival) override;
  void on_dataplane_down(const Fault& fault) override;
  void on_worker_stalled(uint32_t worker, bool stalled) override;
  void on_dataplane_event(uint32_t worker, const abi::Event& event) override;

  MediaSettings settings;
  MediaListener& listener;
  MediaCounters counters;
  DataplaneLink dataplane;
  MediaLinks links;
  FlowProgram flows;
  std::shared_ptr<MediaPool> pool;
  std::shared_ptr<CaptureSet> captures;
  bool stopping = false;
  // Only MediaPlane may make a MediaSession.
  std::function<std::unique_ptr<MediaSession>(std::unique_ptr<SessionState>)> adopt_session;

  const std::map<uint64_t, MediaSession*>& sessions() const { return sessions_; }

 private:
  void rebuild_pool();
  void fail_all(const Fault& fault);
  std::vector<std::unique_ptr<MediaSession>> restore_sessions();
  std::string missing_address() const;

  std::unique_ptr<CallJournal> journal_;
  JournalContents journalled_;
  std::map<uint64_t, MediaSession*> sessions_;
  bool exhausted_ = false;
  Fault exhausted_fault_;
};

}  // namespace sallyport::media
