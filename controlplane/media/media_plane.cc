// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_plane.h"

#include <utility>

#include "controlplane/media/plane_state.h"

namespace sallyport::media {

MediaPlane::MediaPlane(boost::asio::io_context& context, MediaSettings settings, MediaListener& listener)
    : state_(std::make_unique<PlaneState>(context, std::move(settings), listener)) {
  state_->adopt_session = [](std::unique_ptr<SessionState> session) {
    return std::unique_ptr<MediaSession>(new MediaSession(std::move(session)));
  };
}

MediaPlane::~MediaPlane() { state_->stop(); }

Outcome<> MediaPlane::start() { return state_->start(); }
void MediaPlane::stop() { state_->stop(); }

Outcome<std::unique_ptr<MediaSession>> MediaPlane::open(SessionStart start) {
  auto state = state_->open(std::move(start));
  if (!state) return state.fault();
  auto session = std::unique_ptr<MediaSession>(new MediaSession(std::move(*state)));
  state_->enrol(session->call_tag(), session.get());
  return session;
}

DataplaneLink& MediaPlane::dataplane() { return state_->dataplane; }
MediaLinks& MediaPlane::links() { return state_->links; }
const MediaCounters& MediaPlane::counters() const { return state_->counters; }
size_t MediaPlane::sessions() const { return state_->sessions().size(); }

void MediaPlane::set_marking(const Marking& marking) { state_->set_marking(marking); }
Outcome<std::unique_ptr<CallCapture>> MediaPlane::capture(CaptureWish wish) { return state_->captures->begin(std::move(wish)); }
size_t MediaPlane::captures() const { return state_->captures->running(); }

std::vector<SessionSnapshot> MediaPlane::snapshots() const {
  std::vector<SessionSnapshot> all;
  for (const auto& [tag, session] : state_->sessions()) all.push_back(session->snapshot());
  return all;
}

}  // namespace sallyport::media
