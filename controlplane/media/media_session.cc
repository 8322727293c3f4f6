// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_session.h"

#include <utility>

#include "controlplane/media/plane_state.h"

namespace sallyport::media {

MediaSession::MediaSession(std::unique_ptr<SessionState> state) : state_(std::move(state)) {}

MediaSession::~MediaSession() { state_->leave(); }

uint64_t MediaSession::call_tag() const { return state_->call_tag(); }
const SessionStart& MediaSession::start() const { return state_->start(); }
SdpResult MediaSession::rewrite(const SdpMessage& message) { return state_->rewrite(message); }

void MediaSession::on_final(Side request_from, uint32_t cseq, std::string_view method, std::string_view branch,
                            uint16_t status) {
  state_->on_final(request_from, cseq, method, branch, status);
}

bool MediaSession::end_branch(std::string_view branch) { return state_->end_branch(branch); }
void MediaSession::release() { state_->release(); }
bool MediaSession::is_released() const { return state_->is_released(); }
SessionSnapshot MediaSession::snapshot() const { return state_->snapshot(); }
uint64_t MediaSession::last_packet_ns() const { return state_->last_packet_ns(); }
bool MediaSession::is_held() const { return state_->is_held(); }

}  // namespace sallyport::media
