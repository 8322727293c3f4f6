// SPDX-License-Identifier: Apache-2.0
#pragma once
// LinkTable: the media links of one worker: validated spec, the peers' addresses, what keeps repeats out.
// Owned by one lcore. On E worker 0 hears the keep-alives and publishes the peers' addresses in SharedLink; the others take
// them over when its sequence has moved. On C every worker keeps its own source port alive and knows its own state.

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "dataplane/abi/link.h"
#include "dataplane/abi/multiplex_id.h"
#include "dataplane/flow_table.h"

namespace sallyport::dataplane {

inline constexpr uint32_t media_kinds = 2;  // 0 RTP, 1 RTCP: index of everything kept for each port of the pair
constexpr uint32_t kind_of(abi::Media media) { return media == abi::Media::rtcp ? 1 : 0; }

// The peer as worker 0 of E heard it.
struct LinkPeers {
  abi::Address address[media_kinds][abi::max_link_workers];
  uint16_t workers = 0;
  bool up[media_kinds] = {};
};

static_assert(std::has_unique_object_representations_v<LinkPeers>, "compared as bytes");

struct SharedLink {
  std::atomic<uint32_t> sequence{0};  // odd while worker 0 writes
  LinkPeers peers;

  void publish(const LinkPeers& from);
  // True when a newer, whole copy was taken.
  bool take(uint32_t& seen, LinkPeers& to) const;
};

struct Link {
  uint32_t generation = 0;  // 0: free
  uint16_t index = abi::no_link;
  abi::LinkRole role = abi::LinkRole::none;
  uint64_t session = 0;
  uint16_t local_slot = abi::no_slot;
  uint16_t local_port[media_kinds] = {};  // of this worker
  uint64_t keepalive_ns = 0;
  uint8_t key[32] = {};

  LinkPeers peers;              // C: address[kind][0] is where E listens
  uint32_t seen_sequence = 0;
  uint64_t last_heard_ns[media_kinds] = {};
  uint64_t next_keepalive_ns[media_kinds] = {};
  uint64_t heard_counter[media_kinds][abi::max_link_workers] = {};
  uint64_t sent_counter = 0;
  HopMemory hop[media_kinds][abi::max_link_workers];

  bool is_live() const { return generation != 0; }
  // Which of the peer's workers owns a multiplexID, and so which of its addresses it is sent to.
  uint32_t peer_of(uint32_t multiplex_id) const {
    if (role == abi::LinkRole::c_side || peers.workers == 0) return 0;
    return abi::multiplex_index(multiplex_id) % peers.workers;
  }
};

class LinkTable {
 public:
  // Moves with every change of where a link's packets go, or whether they may.
  uint32_t version = 0;
  Link& link(uint16_t index) { return links_[index]; }
  bool is_live(uint16_t index) const { return index < abi::max_links && links_[index].is_live(); }
  // After a link began or ended.
  void note_life(uint16_t index) {
    const uint64_t bit = uint64_t{1} << index;
    live_ = links_[index].is_live() ? live_ | bit : live_ & ~bit;
  }
  // The link whose peer sends from this address to this local port; nullptr when there is none.
  Link* find_by_source(uint16_t slot, uint16_t local_port, uint32_t kind, const abi::Address& source);
  Link* find_by_session(uint16_t slot, uint16_t local_port, uint32_t kind, uint64_t session);
  // True while another live link than `except` uses the port.
  bool port_in_use(uint16_t slot, uint16_t local_port, uint16_t except) const;

 private:
  bool is_from_peer(const Link& link, uint32_t kind, const abi::Address& source) const;
  Link links_[abi::max_links];
  uint64_t live_ = 0;  // bit i: link i lives; a stranger's packet is not to cost a look at all that could
  static_assert(abi::max_links <= 64);
  uint16_t last_found_[media_kinds] = {};
};

}  // namespace sallyport::dataplane
