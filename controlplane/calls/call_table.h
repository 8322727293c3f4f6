// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallTable: the calls of this node, and the Anchor that the proxy asks: it ties INVITE dialogs to MediaSessions, tells offers
// from answers by the method (RFC 3264, 3261, 3262, 3311, 6337) and ends media with the dialog. A call that passes this node
// twice (both parties outside) is two calls here, told apart by the side it began on. Bounded; one thread.

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/media/media_session.h"
#include "controlplane/proxy/router.h"

namespace sallyport::calls {

enum class CallState : uint8_t { early, confirmed, ended };
const char* name_of(CallState state);

struct Call {
  std::string id;           // eight hex digits, for people
  std::string call_id, caller_tag;
  std::string from, to;     // URIs
  bool began_near = true;
  CallState state = CallState::early;
  std::string end_reason;   // "BYE", "487 Request Terminated" ...
  uint64_t started_ms = 0, answered_ms = 0, ended_ms = 0;
  bool late_offer_open = false;  // the offer came in a response: ACK or PRACK carries the answer
  std::unique_ptr<media::MediaSession> session;
  std::vector<media::StreamSnapshot> last_streams;  // kept when the call has ended
};

struct CallCounters {
  uint64_t begun = 0, confirmed = 0, ended = 0, refused = 0, swept = 0;
};

struct CallSettings {
  size_t capacity = 20'000;
  size_t remembered = 128;               // ended calls kept for `calls show`
  uint64_t early_limit_ms = 600'000;     // never answered, never cancelled
  uint64_t silent_limit_ms = 3'600'000;  // confirmed, no packet either way
  std::string agent;                     // in Warning
};

class CallTable final : public proxy::Anchor {
 public:
  // link_of: the media link that belongs to a traversal hop.
  CallTable(CallSettings settings, media::MediaPlane& plane, std::function<uint64_t(uint64_t hop_id)> link_of, std::function<uint64_t()> now_ms);

  proxy::AnchorVerdict on_request(proxy::RelayTransaction* transaction, const sip::Message& request, const proxy::Hop& source,
                                  const proxy::Hop& target, sip::Edit& edit) override;
  proxy::AnchorVerdict on_response(proxy::RelayTransaction& transaction, const sip::Message& response, proxy::Side from, sip::Edit& edit) override;
  void on_failed(proxy::RelayTransaction& transaction, int status) override;

  // Ends what its parties forgot; call every few seconds.
  void sweep();
  std::vector<const Call*> list() const;  // running first, then ended, newest first
  const Call* find(std::string_view id) const;
  std::vector<media::StreamSnapshot> streams(const Call& call) const;
  size_t running() const { return running_; }
  const CallCounters& counters() const { return counters_; }

 private:
  struct Context;
  using CallPtr = std::shared_ptr<Call>;
  CallPtr find_dialog(const sip::Message& message, bool from_near) const;
  CallPtr begin(const sip::Message& request, bool from_near, uint64_t link_id);
  void end(const CallPtr& call, std::string reason);
  proxy::AnchorVerdict rewrite(Call& call, media::From from, media::SdpKind kind, const sip::Message& message, sip::Edit& edit, std::string_view near_source);
  uint64_t last_packet_ms(const Call& call) const;

  const CallSettings settings_;
  media::MediaPlane& plane_;
  std::function<uint64_t(uint64_t)> link_of_;
  std::function<uint64_t()> now_ms_;
  std::unordered_multimap<std::string, CallPtr> by_call_id_;
  std::deque<CallPtr> ended_;
  size_t running_ = 0;
  CallCounters counters_;
};

}  // namespace sallyport::calls
