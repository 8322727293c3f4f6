// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaLinks: the media links of this node, one a traversal peer, each a slot in the dataplane. E makes session and key once the peer is
// authenticated and hands them out as a LinkGrant over the traversal connection; C installs what E gave. Slots stay with their peer's
// name across reconnects and restarts, since flows name them. Keys here authenticate control datagrams and are no media keys.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/media/dataplane_link.h"
#include "controlplane/media/media_settings.h"
#include "dataplane/abi/link.h"

namespace sallyport::media {

struct LinkGrant {
  uint64_t session = 0;
  std::array<uint8_t, 32> key{};
  uint16_t rtp_port = 36000;   // where E listens
  uint16_t rtcp_port = 36001;
  ~LinkGrant();
};

struct LinkStatus {
  uint16_t link = abi::no_link;
  std::string peer;
  bool installed = false;      // every worker has it
  bool rtp_up = false, rtcp_up = false;
  uint64_t rtp_round_trip_ns = 0, rtcp_round_trip_ns = 0;
  uint64_t rtp_last_ns = 0, rtcp_last_ns = 0;  // CLOCK_MONOTONIC
  abi::Address peer_rtp, peer_rtcp;            // of the peer's first worker
};

class MediaLinks {
 public:
  MediaLinks(DataplaneLink& dataplane, const MediaSettings& settings);

  // E: the grant of this peer; the same one again as long as the link lives, also after a restart of the control plane.
  Outcome<LinkGrant> grant(const std::string& peer);
  // C: installs what E granted. remote: E's address as the traversal connection reached it (the port is the grant's).
  Outcome<uint16_t> install(const std::string& peer, const LinkGrant& grant, const abi::Address& remote);
  // E: a new session and key at the next grant (the peer's credentials changed).
  void remove(const std::string& peer);

  // Granted or installed; nullopt: calls of this peer have no way for their media.
  std::optional<uint16_t> find(std::string_view peer) const;
  // Its slot, link or not: calls taken over after a restart still name it.
  std::optional<uint16_t> slot_of(std::string_view peer) const;
  std::vector<LinkStatus> status() const;
  bool is_up(uint16_t link) const;
  // How long the RTP of this peer's link has been down at `now_ms` of CLOCK_MONOTONIC; 0: it is up, was never heard, or no dataplane says.
  uint64_t down_ms(std::string_view peer, uint64_t now_ms) const;

  // After a restart: which slot was whose. Before the first grant.
  void restore(const std::string& peer, uint16_t link);
  // Called whenever a peer gets a slot, for the journal.
  std::function<void(const std::string& peer, uint16_t link)> on_slot;

  // MediaPlane: the dataplane is there (again); everything not yet in its region is installed.
  void reinstall();
  // Ports of ours on that slot which are no relay ports: [first, last].
  std::pair<uint16_t, uint16_t> own_ports() const;

 private:
  struct Link {
    std::string peer;
    abi::LinkSpec spec;
    uint32_t workers_done = 0;
    ~Link();
  };
  Outcome<uint16_t> slot_for(const std::string& peer);
  Outcome<> add(Link& link);
  std::optional<abi::LinkSpec> surviving_spec(uint16_t slot) const;

  DataplaneLink& dataplane_;
  const MediaSettings& settings_;
  std::map<uint16_t, Link> links_;
  std::map<std::string, uint16_t, std::less<>> slots_;
};

}  // namespace sallyport::media
