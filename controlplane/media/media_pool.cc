// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_pool.h"

#include <chrono>
#include <ctime>
#include <random>
#include <string>

namespace sallyport::media {
namespace {

Fault exhausted(const char* what, const char* remedy) {
  return {FaultCode::exhausted, "media", std::string(what) + " are exhausted", remedy};
}

}  // namespace

uint64_t steady_ms() {
  using namespace std::chrono;
  return static_cast<uint64_t>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}

StreamLease::~StreamLease() {
  if (pool == nullptr) return;
  const uint64_t now_ms = steady_ms();
  if (has_flows && !is_programmed) {
    for (const FlowHandle& flow : flows) pool->flows_.release(flow.index);
  }
  if (relay_port != 0) {
    if (PortAllocator* ports = pool->ports(face_slot)) ports->release(relay_port, now_ms);
  }
  if (multiplex_id == 0) return;
  MultiplexAllocator& ids = pool->ids(id_space);
  if (pool->role_ == Role::e) ids.release(multiplex_id, now_ms);
  else ids.release_at_once(multiplex_id);
}

MediaPool::MediaPool(const RegionMap& region, const MediaSettings& settings, std::pair<uint16_t, uint16_t> own_ports)
    : role_(settings.role),
      workers_(region.worker_count()),
      multiplex_quarantine_ms_(settings.multiplex_quarantine_ms),
      flows_(region.flow_capacity(), region.worker_count(), static_cast<uint32_t>(std::time(nullptr))) {
  std::random_device seed;
  for (uint16_t slot = 0; slot < abi::max_address_slots; ++slot) {
    if (region.header().slots[slot].in_use == 0) continue;
    auto& ports = ports_.emplace(slot, PortAllocator(region.header().relay_port_min, region.header().relay_port_max,
                                                     workers_, settings.port_quarantine_ms, seed()))
                      .first->second;
    if (region.slot(settings.link.slot_name.c_str()) != slot) continue;
    for (uint32_t port = own_ports.first; port <= own_ports.second; ++port) {
      ports.claim(static_cast<uint16_t>(port & ~1u));
    }
  }
}

PortAllocator* MediaPool::ports(uint16_t slot) {
  const auto found = ports_.find(slot);
  return found == ports_.end() ? nullptr : &found->second;
}

MultiplexAllocator& MediaPool::ids(uint16_t link) {
  const uint16_t space = role_ == Role::e ? 0 : link;
  return ids_.try_emplace(space, workers_, multiplex_quarantine_ms_).first->second;
}

// A lease on an ID that was chosen elsewhere; nullptr: it is taken.
SharedLease MediaPool::named(uint16_t face_slot, uint16_t link, uint32_t multiplex_id) {
  MultiplexAllocator& ids = this->ids(link);
  if (!ids.claim(multiplex_id)) return nullptr;
  auto lease = std::make_shared<StreamLease>();
  lease->pool = shared_from_this();
  lease->face_slot = face_slot;
  lease->multiplex_id = multiplex_id;
  lease->id_space = link;
  lease->worker = ids.owner(multiplex_id);
  return lease;
}

uint32_t MediaPool::ports_in_use() const {
  uint32_t count = 0;
  for (const auto& [slot, ports] : ports_) count += ports.in_use();
  return count;
}

Outcome<SharedLease> MediaPool::lease(uint16_t face_slot, const DataplaneLink& dataplane, MediaCounter& counter) {
  auto lease = std::make_shared<StreamLease>();
  lease->pool = shared_from_this();
  lease->face_slot = face_slot;
  for (uint32_t tried = 0; tried < workers_; ++tried) {
    lease->worker = next_worker_++ % workers_;
    if (dataplane.is_alive(lease->worker)) break;
  }
  const auto id = ids(0).allot(lease->worker, steady_ms());
  if (!id) {
    counter = MediaCounter::refused_no_multiplex_ids;
    return exhausted("multiplexIDs", "end calls or lower the load");
  }
  lease->multiplex_id = *id;
  return complete(std::move(lease), counter);
}

Outcome<SharedLease> MediaPool::lease_for(uint16_t face_slot, uint16_t link, uint32_t multiplex_id, MediaCounter& counter) {
  SharedLease lease = named(face_slot, link, multiplex_id);
  if (lease) return complete(std::move(lease), counter);
  counter = MediaCounter::refused_multiplex_conflict;
  return Fault{FaultCode::conflict, "media", "the multiplexID belongs to another call", "the caller may try again"};
}

Outcome<SharedLease> MediaPool::complete(SharedLease lease, MediaCounter& counter) {
  PortAllocator* ports = this->ports(lease->face_slot);
  const auto port = ports == nullptr ? std::nullopt : ports->allot(lease->worker, steady_ms());
  if (!port) {
    counter = MediaCounter::refused_no_ports;
    return exhausted("relay ports", "widen [media] port_min to port_max");
  }
  lease->relay_port = *port;
  if (!allot_flows(*lease)) {
    counter = MediaCounter::refused_no_flows;
    return exhausted("flows", "raise [dataplane] flows");
  }
  return lease;
}

bool MediaPool::allot_flows(StreamLease& lease) {
  for (size_t i = 0; i < flows_per_stream; ++i) {
    const auto flow = flows_.allot(lease.worker);
    if (!flow) {
      while (i-- > 0) flows_.release(lease.flows[i].index);
      return false;
    }
    lease.flows[i] = *flow;
  }
  lease.has_flows = true;
  lease.is_programmed = false;
  return true;
}

SharedLease MediaPool::adopt(uint16_t face_slot, uint16_t link, const StreamRecord& record) {
  PortAllocator* ports = this->ports(face_slot);
  SharedLease lease = ports == nullptr ? nullptr : named(face_slot, link, record.multiplex_id);
  if (!lease) return nullptr;
  lease->serial = record.serial;
  if (!ports->claim(record.relay_port)) return nullptr;
  lease->relay_port = record.relay_port;
  for (size_t i = 0; i < flows_per_stream; ++i) {
    if (!flows_.claim(record.flows[i])) {
      while (i-- > 0) flows_.release(record.flows[i].index);
      return nullptr;
    }
    lease->flows[i] = record.flows[i];
  }
  lease->has_flows = lease->is_programmed = true;
  lease->programmed_rtp = record.face_rtp;
  lease->programmed_rtcp = record.face_rtcp;
  return lease;
}

}  // namespace sallyport::media
