// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/sdp_rewriter.h"

#include <utility>

namespace sallyport::media {
namespace {

Refusal answer_shape(const char* text) {
  Refusal refused = refusal(MediaCounter::refused_answer_shape, 502, 399, text);
  refused.is_final = true;
  return refused;
}

// No RTP, or an RTP profile whose keys we cannot follow (DTLS-SRTP).
Refusal foreign_protocol(const sip::SdpMedia& media) {
  if (sip::is_srtp(media)) return no_keys_refusal();
  return refusal(MediaCounter::streams_refused, 488, 304, "Only RTP streams are relayed");
}

const Stream* stream_at(const Streams& streams, size_t line) {
  return line < streams.size() && streams[line] ? &*streams[line] : nullptr;
}

}  // namespace

LineOutcome SdpRewriter::parse(std::string_view text) {
  const sip::Verdict verdict = sip::parse_sdp(text, sdp_);
  edit_.reset(sdp_);
  placeholders_.clear();
  result_ = {};
  if (verdict.ok()) return std::nullopt;
  const bool oversized = verdict.status == 413 || verdict.status == 488;
  Refusal refused = refusal(oversized ? MediaCounter::refused_oversized : MediaCounter::refused_malformed, verdict.status,
                            399, std::string(verdict.reason));
  refused.is_final = true;
  return refused;
}

Rewritten SdpRewriter::offer(Side from, std::string_view sdp, const Streams& base, const abi::Address& source) {
  LineOutcome refused = parse(sdp);
  if (refused) {
    counters_.add(refused->counter);
    return {std::move(refused), {}, {}, 0};
  }
  anchor_session(edit_, sdp_, target_address(from));
  result_.streams.resize(sdp_.media().size());
  bool any = false;
  for (size_t line = 0; line < sdp_.media().size(); ++line) {
    const sip::SdpMedia& media = sdp_.media()[line];
    LineOutcome outcome = media.port == 0 ? std::nullopt : rewrite_offer_line(from, line, base, source);
    any |= media.port != 0 && !outcome;
    if (media.port == 0 || outcome) refuse(from, media, stream_at(base, line));
    if (!outcome) continue;
    counters_.add(outcome->counter);
    if (outcome->is_final) return {std::move(outcome), {}, {}, 0};
    ++result_.streams_refused;
    if (!refused) refused = std::move(outcome);
  }
  // Refused streams among good ones go on with port 0; when nothing is left, the offer is refused with the first reason.
  if (refused && !any) return {std::move(refused), {}, {}, 0};
  if (auto failed = finish()) return {std::move(failed), {}, {}, 0};
  return std::exchange(result_, {});
}

LineOutcome SdpRewriter::rewrite_offer_line(Side from, size_t line, const Streams& base, const abi::Address& source) {
  const sip::SdpMedia& media = sdp_.media()[line];
  if (!is_anchored_protocol(media.protocol)) return foreign_protocol(media);
  const Stream* before = stream_at(base, line);
  if (before != nullptr && before->kind != media.kind) before = nullptr;  // RFC 3264 8.3.3: another stream in its place
  Stream stream = before != nullptr ? *before : Stream{};
  stream.kind = media.kind;
  LineWork work{sdp_, media, edit_, before, stream, placeholders_, source};
  LineOutcome outcome = from == Side::face ? lines_.offer_from_face(work) : lines_.offer_from_link(work);
  if (!outcome) result_.streams[line] = std::move(stream);
  return outcome;
}

Rewritten SdpRewriter::answer(Side from, std::string_view sdp, const Streams& offered, const abi::Address& source) {
  LineOutcome refused = parse(sdp);
  if (!refused && sdp_.media().size() > offered.size()) refused = answer_shape("Answer has more streams than its offer");
  if (!refused) {
    anchor_session(edit_, sdp_, target_address(from));
    result_.streams.resize(offered.size());
    for (size_t line = 0; line < sdp_.media().size() && !refused; ++line) {
      refused = rewrite_answer_line(from, line, offered, source);
    }
  }
  if (!refused) refused = finish();
  if (!refused) return std::exchange(result_, {});
  counters_.add(refused->counter);
  return {std::move(refused), {}, {}, 0};
}

LineOutcome SdpRewriter::rewrite_answer_line(Side from, size_t line, const Streams& offered, const abi::Address& source) {
  const sip::SdpMedia& media = sdp_.media()[line];
  const Stream* proposed = stream_at(offered, line);
  if (media.port == 0 || proposed == nullptr) {
    if (media.port != 0) ++result_.streams_refused;
    refuse(from, media, proposed);
    return std::nullopt;
  }
  if (!is_anchored_protocol(media.protocol)) return answer_shape("Answer changes the stream's protocol");
  Stream stream = *proposed;
  LineWork work{sdp_, media, edit_, proposed, stream, placeholders_, source};
  stream.codec = preferred_codec(sdp_, media);
  LineOutcome outcome = from == Side::face ? lines_.answer_from_face(work) : lines_.answer_from_link(work);
  if (!outcome) result_.streams[line] = std::move(stream);
  return outcome;
}

void SdpRewriter::refuse(Side from, const sip::SdpMedia& media, const Stream* known) {
  refuse_line(edit_, sdp_, media, target_address(from));
  const bool same_kind = known != nullptr && known->kind == media.kind;
  lines_.write_refused(edit_, media, from == Side::face, same_kind ? known : nullptr);
}

LineOutcome SdpRewriter::finish() {
  edit_.serialise(result_.sdp);
  if (fill_in(result_.sdp, placeholders_)) return std::nullopt;
  sip::wipe(result_.sdp);
  return refusal(MediaCounter::refused_malformed, 500, 399, "Session description cannot be edited");
}

}  // namespace sallyport::media
