// SPDX-License-Identifier: Apache-2.0
// The node's side of media: what the node file says of it, the link of each traversal peer, and what MediaPlane reports.
#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "controlplane/media/sdp_anchor.h"
#include "controlplane/node/node.h"

namespace sallyport::node {

media::Marking marking_of(const config::MediaSection& media) { return {media.dscp_audio, media.dscp_video, media.dscp_rtcp}; }

media::MediaSettings media_settings(const config::NodeConfig& config) {
  media::MediaSettings settings;
  const config::MediaSection& media = config.media;
  settings.role = config.is_e() ? media::Role::e : media::Role::c;
  settings.dataplane_socket = config.dataplane.socket;
  const std::string& face = config.is_e() ? media.outer : media.inner;
  settings.faces = {{face, config.address(face)->advertised}};
  settings.link = {media.link, config.address(media.link)->advertised};
  settings.link_rtp_port = static_cast<uint16_t>(media.link_rtp_port);
  settings.link_rtcp_port = static_cast<uint16_t>(media.link_rtcp_port);
  settings.keepalive_ms = static_cast<uint16_t>(media.keepalive_s * 1000);
  settings.max_packets_per_s = media.max_packets_per_s;
  settings.marking = marking_of(media);
  settings.suites.clear();
  for (const std::string& name : media.suites)
    if (const auto suite = sip::crypto_suite(name)) settings.suites.push_back(*suite);
  settings.inner_srtp = media.inner_encryption == "sdes";
  settings.journal_path = config.node.state_dir + "/calls.journal";
  return settings;
}

std::string Node::peer_of_hop(uint64_t hop_id) const {
  const auto found = peer_by_hop_.find(hop_id);
  return found == peer_by_hop_.end() ? std::string{} : found->second;
}

std::string Node::name_link(uint64_t link_id, std::string_view zone, std::string_view peer) {
  return link_names_[link_id] = fmt::format("{}/{}", zone, peer);
}

int Node::media_link_of(uint64_t link_id) {
  const auto name = link_names_.find(link_id);
  const auto slot = name == link_names_.end() ? std::nullopt : media_.links().find(name->second);
  return slot ? *slot : -1;
}

// C tells E whether E's answers on the media link reach it; on any other hop there is nothing to tell.
std::string Node::media_report_line(uint64_t hop_id) {
  abi::LinkRecord link;
  const std::string name = peer_of_hop(hop_id);
  const auto slot = name.empty() ? std::nullopt : media_.links().find(name);
  if (!slot || !dataplane().read_link(*slot, link)) return {};
  const auto microseconds = [](bool up, uint64_t ns) { return up ? static_cast<uint32_t>(std::max<uint64_t>(ns / 1000, 1)) : 0; };
  const zones::MediaReport report{microseconds(link.state.rtp_up, link.state.rtp_round_trip_ns), microseconds(link.state.rtcp_up, link.state.rtcp_round_trip_ns)};
  return fmt::format("{}: {}\r\n", zones::media_header, zones::format_media_report(report));
}

Outcome<zones::LinkOffer> Node::offer_link(const std::string& zone, const std::string& host) {
  const auto grant = media_.links().grant(name_link(zones::link_id_of(zone, host), zone, host));
  if (!grant) return grant.fault();
  return zones::LinkOffer{grant->session, grant->key, grant->rtp_port, grant->rtcp_port};
}

void Node::install_link(const std::string& name, const zones::LinkOffer& offer, const tls::SocketAddress& remote) {
  media::LinkGrant grant;
  grant.session = offer.session;
  grant.key = offer.key;
  grant.rtp_port = offer.rtp_port;
  grant.rtcp_port = offer.rtcp_port;
  const auto address = media::parse_address(remote.ip(), offer.rtp_port);
  const auto installed = media_.links().install(name, grant, address.value_or(abi::Address{}));
  if (!installed) log_("media: " + installed.fault().text());
}

void Node::on_dataplane(media::DataplaneState state, const std::string& text) {
  static constexpr const char* names[] = {"down", "connecting", "running", "stalled"};
  dataplane_text_ = text;
  log_(fmt::format("media: dataplane is {}{}{}", names[static_cast<size_t>(state)], text.empty() ? "" : ": ", text));
}

void Node::on_link(uint16_t link, bool up) { log_(fmt::format("media: link {} is {}", link, up ? "up" : "down")); }

void Node::on_exhausted(const Fault& fault, bool raised) {
  exhausted_ = raised ? fault.text() : std::string{};
  log_(raised ? "media: " + fault.text() : std::string("media: resources are free again"));
}

void Node::on_session_failed(media::MediaSession& session, const Fault& fault) {
  // It may be told from within that session.
  boost::asio::post(io_, [this, tag = session.call_tag(), fault] { calls_.fail(tag, fault); });
}

void Node::on_session_event(media::MediaSession& session, uint32_t line, media::FlowRole, const abi::Event& event) {
  if (event.type != abi::EventType::auth_failing) return;
  log_(fmt::format("media: call {:08x}, stream {}: {} packets in a row failed authentication", static_cast<uint32_t>(session.call_tag()), line, event.value));
}

void Node::on_restored(std::vector<std::unique_ptr<media::MediaSession>> sessions) {
  if (!sessions.empty()) log_(fmt::format("media: {} calls go on from before the restart", sessions.size()));
  calls_.adopt(std::move(sessions));
}

// The answer changes nothing: the call is over here.
void Node::originate(const std::shared_ptr<proxy::Hop>& hop, const std::string& request) {
  if (!proxy_->originate(hop, request, [](const sip::Message&) {})) log_(fmt::format("calls: no transaction was left to tell {} of an end", hop->name));
}

}  // namespace sallyport::node
