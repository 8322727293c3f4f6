// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/multiplex_client.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/sip/digest.h"
#include "controlplane/zones/options_request.h"

namespace sallyport::zones {

MultiplexClient::MultiplexClient(MultiplexClientSettings settings, tls::StreamEngine& engine, dns::Resolver& resolver, std::shared_ptr<tls::TlsPolicy> policy,
                                 proxy::TimerWheel& wheel)
    : settings_(std::move(settings)), engine_(engine), resolver_(resolver), policy_(std::move(policy)), wheel_(wheel), timer_(engine.context()) {
  status_.peer = settings_.peer;
}

void MultiplexClient::stop() {
  stopped_ = true;
  timer_.cancel();
  if (session_ != nullptr) session_->close("the zone was closed here");
}

void MultiplexClient::use_tls(std::shared_ptr<tls::TlsPolicy> policy) {
  if (policy == policy_) return;
  policy_ = std::move(policy);
  if (status_.state == PeerState::failed) timer_.cancel();
}

void MultiplexClient::retire(std::string_view reason) {
  stopped_ = true;
  timer_.cancel();
  if (session_ == nullptr) return;
  session_->retire(reason, settings_.retire_deadline);
  if (facts_channel_ != nullptr) facts_channel_->finish();  // of use to nobody now: it must not be what the connection stays open for
}

std::string MultiplexClient::name() const { return fmt::format("zone {}: stream multiplex to {}, connection {}", settings_.zone, settings_.peer, settings_.number); }

void MultiplexClient::set_facts(PeerFacts facts) {
  own_facts_ = std::move(facts);
  if (facts_channel_ != nullptr) facts_channel_->send(format_facts(own_facts_, clock()));
}

boost::asio::awaitable<void> MultiplexClient::run(std::shared_ptr<MultiplexClient> self) {
  for (;;) {
    const bool connected = co_await self->connect_once();
    if (connected) co_await multiplex::Session::run(self->session_);
    self->session_ = nullptr;
    self->facts_channel_ = nullptr;
    if (self->stopped_) co_return;
    const uint32_t delay_ms = backoff_ms(self->failures_in_row_++, self->settings_.backoff_min_ms, self->settings_.backoff_max_ms, random_draw());
    co_await self->wait(delay_ms);
    if (self->stopped_) co_return;
  }
}

boost::asio::awaitable<void> MultiplexClient::wait(uint32_t delay_ms) {
  boost::system::error_code ignored;
  timer_.expires_after(std::chrono::milliseconds(delay_ms));
  co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

void MultiplexClient::enter(PeerState state, std::string reason) {
  status_.state = state;
  status_.reason = std::move(reason);
  status_.changed_ms = wheel_.now_ms();
}

void MultiplexClient::fail(std::string reason) {
  // One line for each new reason, not one for each attempt.
  if (log && reason != last_logged_) log(fmt::format("{}: {}", name(), reason));
  last_logged_ = reason;
  ++status_.failures;
  enter(PeerState::failed, std::move(reason));
}

boost::asio::awaitable<bool> MultiplexClient::connect_once() {
  ++status_.attempts;
  const std::string earlier = status_.reason;
  enter(PeerState::resolving, earlier);
  const std::shared_ptr<MultiplexClient> self = shared_from_this();
  tls::ConnectOptions options;
  options.local = settings_.local;
  options.local_port_low = settings_.local_port_low;
  options.local_port_high = settings_.local_port_high;
  options.tls = policy_;
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
  status_.address = result.stream->peer_address().text();
  if (facts.peer) status_.certificate_names = facts.peer->names_text();
  auto session = multiplex::Session::create(result.stream, multiplex::Role::accepts, settings_.session);
  if (!session) {
    fail(session.fault().text());
    co_return false;
  }
  session_ = *session;
  session_->on_channel = [self](const multiplex::ChannelPtr& channel) { self->on_opening(channel); };
  session_->on_end = [self](const std::string& reason) { self->on_end(reason); };
  enter(PeerState::authentication);
  co_return true;
}

void MultiplexClient::on_end(const std::string& reason) {
  if (stopped_) return enter(PeerState::idle);
  const bool by_alert = session_->stream().alert() >= 0;
  fail(by_alert ? fmt::format("TLS with {}: {}", status_.address, reason) : status_.state == PeerState::active ? "connection lost: " + reason : reason);
}

void MultiplexClient::on_opening(const multiplex::ChannelPtr& channel) {
  if (channel->purpose() == authenticate_purpose) return authenticate(channel);
  if (channel->purpose() == facts_purpose && facts_channel_ == nullptr) {
    // E opens it once it is content with us.
    session_->accept(channel);
    facts_channel_ = channel;
    last_logged_.clear();
    failures_in_row_ = 0;
    enter(PeerState::active);
    if (log) log(fmt::format("{} ({}) is active", name(), status_.address));
    channel->send(format_facts(own_facts_, clock()));
    boost::asio::co_spawn(engine_.context(), read_facts(shared_from_this(), channel), boost::asio::detached);
    return;
  }
  if (facts_channel_ != nullptr && on_channel) return on_channel(channel);
  session_->refuse(channel, 404, "nothing here takes channels for " + channel->purpose());
}

void MultiplexClient::authenticate(const multiplex::ChannelPtr& channel) {
  const std::string* field = multiplex::find_field(channel->fields(), challenge_field);
  const auto challenge = field == nullptr ? std::nullopt : sip::parse_challenge(*field);
  if (!challenge) return session_->refuse(channel, 400, "no digest challenge with a known algorithm");
  const std::string uri = fmt::format("{}:{}", settings_.peer, settings_.port);
  const sip::DigestCredentials answer = sip::answer_challenge(*challenge, settings_.username, settings_.password, multiplex_method, uri, random_token());
  const multiplex::Fields fields = {{std::string(credentials_field), sip::format_credentials(answer)},
                                   {std::string(node_field), own_facts_.fqdn},
                                   {std::string(connection_field), std::to_string(settings_.number)}};
  session_->accept(channel, fields);
  channel->finish();
}

boost::asio::awaitable<void> MultiplexClient::read_facts(std::shared_ptr<MultiplexClient> self, multiplex::ChannelPtr channel) {
  FactsLines lines;
  for (;;) {
    const Outcome<std::string_view> bytes = co_await channel->receive();
    if (!bytes || bytes->empty()) break;
    const bool fits = lines.feed(*bytes, [&](std::string_view line) {
      auto facts = parse_facts(line);
      if (facts) {
        self->peer_facts_ = std::move(*facts);
        self->status_.clock_skew_s = clock_skew_s(self->peer_facts_, self->clock());
      } else if (self->log) {
        self->log(fmt::format("zone {}: {}: {}", self->settings_.zone, self->settings_.peer, facts.fault().text()));
      }
    });
    if (fits) continue;
    channel->close("a line of facts is too long");
    break;
  }
  channel->finish();
}

}  // namespace sallyport::zones
