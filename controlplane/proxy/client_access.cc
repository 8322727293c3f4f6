// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/client_access.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "controlplane/tls/tls_session.h"

namespace sallyport::proxy {

ClientAccess::ClientAccess(ClientAccessSettings settings, boost::asio::io_context& io, Proxy& proxy, EdgeRouter& router)
    : settings_(std::move(settings)), io_(io), proxy_(proxy), router_(router) {
  router_.on_registered = [this](Hop& client, uint32_t granted_s, uint32_t flow_timer_s) { on_registered(client, granted_s, flow_timer_s); };
}

void ClientAccess::on_stream(uint64_t hop_id, tls::StreamPtr stream) {
  auto hop = std::make_shared<StreamHop>(hop_id, Side::client, stream, sip::Framer::Side::accepted, settings_.limits);
  hop->via_head = settings_.via_head;
  stream->set_idle_deadline(std::chrono::milliseconds(settings_.unregistered_idle_ms));
  flows_[hop_id] = hop;
  router_.add_client(hop);
  boost::asio::co_spawn(io_, StreamHop::serve(hop, *this), boost::asio::detached);
}

void ClientAccess::on_registered(Hop& client, uint32_t granted_s, uint32_t flow_timer_s) {
  // A registered flow may be silent for two Flow-Timers, or, without outbound keep-alives, until its binding ends.
  const uint64_t registered_ms = std::max<uint64_t>(uint64_t{2} * flow_timer_s, granted_s) * 1000;
  static_cast<StreamHop&>(client).stream().set_idle_deadline(std::chrono::milliseconds(granted_s == 0 ? settings_.unregistered_idle_ms : registered_ms));
}

void ClientAccess::on_restored(const Registration& known, uint32_t flow_timer_s, uint64_t now_ms) {
  const auto found = flows_.find(known.flow_id);
  if (found != flows_.end() && known.expires_ms > now_ms) on_registered(*found->second, static_cast<uint32_t>((known.expires_ms - now_ms) / 1000 + 1), flow_timer_s);
}

void ClientAccess::on_closed(const std::shared_ptr<Hop>& hop, std::string_view) {
  router_.remove_client(hop->id);
  flows_.erase(hop->id);
  proxy_.on_hop_lost(*hop);
}

void ClientAccess::hold_all() {
  for (auto& [id, hop] : flows_) hop->stream().hold();
}

bool ClientAccess::has_stilled() const {
  return std::all_of(flows_.begin(), flows_.end(), [](const auto& flow) { return flow.second->is_still(); });
}

std::vector<ClientAccess::KeptFlow> ClientAccess::give(tls::ConnectionKeeper& keeper) {
  std::vector<KeptFlow> given;
  for (auto& [id, hop] : flows_) {
    if (!hop->is_still()) continue;
    tls::Stream::Detached taken = hop->stream().detach();
    // Kept for us since an earlier change of program: the local socket goes on to the next.
    const int fd = taken.session == nullptr ? std::exchange(taken.fd, -1) : keeper.keep(std::move(taken));
    if (fd >= 0) given.push_back({fd, id, hop->local, hop->remote});
  }
  return given;
}

void ClientAccess::close_all(std::string_view reason) {
  for (auto& [id, hop] : flows_) hop->stream().close(reason);
}

}  // namespace sallyport::proxy
