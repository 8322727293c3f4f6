// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_peer.h"

#include <fmt/format.h>

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

std::optional<LinkOffer> parse_link(std::string_view value) {
  const size_t split = value.find(';');
  if (split == std::string_view::npos || value.substr(0, split) != "1") return std::nullopt;
  const sip::Params params(value.substr(split));
  LinkOffer offer;
  const auto number = [&](std::string_view name, auto& out, int base) {
    const std::string_view text = params.value(name);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
  };
  const bool numbers = number("session", offer.session, 16) && number("rtp", offer.rtp_port, 10) && number("rtcp", offer.rtcp_port, 10);
  const auto size = sip::decode_base64(sip::Base64::url, params.value("key"), offer.key);
  if (!numbers || size != offer.key.size()) return std::nullopt;
  return offer;
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
