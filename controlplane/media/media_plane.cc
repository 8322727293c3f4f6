// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_plane.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>

namespace sallyport::media {

MediaPlane::MediaPlane(MediaSettings settings, DataplaneLink& dataplane, std::function<uint64_t()> now_ms)
    : settings_(std::move(settings)),
      dataplane_(dataplane),
      now_ms_(std::move(now_ms)),
      ports_(settings_.port_min, settings_.port_max, now_ms_),
      multiplex_ids_(65'535, now_ms_) {}

std::string MediaPlane::not_ready_text() const {
  if (!dataplane_.is_running()) return "dataplane is " + dataplane_.state_text();
  return near_slot_ < 0 ? "dataplane has no address slot " + settings_.near_slot : "dataplane has no address slot " + settings_.link_slot;
}

void MediaPlane::on_dataplane(bool adopted) {
  near_slot_ = dataplane_.find_slot(settings_.near_slot);
  link_slot_ = dataplane_.find_slot(settings_.link_slot);
  if (!is_ready() && log) log("media: " + not_ready_text());
  if (!adopted || flows_.workers() != dataplane_.workers()) {
    ++epoch_;
    flows_.reset(dataplane_.flow_capacity(), dataplane_.workers());
    // What runs already belongs to an earlier control plane: its ports and IDs are taken until its calls end.
    for (const abi::FlowSpec& spec : dataplane_.live_flows()) {
      flows_.reserve({spec.flow_index, spec.generation});
      if (spec.arrival == abi::Arrival::port && spec.media == abi::Media::rtp) ports_.reserve(spec.local_port & ~1u);
      if (spec.arrival_multiplex_id != 0) multiplex_ids_.reserve(spec.arrival_multiplex_id);
    }
  }
  for (auto& [slot, link] : links_)
    if (const Outcome<> installed = install(link); !installed && log) log("media: " + installed.fault().text());
}

MediaPlane::Link* MediaPlane::find_link(uint64_t link_id) {
  for (auto& [slot, link] : links_)
    if (link.id == link_id) return &link;
  return nullptr;
}

MediaPlane::Link* MediaPlane::new_link(uint64_t link_id) {
  for (uint16_t slot = 0; slot < abi::max_links; ++slot) {
    if (links_.contains(slot)) continue;
    Link& link = links_[slot];
    link.id = link_id;
    link.spec.link = slot;
    return &link;
  }
  return nullptr;
}

int MediaPlane::link_of(uint64_t link_id) const {
  for (const auto& [slot, link] : links_)
    if (link.id == link_id) return slot;
  return -1;
}

Outcome<> MediaPlane::install(Link& link) {
  if (!is_ready()) return Fault{FaultCode::unreachable, "media link", not_ready_text(), "start sallyport-dataplane"};
  link.spec.local_slot = static_cast<uint16_t>(link_slot_);
  link.spec.local_rtp_port = settings_.link_rtp_port;
  link.spec.local_rtcp_port = settings_.link_rtcp_port;
  link.spec.keepalive_ms = static_cast<uint16_t>(settings_.keepalive_ms);
  abi::LinkRecord running;
  // The same link in the region already (control plane restarted, or region adopted): it goes on, its peer's address stays known.
  if (dataplane_.read_link(link.spec.link, running) && running.spec.session == link.spec.session &&
      CRYPTO_memcmp(running.spec.key, link.spec.key, sizeof link.spec.key) == 0 && running.spec.remote_rtp == link.spec.remote_rtp) {
    link.spec.generation = running.spec.generation;
    link_generation_ = std::max(link_generation_, running.spec.generation);
    return Done{};
  }
  link.spec.generation = ++link_generation_;
  for (uint32_t worker = 0; worker < dataplane_.workers(); ++worker) {
    abi::Command command;
    command.type = abi::CommandType::add_link;
    command.link = link.spec.link;
    command.link_spec = link.spec;
    if (!dataplane_.submit(worker, command)) return Fault{FaultCode::exhausted, "media link", "the command ring is full", "look at `sallyport counters`"};
  }
  return Done{};
}

Outcome<MediaPlane::LinkKeys> MediaPlane::serve_link(uint64_t link_id) {
  Link* link = find_link(link_id);
  if (link == nullptr) {
    link = new_link(link_id);
    if (link == nullptr) return Fault{FaultCode::exhausted, "media links", fmt::format("all {} are in use", abi::max_links), "remove a zone"};
    link->spec.role = abi::LinkRole::e_side;
    link->spec.session = link_id;
    RAND_bytes(link->spec.key, sizeof link->spec.key);
    // A link of this peer that already runs keeps slot and key: calls on it go on over a restart of the control plane.
    abi::LinkRecord running;
    for (uint16_t slot = 0; slot < abi::max_links; ++slot) {
      if (!dataplane_.read_link(slot, running) || running.spec.session != link_id || running.spec.role != abi::LinkRole::e_side) continue;
      if (slot != link->spec.link && links_.contains(slot)) continue;
      Link moved = *link;
      links_.erase(link->spec.link);
      moved.spec.link = slot;
      std::copy(std::begin(running.spec.key), std::end(running.spec.key), moved.spec.key);
      link = &(links_[slot] = moved);
      break;
    }
  }
  // Without a dataplane the link is installed when there is one: registrations do not wait for media.
  if (const Outcome<> installed = install(*link); !installed && log) log("media: " + installed.fault().text());
  LinkKeys keys;
  keys.session = link->spec.session;
  std::copy(std::begin(link->spec.key), std::end(link->spec.key), keys.key.begin());
  return keys;
}

Outcome<> MediaPlane::join_link(uint64_t link_id, const LinkKeys& keys, const abi::Address& rtp, const abi::Address& rtcp) {
  Link* link = find_link(link_id);
  if (link == nullptr) {
    // The slot that flows of an earlier control plane name, if the same link runs there.
    abi::LinkRecord running;
    for (uint16_t slot = 0; slot < abi::max_links && link == nullptr; ++slot) {
      if (links_.contains(slot) || !dataplane_.read_link(slot, running) || running.spec.session != keys.session || running.spec.role != abi::LinkRole::c_side) continue;
      link = &links_[slot];
      link->id = link_id;
      link->spec.link = slot;
    }
    if (link == nullptr) link = new_link(link_id);
  }
  if (link == nullptr) return Fault{FaultCode::exhausted, "media links", fmt::format("all {} are in use", abi::max_links), "remove a zone peer"};
  link->spec.role = abi::LinkRole::c_side;
  link->spec.session = keys.session;
  std::copy(keys.key.begin(), keys.key.end(), link->spec.key);
  link->spec.remote_rtp = rtp;
  link->spec.remote_rtcp = rtcp;
  return install(*link);
}

bool MediaPlane::add_flow(abi::FlowSpec& spec, FlowHandle handle) {
  spec.flow_index = handle.index;
  spec.generation = handle.generation;
  abi::Command command;
  command.type = abi::CommandType::add_flow;
  command.flow_index = handle.index;
  command.generation = handle.generation;
  command.flow = spec;
  const bool sent = dataplane_.submit(handle.index % flows_.workers(), command, [this](abi::CommandStatus status) {
    if (status != abi::CommandStatus::done) ++counters_.flows_refused;
  });
  OPENSSL_cleanse(&command, sizeof command);
  return sent;
}

bool MediaPlane::modify_flow(const abi::FlowSpec& spec, FlowHandle handle, uint8_t flags) {
  abi::Command command;
  command.type = abi::CommandType::modify_flow;
  command.modify_flags = flags;
  command.flow_index = handle.index;
  command.generation = handle.generation;
  command.flow = spec;
  const bool sent = dataplane_.submit(handle.index % flows_.workers(), command, [this](abi::CommandStatus status) {
    if (status != abi::CommandStatus::done) ++counters_.flows_refused;
  });
  OPENSSL_cleanse(&command, sizeof command);
  return sent;
}

void MediaPlane::remove_flow(FlowHandle& handle) {
  if (!handle.is_set()) return;
  abi::Command command;
  command.type = abi::CommandType::remove_flow;
  command.flow_index = handle.index;
  command.generation = handle.generation;
  // The index is free again only when the worker has let go of it.
  const FlowHandle freed = handle;
  const uint64_t epoch = epoch_;
  handle = {};
  if (!dataplane_.submit(freed.index % std::max(flows_.workers(), 1u), command, [this, freed, epoch](abi::CommandStatus) {
        if (epoch == epoch_) flows_.give_back(freed);
      }))
    flows_.give_back(freed);
}

}  // namespace sallyport::media
