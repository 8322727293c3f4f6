// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallTable: the Anchor that the proxy asks: it ties INVITE dialogs to MediaSessions, hands every SDP of theirs to it, and ends media
// with the dialog: BYE, refusal, CANCEL, session timer (RFC 4028), silence, a media link that stays away, or the dataplane's word. Calls of the control plane
// before this one come in by adopt(). An SDP that belongs to no call of ours never passes. One thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/calls/call_list.h"
#include "controlplane/media/media_plane.h"
#include "controlplane/proxy/router.h"
#include "controlplane/sip/cseq.h"

namespace sallyport::calls {

struct CallCounters {
  uint64_t begun = 0, confirmed = 0, ended = 0, refused = 0, swept = 0, adopted = 0, link_lost = 0;
};

struct CallSettings {
  size_t remembered = 128;                 // ended calls kept for `calls show`
  uint64_t early_limit_ms = 600'000;       // never answered, never cancelled
  uint64_t silent_limit_ms = 3'600'000;    // confirmed, no packet either way
  uint64_t expired_silent_ms = 10'000;     // the session timer ran out, and silent so long
  uint64_t adopted_silent_ms = 20'000;     // not held, nothing heard of it since a restart of ours, and silent so long
  uint64_t link_loss_limit_ms = 0;         // confirmed, and the media link of its peer down so long; 0: no limit
  std::string agent;                       // in Warning
};

class CallTable final : public proxy::Anchor {
 public:
  // peer_of: the traversal peer that a hop leads to, as MediaLinks names it; empty: none.
  using PeerOf = std::function<std::string(uint64_t hop_id)>;
  CallTable(CallSettings settings, media::MediaPlane& plane, PeerOf peer_of, std::function<uint64_t()> now_ms);

  proxy::AnchorVerdict on_request(proxy::RelayTransaction* transaction, const sip::Message& request, const proxy::Hop& source,
                                  const proxy::Hop& target, sip::Edit& edit) override;
  proxy::AnchorVerdict on_response(proxy::RelayTransaction& transaction, const sip::Message& response, proxy::Side from, sip::Edit& edit) override;
  void on_failed(proxy::RelayTransaction& transaction, int status) override;

  // Calls that the control plane before this one left running.
  void adopt(std::vector<std::unique_ptr<media::MediaSession>> sessions);
  // The dataplane lost this call's media.
  void fail(uint64_t call_tag, const Fault& fault);
  // Ends what its parties forgot, and what has lost its other side; call every few seconds.
  void sweep();
  // A request of this node's own to a party; a Via is still to be added.
  std::function<void(const std::shared_ptr<proxy::Hop>& hop, const std::string& request)> send;

  std::vector<const Call*> list() const { return calls_.list(); }
  const Call* find(std::string_view id) const { return calls_.find(id); }
  media::SessionSnapshot media_of(const Call& call) const { return call.session != nullptr ? call.session->snapshot() : call.last; }
  size_t running() const { return calls_.running_count(); }
  const CallCounters& counters() const { return counters_; }

 private:
  struct Context;
  // Fills in the call that the request begins or belongs to; none: it is no business of ours.
  proxy::AnchorVerdict place(Context& context, const sip::Message& request, const proxy::Hop& source, const proxy::Hop& target);
  Outcome<CallPtr> begin(const sip::Message& request, bool from_near, std::string peer);
  proxy::AnchorVerdict rewrite(const Context& context, const sip::Message& message, media::SdpMessage shape, sip::Edit& edit);
  proxy::AnchorVerdict refuse(int status, int warn_code, std::string_view reason);
  void on_final(Context& context, int status, const std::string& branch);
  void accept(Call& call, const sip::Message& response);
  void end(const CallPtr& call, std::string reason, bool keep = true);
  std::string why_over(const Call& call, uint64_t now_ms) const;
  bool has_lost_link(const Call& call, uint64_t now_ms) const;
  void release_near(Call& call, std::string_view reason);

  const CallSettings settings_;
  media::MediaPlane& plane_;
  PeerOf peer_of_;
  std::function<uint64_t()> now_ms_;
  CallList calls_;
  CallCounters counters_;
};

}  // namespace sallyport::calls
