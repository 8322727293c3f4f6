// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaSession: the media of one call on this node: rewrites each offer and answer so that media is anchored here, and programs
// the flows that carry it. near: the client (E) or call control (C); far: the traversal leg. E never reads keys; C ends SRTP.
// An offer is prepared aside and takes effect with its answer; reject() undoes it. One thread; destroying it removes its flows.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/media/media_plane.h"
#include "controlplane/sip/crypto_attribute.h"
#include "controlplane/sip/sdp.h"
#include "controlplane/sip/sdp_edit.h"

namespace sallyport::media {

// Carries each stream's multiplexID on the traversal leg: "a=x-sallyport-mux:0a1b2c3c".
inline constexpr std::string_view multiplex_attribute = "x-sallyport-mux";

enum class From : uint8_t { near, far };
enum class SdpKind : uint8_t { offer, answer };

struct Rewritten {
  std::string sdp;      // empty when refused
  int status = 0;       // 0: go on
  std::string reason;   // for the reason phrase and the Warning
};

// Which of a stream's four flows.
enum Leg : uint8_t { up_rtp, up_rtcp, down_rtp, down_rtcp, legs };

struct Stream {
  bool in_use = false;            // has a port pair
  bool is_rtp = false;
  bool rtcp_mux = false;          // E, near side
  bool is_held = false;
  uint16_t near_port = 0;
  uint32_t multiplex_id = 0;
  uint32_t clock_rate_hz = 8000;
  std::string kind;               // "audio"
  abi::Address near_rtp, near_rtcp;  // where the near side wants its media
  uint32_t crypto_tag = 0;        // C: of the line in force
  abi::KeyMaterial open_key, seal_key;
  std::vector<std::pair<uint32_t, abi::KeyMaterial>> offered;  // C: our own lines by tag, while an offer of ours is open
  std::array<FlowHandle, legs> flows{};
  std::array<abi::FlowSpec, legs> programmed{};

  Stream() = default;
  Stream(const Stream&) = default;
  Stream& operator=(const Stream&) = default;
  ~Stream();  // wipes keys
};

struct StreamSnapshot {
  std::string kind, suite, near_local, near_remote, link;
  uint32_t multiplex_id = 0;
  struct Flow {
    bool live = false;
    uint64_t packets = 0, bytes = 0, dropped = 0, lost = 0;
    double jitter_ms = 0;
    std::string last_drop, latched;
  } up, down, up_rtcp, down_rtcp;
};

class MediaSession {
 public:
  MediaSession(MediaPlane& plane, uint64_t link_id, uint64_t call_tag);
  ~MediaSession();
  MediaSession(const MediaSession&) = delete;
  MediaSession& operator=(const MediaSession&) = delete;

  // `near_source`: E: the client's address as its signalling shows it; a media address equal to it needs no latching first.
  Rewritten rewrite(From from, SdpKind kind, std::string_view sdp, std::string_view near_source = {});
  // The offer that is open was refused: ports and keys of its additions are given back, the call goes on as before.
  void reject();
  bool has_open_offer() const { return open_offer_.has_value(); }
  void release();

  uint64_t call_tag() const { return call_tag_; }
  std::vector<StreamSnapshot> snapshot() const;
  std::vector<uint32_t> flow_indices() const;

 private:
  struct OpenOffer {
    From from;
    bool answered;
    std::vector<Stream> streams;
  };
  Rewritten offer(From from, const sip::Sdp& sdp);
  Rewritten answer(From from, const sip::Sdp& sdp);
  Rewritten refuse(int status, std::string reason, uint64_t& counter);
  bool anchor(Stream& stream, Rewritten& refusal);
  bool judge_profile(const sip::Sdp& sdp, const sip::SdpMedia& media, From from, Rewritten& refusal);
  bool read_side(const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream, From from, SdpKind kind, Rewritten& refusal);
  void read_near_address(const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream);
  bool read_far_keys(const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream, SdpKind kind, Rewritten& refusal);
  std::vector<std::string> our_crypto_lines(Stream& stream, SdpKind kind) const;
  void strip_session(sip::SdpEdit& edit, const sip::Sdp& sdp, std::string_view address);
  void write_transport(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, std::string_view address, uint16_t port);
  void write_near(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, const Stream& stream, SdpKind kind);
  void write_far(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream, SdpKind kind);
  void program(Stream& stream, uint32_t number, std::string_view near_source);
  abi::FlowSpec flow_spec(const Stream& stream, uint32_t number, Leg leg, std::string_view near_source) const;
  void drop_stream(Stream& stream);
  void reset_if_lost();

  MediaPlane& plane_;
  const uint64_t link_id_;
  const uint64_t call_tag_;
  uint64_t epoch_;
  std::vector<Stream> streams_;            // in force
  std::optional<OpenOffer> open_offer_;
  std::string near_source_;
};

const char* suite_name(abi::Suite suite);
std::string address_text(const abi::Address& address);  // without port; "" when not set

}  // namespace sallyport::media
