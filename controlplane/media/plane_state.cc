// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/plane_state.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <ctime>
#include <utility>

namespace sallyport::media {

PlaneState::PlaneState(boost::asio::io_context& context, MediaSettings given, MediaListener& told)
    : settings(std::move(given)),
      listener(told),
      dataplane(context, settings.dataplane_socket, *this),
      links(dataplane, settings),
      flows(dataplane, counters) {
  flows.on_removed = [this](uint32_t index) {
    if (pool) pool->flows().release(index);
  };
  flows.on_refused = [this](uint64_t call_tag, const Fault& fault) { fail(call_tag, fault); };
  captures = std::make_shared<CaptureSet>(context, dataplane, settings.role, [this](uint64_t call_tag, uint16_t flags) {
    const auto found = sessions_.find(call_tag);
    return found != sessions_.end() && found->second->state_->capture(flags);
  });
  links.on_slot = [this](const std::string& peer, uint16_t link) {
    if (journal_ && !journal_->put_link(peer, link)) counters.add(MediaCounter::journal_failures);
  };
}

PlaneState::~PlaneState() { stop(); }

Outcome<> PlaneState::start() {
  if (!settings.journal_path.empty() && !journal_) {
    auto journal = std::make_unique<FileJournal>(settings.journal_path);
    auto contents = journal->load();
    if (!contents) return contents.fault();
    journalled_ = std::move(*contents);
    for (const auto& [peer, link] : journalled_.link_slots) links.restore(peer, link);
    journal_ = std::move(journal);
  }
  stopping = false;
  dataplane.start();
  return Done{};
}

void PlaneState::stop() {
  stopping = true;
  captures->stop();
  dataplane.stop();
}

Outcome<std::unique_ptr<SessionState>> PlaneState::open(SessionStart start) {
  if (sessions_.size() >= settings.max_sessions) {
    counters.add(MediaCounter::refused_sessions);
    return Fault{FaultCode::exhausted, "media", "the limit of " + std::to_string(settings.max_sessions) + " calls is reached",
                 "raise [media] sessions"};
  }
  if (start.face.empty() && !settings.faces.empty()) start.face = settings.faces.front().slot_name;
  uint64_t call_tag = 0;
  while (call_tag == 0 || sessions_.contains(call_tag)) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&call_tag), sizeof call_tag) != 1) std::abort();
  }
  return std::make_unique<SessionState>(*this, std::move(start), call_tag, static_cast<uint64_t>(std::time(nullptr)));
}

void PlaneState::strike(uint64_t call_tag) { sessions_.erase(call_tag); }

std::optional<AnchorPlace> PlaneState::anchor_place(const SessionStart& start) const {
  const RegionMap* region = dataplane.region();
  if (region == nullptr || !pool) return std::nullopt;
  const auto face = region->slot(start.face.c_str());
  const auto link = region->slot(settings.link.slot_name.c_str());
  if (!face || !link) return std::nullopt;
  AnchorPlace place;
  place.face_slot = *face;
  place.face_family = region->header().slots[*face].address.family;
  place.face_address = address_text(region->header().slots[*face].address);
  for (const FaceAddress& address : settings.faces) {
    if (address.slot_name == start.face && !address.advertised.empty()) place.face_address = address.advertised;
  }
  place.link_address = settings.link.advertised.empty() ? address_text(region->header().slots[*link].address)
                                                        : settings.link.advertised;
  place.link_rtp_port = settings.link_rtp_port;
  place.link_rtcp_port = settings.link_rtcp_port;
  return place;
}

void PlaneState::note_exhausted(const Refusal& refusal) {
  const bool ran_out = refusal.counter == MediaCounter::refused_no_ports ||
                       refusal.counter == MediaCounter::refused_no_flows ||
                       refusal.counter == MediaCounter::refused_no_multiplex_ids;
  if (!ran_out || std::exchange(exhausted_, true)) return;
  exhausted_fault_ = {FaultCode::exhausted, "media", refusal.warning, "widen the port range or raise [dataplane] flows"};
  listener.on_exhausted(exhausted_fault_, true);
}

void PlaneState::note_leased() {
  if (std::exchange(exhausted_, false)) listener.on_exhausted(exhausted_fault_, false);
}

void PlaneState::keep(const CallRecord& record) {
  if (journal_ && !journal_->put(record)) counters.add(MediaCounter::journal_failures);
}

void PlaneState::forget(uint64_t call_tag) {
  if (journal_ && !journal_->erase(call_tag)) counters.add(MediaCounter::journal_failures);
}

void PlaneState::fail(uint64_t call_tag, const Fault& fault) {
  const auto found = sessions_.find(call_tag);
  if (found != sessions_.end()) listener.on_session_failed(*found->second, fault);
}

void PlaneState::set_marking(const Marking& marking) {
  if (settings.marking == marking) return;
  settings.marking = marking;
  std::vector<uint64_t> tags;
  for (const auto& [tag, session] : sessions_) tags.push_back(tag);
  for (const uint64_t tag : tags) {
    const auto found = sessions_.find(tag);
    if (found != sessions_.end()) found->second->state_->refresh();
  }
}

void PlaneState::rebuild_pool() {
  pool = std::make_shared<MediaPool>(*dataplane.region(), settings, links.own_ports());
}

// The listener may end sessions, this one or others, while it is told.
void PlaneState::fail_all(const Fault& fault) {
  flows.clear();
  std::vector<uint64_t> tags;
  for (const auto& [tag, session] : sessions_) tags.push_back(tag);
  for (const uint64_t tag : tags) {
    const auto found = sessions_.find(tag);
    if (found == sessions_.end()) continue;
    counters.add(MediaCounter::sessions_lost);
    found->second->state_->abandon();
    fail(tag, fault);
  }
}

std::string PlaneState::missing_address() const {
  std::vector<std::string> names{settings.link.slot_name};
  for (const FaceAddress& face : settings.faces) names.push_back(face.slot_name);
  for (const std::string& name : names) {
    if (!dataplane.region()->slot(name.c_str())) return "the dataplane has no address named " + name;
  }
  return {};
}

void PlaneState::on_dataplane_up(const DataplaneArrival& arrival) {
  // SRTP's packet indices went with the old region: to seal on under the same keys would use a keystream twice (RFC 3711 9.1).
  const bool lost = !arrival.is_first && (!arrival.same_geometry || (!arrival.same_region && settings.role == Role::c));
  if (lost) {
    rebuild_pool();
    fail_all({FaultCode::unreachable, "dataplane", "came back without the flows of its calls", "the caller calls again"});
  }
  if (!pool) rebuild_pool();
  links.reinstall();
  std::vector<std::unique_ptr<MediaSession>> restored;
  if (arrival.is_first) restored = restore_sessions();
  flows.reconcile();
  listener.on_dataplane(DataplaneState::running, missing_address());
  if (arrival.is_first) listener.on_restored(std::move(restored));
}

std::vector<std::unique_ptr<MediaSession>> PlaneState::restore_sessions() {
  std::vector<std::unique_ptr<MediaSession>> restored;
  for (const CallRecord& record : std::exchange(journalled_.calls, {})) {
    SessionStart start{record.call_id, record.from_tag, record.correlation, record.peer, record.face,
                       record.began_at_face ? Side::face : Side::traversal, record.from, record.to};
    auto state = std::make_unique<SessionState>(*this, std::move(start), record.call_tag, record.started_unix_s);
    if (!state->adopt(record)) {
      counters.add(MediaCounter::sessions_lost);
      forget(record.call_tag);
      continue;
    }
    auto session = adopt_session(std::move(state));
    enrol(record.call_tag, session.get());
    restored.push_back(std::move(session));
  }
  return restored;
}

void PlaneState::on_dataplane_down(const Fault& fault) { listener.on_dataplane(DataplaneState::down, fault.text()); }

void PlaneState::on_worker_stalled(uint32_t, bool) {
  listener.on_dataplane(dataplane.state(), dataplane.fault().text());
}

void PlaneState::on_dataplane_event(uint32_t, const abi::Event& event) {
  if (event.type == abi::EventType::link_up || event.type == abi::EventType::link_down) {
    listener.on_link(event.link, event.type == abi::EventType::link_up);
    return;
  }
  if (event.type == abi::EventType::events_lost) return;  // counted by the worker
  const auto found = sessions_.find(event.call_tag);
  const abi::FlowSpec* spec = found == sessions_.end() ? nullptr : flows.wanted(event.flow_index);
  if (spec == nullptr || spec->generation != event.generation) {
    counters.add(MediaCounter::events_unknown);
    return;
  }
  listener.on_session_event(*found->second, line_of(spec->stream_tag), role_of(spec->stream_tag), event);
}

}  // namespace sallyport::media
