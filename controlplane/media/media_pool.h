// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaPool: the ports, multiplexIDs and flow indices of this node, handed out as leases: everything one stream holds, all of one worker.
// A lease gives back what it holds when its last owner lets go; the flows it programmed are given back by FlowProgram once removed.
// One thread. Rebuilt when the dataplane comes with another geometry; leases keep their old pool alive.

#include <cstdint>
#include <map>
#include <memory>

#include "controlplane/media/call_record.h"
#include "controlplane/media/dataplane_link.h"
#include "controlplane/media/flow_allocator.h"
#include "controlplane/media/media_counters.h"
#include "controlplane/media/media_settings.h"
#include "controlplane/media/multiplex_allocator.h"
#include "controlplane/media/port_allocator.h"
#include "dataplane/abi/fault.h"

namespace sallyport::media {

class MediaPool;

struct StreamLease {
  std::shared_ptr<MediaPool> pool;
  uint16_t face_slot = abi::no_slot;
  uint16_t relay_port = 0;      // RTP; RTCP is the next
  uint32_t multiplex_id = 0;
  uint16_t id_space = 0;        // C: the link whose E chose the ID; each E counts for itself
  uint32_t worker = 0;
  uint32_t serial = 0;          // tells the streams of one session apart
  FlowHandle flows[flows_per_stream];
  bool has_flows = false;       // indices allotted, and not yet given over to FlowProgram for removal
  bool is_programmed = false;
  abi::Address programmed_rtp, programmed_rtcp;  // the face's addresses at the last programming

  StreamLease() = default;
  StreamLease(const StreamLease&) = delete;
  ~StreamLease();
  FlowHandle flow(FlowRole role) const { return flows[static_cast<size_t>(role)]; }
};
using SharedLease = std::shared_ptr<StreamLease>;

class MediaPool : public std::enable_shared_from_this<MediaPool> {
 public:
  // own_ports: of the media link, never handed out on its address.
  MediaPool(const RegionMap& region, const MediaSettings& settings, std::pair<uint16_t, uint16_t> own_ports);

  // E: chooses worker and ID. Faults: exhausted, with `counter` saying what ran out.
  Outcome<SharedLease> lease(uint16_t face_slot, const DataplaneLink& dataplane, MediaCounter& counter);
  // C: for the ID that E chose. Also conflict, when another call has it.
  Outcome<SharedLease> lease_for(uint16_t face_slot, uint16_t link, uint32_t multiplex_id, MediaCounter& counter);
  // What a call from before a restart still holds. nullptr: it contradicts what is in use.
  SharedLease adopt(uint16_t face_slot, uint16_t link, const StreamRecord& record);
  // Flow indices anew, for a stream whose flows were removed and come back (a rolled back re-INVITE).
  bool allot_flows(StreamLease& lease);

  FlowAllocator& flows() { return flows_; }
  uint32_t ports_in_use() const;

 private:
  friend struct StreamLease;
  PortAllocator* ports(uint16_t slot);
  MultiplexAllocator& ids(uint16_t link);
  SharedLease named(uint16_t face_slot, uint16_t link, uint32_t multiplex_id);
  Outcome<SharedLease> complete(SharedLease lease, MediaCounter& counter);

  Role role_;
  uint32_t workers_;
  uint32_t next_worker_ = 0;
  std::map<uint16_t, PortAllocator> ports_;  // by address slot
  uint64_t multiplex_quarantine_ms_;
  std::map<uint16_t, MultiplexAllocator> ids_;  // E: one; C: one a link
  FlowAllocator flows_;
};

uint64_t steady_ms();

}  // namespace sallyport::media
