// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_client.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/sip/digest.h"

namespace sallyport::zones {

using sip::HeaderId;

namespace {

uint32_t random_below(uint32_t bound) {
  uint32_t value = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value);
  return bound == 0 ? 0 : value % bound;
}

std::string random_token() { return fmt::format("{:08x}{:08x}", random_below(0xffffffff), random_below(0xffffffff)); }

}  // namespace

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
  if (hop_ != nullptr) hop_->close();
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
    const uint32_t delay_ms = self->next_backoff_ms();
    co_await self->wait(delay_ms);
    if (self->stopped_) co_return;
  }
}

// Until the connection ends; on_closed() cuts the wait short.
boost::asio::awaitable<void> TraversalClient::keep_alive() {
  for (;;) {
    co_await wait(settings_.keepalive_ms);
    if (stopped_ || hop_ == nullptr || !hop_->is_open()) co_return;
    if (options_pending_) {
      fail("no answer to OPTIONS, the peer is silent");
      co_return;
    }
    if (status_.state == PeerState::active) send_options({});
  }
}

boost::asio::awaitable<void> TraversalClient::wait(uint32_t delay_ms) {
  boost::system::error_code ignored;  // cancelled: something happened, the caller looks
  timer_.expires_after(std::chrono::milliseconds(delay_ms));
  co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

uint32_t TraversalClient::next_backoff_ms() {
  const uint32_t doubled = settings_.backoff_min_ms << std::min(failures_in_row_, 10u);
  ++failures_in_row_;
  const uint32_t delay_ms = std::min(doubled, settings_.backoff_max_ms);
  return delay_ms - delay_ms / 4 + random_below(delay_ms / 2 + 1);  // 75 to 125 %: many C nodes do not return as one
}

void TraversalClient::enter(PeerState state, std::string reason) {
  status_.state = state;
  status_.reason = std::move(reason);
  status_.changed_ms = wheel_.now_ms();
}

void TraversalClient::fail(std::string reason) {
  // One line for each new reason, not one for each attempt.
  if (log && reason != last_logged_) log(fmt::format("zone {}: peer {}: {}", settings_.zone, settings_.peer, reason));
  last_logged_ = reason;
  enter(PeerState::failed, std::move(reason));
  if (hop_ != nullptr) hop_->stream().close("zone peer failed");
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

std::string TraversalClient::options_text(const std::string& authorization) const {
  const std::string uri = fmt::format("sip:{}:{};transport=tls", settings_.peer, settings_.port);
  return fmt::format(
      "OPTIONS {} SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:{}@{}>;tag={}\r\nTo: <{}>\r\nCall-ID: {}@{}\r\nCSeq: {} OPTIONS\r\n"
      "Contact: <sip:{}:{};transport=tls>\r\n{}Content-Length: 0\r\n\r\n",
      uri, settings_.username, settings_.own_host, random_token(), uri, random_token(), settings_.own_host, cseq_, settings_.own_host,
      settings_.port, authorization.empty() ? "" : "Authorization: " + authorization + "\r\n");
}

void TraversalClient::send_options(const std::string& authorization) {
  ++cseq_;
  options_pending_ = true;
  const std::weak_ptr<TraversalClient> weak = weak_from_this();
  const uint64_t asked_hop = hop_->id;
  const bool made = proxy_.originate(hop_, options_text(authorization), [weak, asked_hop, authorised = !authorization.empty()](const sip::Message& response) {
    const auto self = weak.lock();
    if (self != nullptr && self->hop_ != nullptr && self->hop_->id == asked_hop) self->on_options_answer(response, authorised);
  });
  if (!made) fail("the transaction table is full");
}

void TraversalClient::on_options_answer(const sip::Message& response, bool was_authorised) {
  options_pending_ = false;
  if (response.status() == 401 && !was_authorised) {
    // The first challenge we can answer is the strongest: E sends SHA-256 before MD5.
    for (const sip::Header* header = response.first(HeaderId::www_authenticate); header != nullptr; header = response.next(*header)) {
      const auto challenge = sip::parse_challenge(header->value);
      if (!challenge) continue;
      const std::string uri = fmt::format("sip:{}:{};transport=tls", settings_.peer, settings_.port);
      send_options(sip::format_credentials(sip::answer_challenge(*challenge, settings_.username, settings_.password, "OPTIONS", uri, random_token())));
      return;
    }
    return fail("authentication failed: no challenge with a known algorithm");
  }
  if (response.status() == 401 || response.status() == 403)
    return fail(fmt::format("authentication failed: the peer refused user {}; check user name and password on both nodes", settings_.username));
  if (response.status() != 200) return fail(fmt::format("the peer answered OPTIONS with {} {}", response.status(), response.reason()));
  failures_in_row_ = 0;
  if (status_.state == PeerState::active) {
    ++status_.keepalives_answered;
    return;
  }
  const sip::Header* header = response.find(link_header);
  const auto offer = header == nullptr ? std::nullopt : parse_link(header->value);
  if (!offer) return fail("the peer gave no media link; is it a Sallyport E node?");
  last_logged_.clear();
  enter(PeerState::active);
  if (log) log(fmt::format("zone {}: peer {} ({}) is active", settings_.zone, settings_.peer, status_.address));
  if (on_active) on_active(link_id_, hop_, *offer);
}

void TraversalClient::on_closed(const std::shared_ptr<proxy::Hop>& hop, std::string_view reason) {
  proxy_.on_hop_lost(*hop);
  if (hop_ == nullptr || hop_->id != hop->id) return;
  if (status_.state != PeerState::failed) fail(fmt::format("connection lost: {}", reason));
  options_pending_ = false;
  hop_ = nullptr;
  if (on_lost) on_lost(link_id_, hop);
  timer_.cancel();
}

}  // namespace sallyport::zones
