// SPDX-License-Identifier: Apache-2.0
#pragma once
// SdpRewriter: one description in, the one to forward out, with the streams it proposes (offer) or agrees on (answer). Changes nothing
// but what it leases; the caller keeps or drops the result. Lines that are no RTP of ours go on with port 0.

#include <string>
#include <string_view>

#include "controlplane/media/line_rewriter.h"
#include "controlplane/media/media_session.h"

namespace sallyport::media {

struct Rewritten {
  LineOutcome refusal;        // set: nothing else is
  std::string sdp;            // on C with keys
  Streams streams;
  uint32_t streams_refused = 0;
};

class SdpRewriter {
 public:
  SdpRewriter(LineRewriter& lines, const AnchorPlace& place, MediaCounters& counters)
      : lines_(lines), place_(place), counters_(counters) {}

  // base: what is agreed so far.
  Rewritten offer(Side from, std::string_view sdp, const Streams& base, const abi::Address& source);
  // offered: what the offer proposed.
  Rewritten answer(Side from, std::string_view sdp, const Streams& offered, const abi::Address& source);

 private:
  LineOutcome parse(std::string_view text);
  LineOutcome rewrite_offer_line(Side from, size_t line, const Streams& base, const abi::Address& source);
  LineOutcome rewrite_answer_line(Side from, size_t line, const Streams& offered, const abi::Address& source);
  // Port 0.
  void refuse(Side from, const sip::SdpMedia& media, const Stream* known);
  LineOutcome finish();
  const std::string& target_address(Side from) const { return from == Side::face ? place_.link_address : place_.face_address; }

  LineRewriter& lines_;
  const AnchorPlace& place_;
  MediaCounters& counters_;
  sip::Sdp sdp_;
  sip::SdpEdit edit_{sdp_};
  std::vector<KeyPlaceholder> placeholders_;
  Rewritten result_;
};

}  // namespace sallyport::media
