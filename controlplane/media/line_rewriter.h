// SPDX-License-Identifier: Apache-2.0
#pragma once
// LineRewriter: what one m= line becomes on its way through this node, in each of the four directions an SDP can go. EdgeLines (E) passes
// keys on unread; CoreLines (C) ends SRTP of the traversal leg. The loop over the lines is SdpRewriter's. A refusal leaves the
// stream untouched; what was leased for it goes back by itself.

#include <optional>
#include <string>
#include <vector>

#include "controlplane/media/media_counters.h"
#include "controlplane/media/media_pool.h"
#include "controlplane/media/media_settings.h"
#include "controlplane/media/media_stream.h"
#include "controlplane/media/sdp_anchor.h"

namespace sallyport::media {

// Where this call's SDP is anchored.
struct AnchorPlace {
  uint16_t face_slot = abi::no_slot;
  uint8_t face_family = 0;
  std::string face_address;   // as the face is told
  std::string link_address;   // as the other node is told
  uint16_t link_rtp_port = 36000, link_rtcp_port = 36001;
};

struct Refusal {
  MediaCounter counter = MediaCounter::refused_malformed;
  uint16_t status = 488;
  uint16_t warn_code = 399;
  std::string warning;
  bool is_final = false;      // refuses the whole description, not just this line
};
using LineOutcome = std::optional<Refusal>;  // nullopt: rewritten

struct LineWork {
  const sip::Sdp& sdp;
  const sip::SdpMedia& media;
  sip::SdpEdit& edit;
  const Stream* base;         // agreed (offers) or proposed (answers) before; nullptr: a new stream
  Stream& stream;             // a copy of base, to be changed
  std::vector<KeyPlaceholder>& placeholders;
  const abi::Address& source; // of the signalling
};

class LineRewriter {
 public:
  virtual ~LineRewriter() = default;
  virtual LineOutcome offer_from_face(LineWork& work) = 0;
  virtual LineOutcome offer_from_link(LineWork& work) = 0;
  virtual LineOutcome answer_from_face(LineWork& work) = 0;
  virtual LineOutcome answer_from_link(LineWork& work) = 0;
  // A line that goes on with port 0. known: the stream that stood there, nullptr for none.
  virtual void write_refused(sip::SdpEdit& edit, const sip::SdpMedia& media, bool to_link, const Stream* known) const = 0;
};

// What a new stream takes its resources from.
struct LeaseSource {
  const DataplaneLink& dataplane;
  MediaPool* pool = nullptr;  // nullptr: the dataplane never came
  std::optional<uint16_t> link;  // of the traversal peer; nullopt: it has no media link
  uint32_t& next_serial;
  std::vector<std::weak_ptr<StreamLease>>& own;  // of this session: an answer that comes again names an ID we have

  // 503 while new streams cannot be anchored.
  LineOutcome check() const;
  LineOutcome lease(uint16_t face_slot, SharedLease& out);
  LineOutcome lease_for(uint16_t face_slot, uint32_t multiplex_id, SharedLease& out);
};

class EdgeLines final : public LineRewriter {
 public:
  EdgeLines(const AnchorPlace& place, LeaseSource leases) : place_(place), leases_(leases) {}
  LineOutcome offer_from_face(LineWork& work) override;
  LineOutcome offer_from_link(LineWork& work) override;
  LineOutcome answer_from_face(LineWork& work) override;
  LineOutcome answer_from_link(LineWork& work) override;
  void write_refused(sip::SdpEdit&, const sip::SdpMedia&, bool, const Stream*) const override {}

 private:
  LineTarget to_link() const;
  LineTarget to_face(const Stream& stream) const;

  const AnchorPlace& place_;
  LeaseSource leases_;
};

class CoreLines final : public LineRewriter {
 public:
  CoreLines(const AnchorPlace& place, LeaseSource leases, const MediaSettings& settings)
      : place_(place), leases_(leases), settings_(settings) {}
  LineOutcome offer_from_face(LineWork& work) override;
  LineOutcome offer_from_link(LineWork& work) override;
  LineOutcome answer_from_face(LineWork& work) override;
  LineOutcome answer_from_link(LineWork& work) override;
  void write_refused(sip::SdpEdit& edit, const sip::SdpMedia& media, bool to_link, const Stream* known) const override;

 private:
  LineOutcome learn_face(LineWork& work) const;
  LineOutcome take_multiplex_id(LineWork& work);
  LineOutcome take_face_keys(LineWork& work) const;
  void write_to_link(LineWork& work) const;
  void write_to_face(LineWork& work, RtcpMux mux) const;

  const AnchorPlace& place_;
  LeaseSource leases_;
  const MediaSettings& settings_;
};

Refusal refusal(MediaCounter counter, uint16_t status, uint16_t warn_code, std::string warning);
Refusal clear_media_refusal();
Refusal no_keys_refusal();

}  // namespace sallyport::media
