// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sallyport::zones {

using sip::HeaderId;

TraversalClient::TraversalClient(TraversalClientSettings settings, tls::StreamEngine& engine, dns::Resolver& resolver,
                                 std::shared_ptr<tls::TlsPolicy> policy, proxy::TimerWheel& wheel, proxy::Proxy& proxy,
                                 std::function<uint64_t()> next_hop_id)
    : settings_(std::move(settings)),
      engine_(engine),
      resolver_(resolver),
      policy_(std::move(policy)),
      wheel_(wheel),
      proxy_(proxy),
      next_hop_id_(std::move(next_hop_id)),
      link_id_(link_id_of(settings_.zone, settings_.peer)),
      timer_(engine.context()) {
  status_.peer = settings_.peer;
  if (tls::SocketAddress::parse(settings_.peer, 0))
    status_.warning = "the peer is given by IP address; use its FQDN, or its certificate must keep an iPAddress SAN";
}

void TraversalClient::stop() {
  stopped_ = true;
  timer_.cancel();
  let_go("the zone was closed here");
}

void TraversalClient::use_tls(std::shared_ptr<tls::TlsPolicy> policy) {
  if (policy == policy_) return;
  policy_ = std::move(policy);
  if (status_.state == PeerState::failed) timer_.cancel();
}

tls::ConnectOptions TraversalClient::connect_options() const {
  tls::ConnectOptions options;
  options.local = settings_.local;
  options.local_port_low = settings_.local_port_low;
  options.local_port_high = settings_.local_port_high;
  options.tls = policy_;
  return options;
}

boost::asio::awaitable<void> TraversalClient::run(std::shared_ptr<TraversalClient> self) {
  for (;;) {
    const bool connected = co_await self->connect_once();
    if (connected) co_await self->keep_alive();
    if (self->stopped_) co_return;
    const uint32_t delay_ms = backoff_ms(self->failures_in_row_++, self->settings_.backoff_min_ms, self->settings_.backoff_max_ms, random_draw());
    co_await self->wait(delay_ms);
    if (self->stopped_) co_return;
  }
}

// Until the connection ends, which cuts the wait short.
boost::asio::awaitable<void> TraversalClient::keep_alive() {
  for (;;) {
    const bool is_active = status_.state == PeerState::active;
    const uint32_t delay_ms = is_active ? settings_.keepalive_ms : settings_.answer_ms;
    waits_on_link_ = true;
    co_await wait(delay_ms);
    waits_on_link_ = false;
    if (stopped_ || hop_ == nullptr) co_return;
    if (status_.state == PeerState::active && !is_active) continue;  // authenticated: from now on at the pace of keep-alives
    if (options_pending_) {
      fail(fmt::format("no answer to OPTIONS in {} ms, the peer is silent", delay_ms));
      co_return;
    }
    if (is_active) send_options({});
  }
}

boost::asio::awaitable<void> TraversalClient::wait(uint32_t delay_ms) {
  boost::system::error_code ignored;  // cancelled: something happened, the caller looks
  timer_.expires_after(std::chrono::milliseconds(delay_ms));
  co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

void TraversalClient::enter(PeerState state, std::string reason) {
  status_.state = state;
  status_.reason = std::move(reason);
  status_.changed_ms = wheel_.now_ms();
  if (on_state) on_state(status_);
}

void TraversalClient::fail(std::string reason) {
  // One line for each new reason, not one for each attempt.
  if (log && reason != last_logged_) log(fmt::format("zone {}: peer {}: {}", settings_.zone, settings_.peer, reason));
  last_logged_ = reason;
  ++status_.failures;
  enter(PeerState::failed, std::move(reason));
  let_go("zone peer failed");
}

// The connection is no longer ours: what its transactions are told when it ends says nothing about why.
void TraversalClient::let_go(std::string_view reason) {
  options_pending_ = false;
  const std::shared_ptr<proxy::StreamHop> hop = std::move(hop_);
  hop_ = nullptr;
  if (hop == nullptr) return;
  if (on_lost) on_lost(link_id_, hop);
  if (stopped_) hop->close();  // in order, with close_notify
  else hop->stream().close(reason);
  if (waits_on_link_) timer_.cancel();
}

boost::asio::awaitable<bool> TraversalClient::connect_once() {
  ++status_.attempts;
  const std::string earlier = status_.reason;
  enter(PeerState::resolving, earlier);
  tls::ConnectOptions options = connect_options();
  const std::shared_ptr<TraversalClient> self = shared_from_this();
  options.progress = [self, earlier](tls::ConnectStage stage) {
    if (stage == tls::ConnectStage::tcp) self->enter(PeerState::tcp, earlier);
    if (stage == tls::ConnectStage::tls) self->enter(PeerState::tls, earlier);
  };
  tls::ConnectResult result = co_await tls::dial(engine_, resolver_, settings_.peer, settings_.port, std::move(options));
  if (stopped_) co_return false;
  if (!result) {
    fail(result.failure->fault().text());
    co_return false;
  }
  const tls::TlsFacts facts = result.stream->tls_facts();
  status_.tls_version = facts.version;
  status_.authority = facts.authority;
  status_.cipher = facts.cipher;
  if (facts.peer) status_.certificate_names = facts.peer->names_text();
  hop_ = std::make_shared<proxy::StreamHop>(next_hop_id_(), proxy::Side::traversal, result.stream, sip::Framer::Side::dialled, settings_.limits);
  hop_->via_head = settings_.via_head;
  hop_->name = settings_.peer;
  status_.address = hop_->remote.text();
  result.stream->set_idle_deadline(std::chrono::milliseconds(3 * settings_.keepalive_ms));
  // The coroutine holds the client too: it reports the end of the connection to it.
  const auto serve = [](std::shared_ptr<TraversalClient> owner, std::shared_ptr<proxy::StreamHop> hop) -> boost::asio::awaitable<void> {
    co_await proxy::StreamHop::serve(hop, *owner);
  };
  boost::asio::co_spawn(engine_.context(), serve(self, hop_), boost::asio::detached);
  enter(PeerState::authentication);
  send_options({});
  co_return true;
}

OptionsWish TraversalClient::options_wish() const {
  OptionsWish wish;
  wish.peer = settings_.peer;
  wish.port = settings_.port;
  wish.username = settings_.username;
  wish.own_host = settings_.own_host;
  wish.cseq = cseq_;
  return wish;
}

void TraversalClient::send_options(const std::string& authorization) {
  ++cseq_;
  options_pending_ = true;
  OptionsWish wish = options_wish();
  wish.extra_lines = authorization;
  const std::weak_ptr<TraversalClient> weak = weak_from_this();
  const uint64_t asked_hop = hop_->id;
  const bool made = proxy_.originate(hop_, write_options(wish), [weak, asked_hop, authorised = !authorization.empty()](const sip::Message& response) {
    const auto self = weak.lock();
    if (self != nullptr && self->hop_ != nullptr && self->hop_->id == asked_hop) self->on_options_answer(response, authorised);
  });
  if (!made) fail("the transaction table is full");
}

void TraversalClient::on_options_answer(const sip::Message& response, bool was_authorised) {
  options_pending_ = false;
  if (response.status() == 401 && !was_authorised) {
    const auto authorization = authorization_line(response, options_wish(), settings_.password);
    if (authorization) return send_options(*authorization);
    return fail("authentication failed: no challenge with a known algorithm");
  }
  if (response.status() == 401 || response.status() == 403) return on_refused_by_peer(response);
  if (response.status() != 200) return fail(fmt::format("the peer answered OPTIONS with {} {}", response.status(), response.reason()));
  if (status_.state == PeerState::active) {
    ++status_.keepalives_answered;
    return;
  }
  // From here on the wait is the keep-alive's.
  if (waits_on_link_) timer_.cancel();
  const sip::Header* header = response.find(link_header);
  const auto offer = header == nullptr ? std::nullopt : parse_link(header->value);
  if (!offer) return fail("the peer gave no media link; is it a Sallyport E node?");
  last_logged_.clear();
  failures_in_row_ = 0;
  enter(PeerState::active);
  if (log) log(fmt::format("zone {}: peer {} ({}) is active", settings_.zone, settings_.peer, status_.address));
  if (on_active) on_active(link_id_, hop_, *offer);
}

// A Warning says what E found wrong with our certificate (A28); without one it was user name or password (A26).
void TraversalClient::on_refused_by_peer(const sip::Message& response) {
  const std::string warning = warning_text(response.value(HeaderId::warning));
  if (!warning.empty()) return fail("the peer refused our certificate: " + warning);
  fail(fmt::format("authentication failed: the peer refused user {}; check user name and password on both nodes", settings_.username));
}

void TraversalClient::on_closed(const std::shared_ptr<proxy::Hop>& hop, std::string_view reason) {
  if (hop_ != nullptr && hop_->id == hop->id) {
    // An alert that comes after our side of the handshake: E has judged our certificate (A04, A05).
    const bool by_alert = hop_->stream().alert() >= 0;
    fail(by_alert ? fmt::format("TLS with {}: {}", status_.address, reason) : fmt::format("connection lost: {}", reason));
  }
  proxy_.on_hop_lost(*hop);
}

}  // namespace sallyport::zones
