// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_link.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace sallyport::media {
namespace {

void fill_random(void* out, size_t length) {
  if (RAND_priv_bytes(static_cast<unsigned char*>(out), static_cast<int>(length)) != 1) std::abort();
}

// Generations grow across restarts too: they start from the clock.
uint32_t next_generation(uint32_t last) { return std::max(last + 1, static_cast<uint32_t>(std::time(nullptr))); }

bool same_link(const abi::LinkSpec& a, const abi::LinkSpec& b) {
  return a.role == b.role && a.session == b.session && std::memcmp(a.key, b.key, sizeof a.key) == 0 &&
         a.local_slot == b.local_slot && a.local_rtp_port == b.local_rtp_port &&
         a.local_rtcp_port == b.local_rtcp_port && a.keepalive_ms == b.keepalive_ms && a.remote_rtp == b.remote_rtp &&
         a.remote_rtcp == b.remote_rtcp;
}

}  // namespace

LinkGrant::~LinkGrant() { explicit_bzero(key.data(), key.size()); }
MediaLinks::Link::~Link() { explicit_bzero(spec.key, sizeof spec.key); }

MediaLinks::MediaLinks(DataplaneLink& dataplane, const MediaSettings& settings)
    : dataplane_(dataplane), settings_(settings) {}

Outcome<uint16_t> MediaLinks::slot_for(const std::string& peer) {
  if (const auto found = slots_.find(peer); found != slots_.end()) return found->second;
  for (uint16_t slot = 0; slot < abi::max_links; ++slot) {
    bool taken = false;
    for (const auto& [name, other] : slots_) taken |= other == slot;
    if (taken) continue;
    slots_.emplace(peer, slot);
    if (on_slot) on_slot(peer, slot);
    return slot;
  }
  return Fault{FaultCode::exhausted, "media link of " + peer, "all link slots are taken", "remove unused zones"};
}

// What the dataplane still runs for this slot from before a restart of ours: the peer's media goes on if we keep it.
std::optional<abi::LinkSpec> MediaLinks::surviving_spec(uint16_t slot) const {
  if (dataplane_.region() == nullptr) return std::nullopt;
  const abi::LinkSpec spec = dataplane_.region()->link_spec(slot);
  if (spec.generation == 0 || spec.session == 0) return std::nullopt;
  return spec;
}

Outcome<LinkGrant> MediaLinks::grant(const std::string& peer) {
  const auto slot = slot_for(peer);
  if (!slot) return slot.fault();
  Link& link = links_[*slot];
  if (link.spec.session == 0) {
    link.peer = peer;
    link.spec.link = *slot;
    link.spec.role = abi::LinkRole::e_side;
    const auto surviving = surviving_spec(*slot);
    if (surviving && surviving->role == abi::LinkRole::e_side) {
      link.spec = *surviving;
    } else {
      fill_random(&link.spec.session, sizeof link.spec.session);
      fill_random(link.spec.key, sizeof link.spec.key);
    }
    link.spec.local_rtp_port = settings_.link_rtp_port;
    link.spec.local_rtcp_port = settings_.link_rtcp_port;
    link.spec.keepalive_ms = settings_.keepalive_ms;
    if (auto added = add(link); !added) return added.fault();
  }
  LinkGrant grant;
  grant.session = link.spec.session;
  std::memcpy(grant.key.data(), link.spec.key, grant.key.size());
  grant.rtp_port = settings_.link_rtp_port;
  grant.rtcp_port = settings_.link_rtcp_port;
  return grant;
}

Outcome<uint16_t> MediaLinks::install(const std::string& peer, const LinkGrant& grant, const abi::Address& remote) {
  if (grant.session == 0 || !remote.is_set()) {
    return Fault{FaultCode::invalid, "media link to " + peer, "has no session or no address", ""};
  }
  const auto slot = slot_for(peer);
  if (!slot) return slot.fault();
  Link& link = links_[*slot];
  abi::LinkSpec spec = link.spec;
  if (spec.session == 0) spec = surviving_spec(*slot).value_or(abi::LinkSpec{});
  const abi::LinkSpec before = spec;
  spec.link = *slot;
  spec.role = abi::LinkRole::c_side;
  spec.session = grant.session;
  std::memcpy(spec.key, grant.key.data(), grant.key.size());
  spec.local_rtp_port = settings_.link_rtp_port;
  spec.local_rtcp_port = settings_.link_rtcp_port;
  spec.keepalive_ms = settings_.keepalive_ms;
  spec.remote_rtp = remote;
  spec.remote_rtp.port = grant.rtp_port;
  spec.remote_rtcp = remote;
  spec.remote_rtcp.port = grant.rtcp_port;
  const bool changed = !same_link(before, spec);
  link.peer = peer;
  link.spec = spec;
  explicit_bzero(spec.key, sizeof spec.key);
  if (changed) link.workers_done = 0;
  if (auto added = add(link); !added) return added.fault();
  return *slot;
}

// Puts the link to every worker unless the region shows it there already. Without a dataplane it waits for reinstall().
Outcome<> MediaLinks::add(Link& link) {
  if (!dataplane_.is_connected()) return Done{};
  const auto slot = dataplane_.region()->slot(settings_.link.slot_name.c_str());
  if (!slot) {
    return Fault{FaultCode::missing, "media link of " + link.peer,
                 "the dataplane has no address named " + settings_.link.slot_name, "correct [media] link"};
  }
  link.spec.local_slot = *slot;
  const auto there = surviving_spec(link.spec.link);
  if (there && same_link(*there, link.spec) && there->generation == link.spec.generation) {
    link.workers_done = dataplane_.worker_count();
    return Done{};
  }
  link.spec.generation = next_generation(std::max(link.spec.generation, there ? there->generation : 0));
  link.workers_done = 0;
  for (uint32_t worker = 0; worker < dataplane_.worker_count(); ++worker) {
    abi::Command command;
    command.type = abi::CommandType::add_link;
    command.link = link.spec.link;
    command.link_spec = link.spec;
    auto taken = dataplane_.submit(
        worker, command, [this, slot = link.spec.link, generation = link.spec.generation](const Outcome<abi::Completion>& outcome) {
          const auto found = links_.find(slot);
          if (!outcome || found == links_.end() || found->second.spec.generation != generation) return;
          if (outcome->status == abi::CommandStatus::done) ++found->second.workers_done;
        });
    wipe(command);
    if (!taken) return taken.fault();
  }
  return Done{};
}

void MediaLinks::remove(const std::string& peer) {
  const auto found = slots_.find(peer);
  if (found == slots_.end()) return;
  links_.erase(found->second);
  if (!dataplane_.is_connected()) return;
  for (uint32_t worker = 0; worker < dataplane_.worker_count(); ++worker) {
    abi::Command command;
    command.type = abi::CommandType::remove_link;
    command.link = found->second;
    // A full ring leaves the old link standing until the next grant replaces it; nothing else can be done about it here.
    (void)dataplane_.submit(worker, command, [](const Outcome<abi::Completion>&) {});
  }
}

std::optional<uint16_t> MediaLinks::find(std::string_view peer) const {
  const auto found = slots_.find(peer);
  if (found == slots_.end() || !links_.contains(found->second)) return std::nullopt;
  return found->second;
}

std::optional<uint16_t> MediaLinks::slot_of(std::string_view peer) const {
  const auto found = slots_.find(peer);
  return found == slots_.end() ? std::nullopt : std::optional<uint16_t>(found->second);
}

bool MediaLinks::is_up(uint16_t link) const {
  if (dataplane_.region() == nullptr || !links_.contains(link)) return false;
  const abi::LinkState state = dataplane_.region()->link_state(link);
  return state.generation_live != 0 && state.rtp_up != 0 && state.rtcp_up != 0;
}

uint64_t MediaLinks::down_ms(std::string_view peer, uint64_t now_ms) const {
  const auto slot = find(peer);
  if (!slot || !dataplane_.is_connected()) return 0;
  const abi::LinkState state = dataplane_.region()->link_state(*slot);
  const uint64_t last_ms = state.rtp_last_ns / 1'000'000;
  return state.generation_live == 0 || state.rtp_up != 0 || last_ms == 0 || last_ms > now_ms ? 0 : now_ms - last_ms;
}

std::vector<LinkStatus> MediaLinks::status() const {
  std::vector<LinkStatus> all;
  for (const auto& [slot, link] : links_) {
    LinkStatus status;
    status.link = slot;
    status.peer = link.peer;
    if (dataplane_.region() != nullptr) {
      const abi::LinkState state = dataplane_.region()->link_state(slot);
      const bool live = dataplane_.is_connected() && state.generation_live == link.spec.generation;
      status.installed = live && link.workers_done == dataplane_.worker_count();
      status.rtp_up = live && state.rtp_up != 0;
      status.rtcp_up = live && state.rtcp_up != 0;
      status.rtp_round_trip_ns = state.rtp_round_trip_ns;
      status.rtcp_round_trip_ns = state.rtcp_round_trip_ns;
      status.rtp_last_ns = state.rtp_last_ns;
      status.rtcp_last_ns = state.rtcp_last_ns;
      status.peer_rtp = link.spec.remote_rtp.is_set() ? link.spec.remote_rtp : state.peer_rtp[0];
      status.peer_rtcp = link.spec.remote_rtcp.is_set() ? link.spec.remote_rtcp : state.peer_rtcp[0];
    }
    all.push_back(std::move(status));
  }
  return all;
}

void MediaLinks::restore(const std::string& peer, uint16_t link) {
  if (link < abi::max_links) slots_.emplace(peer, link);
}

void MediaLinks::reinstall() {
  for (auto& [slot, link] : links_) {
    // Slot numbers are those of the new region.
    if (link.spec.session != 0) (void)add(link);
  }
}

std::pair<uint16_t, uint16_t> MediaLinks::own_ports() const {
  // C sends from one pair a worker, so that both directions of a stream stay on one lcore (abi/link.h).
  const uint32_t workers = settings_.role == Role::c ? std::max(dataplane_.worker_count(), 1u) : 1;
  return {settings_.link_rtp_port, static_cast<uint16_t>(settings_.link_rtcp_port + 2 * (workers - 1))};
}

}  // namespace sallyport::media
