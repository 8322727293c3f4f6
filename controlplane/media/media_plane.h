// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaPlane: what all calls of a node share: the dataplane, its address slots, ports, multiplexIDs, flow indices and media
// links. Sessions borrow from it and give back. One thread.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/media/dataplane_link.h"
#include "controlplane/media/flow_indices.h"
#include "controlplane/media/multiplex_ids.h"
#include "controlplane/media/relay_ports.h"

namespace sallyport::media {

struct MediaSettings {
  bool is_e = true;
  std::string near_slot, link_slot;   // names of address slots: towards clients (E) or inside phones (C); of the media link
  std::string near_address;           // as written into SDP: the advertised address where there is one
  std::string link_address;
  uint16_t port_min = 36002, port_max = 59999, link_rtp_port = 36000, link_rtcp_port = 36001;
  uint32_t keepalive_ms = 5000, max_packets_per_s = 1000;
  std::vector<std::string> suites;    // C: offered to clients, strongest first
  bool inner_srtp = false;            // C: SDES towards call control too
};

struct MediaCounters {
  uint64_t offers = 0, answers = 0, refused_no_keys = 0, refused_suite = 0, refused_sdp = 0, refused_dataplane = 0, refused_ports = 0;
  uint64_t streams_not_rtp = 0, sessions = 0, flows_refused = 0, wrong_answer_key = 0;
};

class MediaPlane {
 public:
  MediaPlane(MediaSettings settings, DataplaneLink& dataplane, std::function<uint64_t()> now_ms);

  // The dataplane is there (again): slots are looked up, links installed anew; without adoption every flow is gone.
  void on_dataplane(bool adopted);
  bool is_ready() const { return dataplane_.is_running() && near_slot_ >= 0 && link_slot_ >= 0; }
  std::string not_ready_text() const;

  // The media link to a peer, by its stable id. E: makes one, or finds the one that runs. C: takes what E offered.
  struct LinkKeys {
    uint64_t session = 0;
    std::array<uint8_t, 32> key{};
  };
  Outcome<LinkKeys> serve_link(uint64_t link_id);                                                    // E
  Outcome<> join_link(uint64_t link_id, const LinkKeys& keys, const abi::Address& rtp, const abi::Address& rtcp);  // C
  int link_of(uint64_t link_id) const;  // slot; -1: none

  bool add_flow(abi::FlowSpec& spec, FlowHandle handle);
  bool modify_flow(const abi::FlowSpec& spec, FlowHandle handle, uint8_t flags);
  void remove_flow(FlowHandle& handle);

  const MediaSettings& settings() const { return settings_; }
  DataplaneLink& dataplane() { return dataplane_; }
  RelayPorts& ports() { return ports_; }
  MultiplexIds& multiplex_ids() { return multiplex_ids_; }
  FlowIndices& flows() { return flows_; }
  uint16_t near_slot() const { return static_cast<uint16_t>(near_slot_); }
  uint64_t epoch() const { return epoch_; }  // changes when all flows were lost
  MediaCounters& counters() { return counters_; }
  const MediaCounters& counters() const { return counters_; }
  std::function<void(const std::string&)> log;

 private:
  struct Link {
    uint64_t id = 0;
    abi::LinkSpec spec;
  };
  Outcome<> install(Link& link);
  Link* find_link(uint64_t link_id);
  Link* new_link(uint64_t link_id);

  const MediaSettings settings_;
  DataplaneLink& dataplane_;
  std::function<uint64_t()> now_ms_;
  RelayPorts ports_;
  MultiplexIds multiplex_ids_;
  FlowIndices flows_;
  std::map<uint16_t, Link> links_;  // by slot
  uint32_t link_generation_ = 0;
  int near_slot_ = -1, link_slot_ = -1;
  uint64_t epoch_ = 0;
  MediaCounters counters_;
};

}  // namespace sallyport::media
