// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "controlplane/sip/base64.h"
#include "controlplane/sip/params.h"

namespace sallyport::zones {

const char* name_of(PeerState state) {
  static constexpr const char* names[] = {"idle", "resolving", "tcp", "tls", "authentication", "active", "failed"};
  return names[static_cast<size_t>(state)];
}

std::string format_link(const LinkOffer& offer) {
  std::string key;
  sip::encode_base64(sip::Base64::url, offer.key, key);
  return fmt::format("1;session={:016x};key={};rtp={};rtcp={}", offer.session, key, offer.rtp_port, offer.rtcp_port);
}

namespace {

bool read_number(const sip::Params& params, std::string_view name, auto& out, int base) {
  const std::string_view text = params.value(name);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::optional<LinkOffer> parse_link(std::string_view value) {
  const size_t split = value.find(';');
  if (split == std::string_view::npos || value.substr(0, split) != "1") return std::nullopt;
  const sip::Params params(value.substr(split));
  LinkOffer offer;
  const bool numbers = read_number(params, "session", offer.session, 16) && read_number(params, "rtp", offer.rtp_port, 10) &&
                       read_number(params, "rtcp", offer.rtcp_port, 10);
  const auto size = sip::decode_base64(sip::Base64::url, params.value("key"), offer.key);
  if (!numbers || size != offer.key.size()) return std::nullopt;
  return offer;
}

std::string format_media_report(const MediaReport& report) { return fmt::format("1;rtp={};rtcp={}", report.rtp_us, report.rtcp_us); }

std::optional<MediaReport> parse_media_report(std::string_view value) {
  const size_t split = value.find(';');
  if (split == std::string_view::npos || value.substr(0, split) != "1") return std::nullopt;
  const sip::Params params(value.substr(split));
  MediaReport report;
  if (!read_number(params, "rtp", report.rtp_us, 10) || !read_number(params, "rtcp", report.rtcp_us, 10)) return std::nullopt;
  return report;
}

std::string warning_text(std::string_view value) {
  const size_t open = value.find('"');
  const size_t close = value.rfind('"');
  std::string text;
  if (open == std::string_view::npos || close == open) return text;
  for (size_t at = open + 1; at < close; ++at) {
    if (value[at] == '\\' && at + 1 < close) ++at;
    text += value[at];
  }
  return text;
}

uint32_t backoff_ms(uint32_t failures_in_row, uint32_t min_ms, uint32_t max_ms, uint32_t draw) {
  const uint64_t doubled = static_cast<uint64_t>(min_ms) << std::min(failures_in_row, 20u);
  const auto whole_ms = static_cast<uint32_t>(std::min<uint64_t>(doubled, max_ms));
  return whole_ms - draw % (whole_ms / 2 + 1);
}

uint64_t link_id_of(std::string_view zone, std::string_view peer) {
  uint64_t hash = 14695981039346656037ull;
  const auto mix = [&](std::string_view text) {
    for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte | 0x20)) * 1099511628211ull;
    hash = (hash ^ 0xff) * 1099511628211ull;
  };
  mix(zone);
  mix(peer);
  return hash;
}

}  // namespace sallyport::zones
