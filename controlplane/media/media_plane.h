// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaPlane: everything of media in one control plane: the dataplane's link, allocators, media links, sessions, journal, counters.
// The SIP proxy opens sessions here. One thread (the io_context's). Sessions belong to the caller and must be gone before the plane.
// After a restart on_restored() hands over the calls that still run; flows of unknown calls are removed.

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "controlplane/media/call_capture.h"
#include "controlplane/media/call_journal.h"
#include "controlplane/media/dataplane_link.h"
#include "controlplane/media/media_counters.h"
#include "controlplane/media/media_link.h"
#include "controlplane/media/media_session.h"
#include "controlplane/media/media_settings.h"

namespace sallyport::media {

struct MediaListener {
  virtual ~MediaListener() = default;
  // The dataplane came, went or stalled; text names cause and remedy when it is not running.
  virtual void on_dataplane(DataplaneState state, const std::string& text) = 0;
  virtual void on_link(uint16_t link, bool up) = 0;
  // Raised when ports, flows or IDs run out (raised true) and when some are free again.
  virtual void on_exhausted(const Fault& fault, bool raised) = 0;
  // This call's media is gone or a worker refused its flows: end it.
  virtual void on_session_failed(MediaSession& session, const Fault& fault) = 0;
  // First packet, latched, auth_failing, idle ... of one of its flows.
  virtual void on_session_event(MediaSession& session, uint32_t line, FlowRole role, const abi::Event& event) = 0;
  // Calls of the control plane before this one that still run; called once, after the first connection to the dataplane.
  virtual void on_restored(std::vector<std::unique_ptr<MediaSession>> sessions) = 0;
};

class PlaneState;

class MediaPlane {
 public:
  MediaPlane(boost::asio::io_context& context, MediaSettings settings, MediaListener& listener);
  ~MediaPlane();
  MediaPlane(const MediaPlane&) = delete;

  Outcome<> start();   // loads the journal, begins to connect
  void stop();         // flows go on; the journal stays

  // Fault: exhausted above the limit of sessions. A missing dataplane or link shows at the first rewrite(), as 503.
  Outcome<std::unique_ptr<MediaSession>> open(SessionStart start);

  DataplaneLink& dataplane();
  MediaLinks& links();
  const MediaCounters& counters() const;
  size_t sessions() const;
  std::vector<SessionSnapshot> snapshots() const;
  // Of calls that run, too: their packets are marked so from now on.
  void set_marking(const Marking& marking);
  // Copies of a call's packets as long as the result lives; who may have them decrypted is for the caller to say.
  Outcome<std::unique_ptr<CallCapture>> capture(CaptureWish wish);
  size_t captures() const;

 private:
  std::unique_ptr<PlaneState> state_;
};

}  // namespace sallyport::media
