// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_server.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/sip/digest.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/response.h"
#include "controlplane/zones/options_request.h"

namespace sallyport::zones {

using sip::HeaderId;

namespace {
constexpr size_t remembered_failures = 16;
constexpr uint32_t refusals_logged_a_minute = 30;

std::array<uint8_t, 32> random_secret() {
  std::array<uint8_t, 32> secret;
  RAND_bytes(secret.data(), secret.size());
  return secret;
}

std::string contact_host(const sip::Message& request) {
  const auto value = sip::first_value(request, HeaderId::contact);
  const auto contact = value ? sip::parse_name_addr(value->text) : std::nullopt;
  return contact ? std::string(contact->uri.host) : std::string{};
}
}  // namespace

TraversalServer::TraversalServer(TraversalServerSettings settings, boost::asio::io_context& io, proxy::TimerWheel& wheel, proxy::Proxy& proxy, FindHa1 find_ha1)
    : settings_(std::move(settings)), io_(io), wheel_(wheel), proxy_(proxy), find_ha1_(std::move(find_ha1)), nonces_(random_secret()) {}

// Nonces age by our own monotonic clock; C's clock plays no part (complaint: registration fails when clocks differ).
uint64_t TraversalServer::now_us() const { return wheel_.now_ms() * 1000 + 1; }

void TraversalServer::on_stream(uint64_t hop_id, tls::StreamPtr stream) {
  auto hop = std::make_shared<proxy::StreamHop>(hop_id, proxy::Side::traversal, stream, sip::Framer::Side::accepted, settings_.limits);
  hop->via_head = settings_.via_head;
  stream->set_idle_deadline(std::chrono::milliseconds(settings_.authentication_ms));
  const tls::TlsFacts facts = stream->tls_facts();
  Peer& peer = peers_[hop_id];
  peer.hop = hop;
  peer.status.peer = hop->remote.text();
  peer.status.address = hop->remote.text();
  peer.status.state = PeerState::authentication;
  peer.status.changed_ms = wheel_.now_ms();
  peer.status.has_certificate = facts.peer.has_value();
  peer.status.tls_version = facts.version;
  peer.status.authority = facts.authority;
  peer.status.cipher = facts.cipher;
  if (facts.peer) {
    peer.status.certificate_names = facts.peer->names_text();
    check_names(peer, *facts.peer);
  }
  boost::asio::co_spawn(io_, proxy::StreamHop::serve(hop, *this), boost::asio::detached);
}

void TraversalServer::on_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure) {
  PeerStatus status;
  status.peer = status.address = source.text();
  status.state = PeerState::failed;
  status.reason = failure.text + (failure.remedy.empty() ? "" : "; " + failure.remedy);
  status.changed_ms = wheel_.now_ms();
  status.refused_by = "tls";
  status.has_certificate = failure.certificate.has_value();
  remember_failure(std::move(status));
}

void TraversalServer::check_names(Peer& peer, const tls::PeerCertificate& certificate) {
  if (settings_.subject_names.empty()) return;
  tls::NameVerdict verdict = tls::match_names(certificate, settings_.subject_names, tls::WildcardRule::refuse);
  if (verdict.matched) return;
  ++counters_.wrong_name;
  peer.refusal = verdict.text;
  PeerStatus failed = peer.status;
  failed.state = PeerState::failed;
  failed.refused_by = "san";
  failed.reason = "TLS verify subject name: " + verdict.text + "; reissue the certificate with that name in its SAN, or configure one of the names it has";
  remember_failure(std::move(failed));
}

// A peer that tries again and again is one entry and one line: the entry counts.
void TraversalServer::remember_failure(PeerStatus status) {
  status.failures = 1;
  const auto same = std::find_if(failures_.begin(), failures_.end(), [&](const PeerStatus& old) { return old.reason == status.reason; });
  if (same != failures_.end()) {
    status.failures += same->failures;
    failures_.erase(same);
  } else {
    log_refusal(status);
  }
  failures_.push_back(std::move(status));
  if (failures_.size() > remembered_failures) failures_.erase(failures_.begin());
}

// Whoever comes with ever new certificates fills no log: the rest of the minute is counted.
void TraversalServer::log_refusal(const PeerStatus& status) {
  if (!log) return;
  const uint64_t minute = wheel_.now_ms() / 60'000;
  if (minute != refusal_minute_) {
    if (refusals_unlogged_ != 0) log(fmt::format("zone {}: {} more refusals were not logged", settings_.zone, refusals_unlogged_));
    refusal_minute_ = minute;
    refusals_logged_ = refusals_unlogged_ = 0;
  }
  if (refusals_logged_ == refusals_logged_a_minute) {
    ++refusals_unlogged_;
    return;
  }
  ++refusals_logged_;
  log(fmt::format("zone {}: {}: {}", settings_.zone, status.peer, status.reason));
}

bool TraversalServer::take(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
  const auto found = peers_.find(hop->id);
  if (found == peers_.end()) return false;
  Peer& peer = found->second;
  if (!peer.refusal.empty()) {
    refuse_name(peer, request, hop);
    return true;
  }
  const bool for_us = request.method() == sip::Method::options && !request.has(HeaderId::route);
  if (!peer.is_authenticated) {
    if (for_us) {
      authenticate(peer, request, hop);
    } else {
      ++counters_.not_authenticated;
      proxy_.answer(hop, request, 403, "Authenticate the traversal zone first");
    }
    return true;
  }
  if (!for_us) return false;
  if (request.has(HeaderId::authorization)) {
    authenticate(peer, request, hop);
    return true;
  }
  ++peer.status.keepalives_answered;
  proxy_.answer(hop, request, 200);
  return true;
}

void TraversalServer::refuse_name(const Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
  const std::string warning = sip::warning_value(399, settings_.agent, peer.refusal);
  proxy_.answer(hop, request, 403, "Certificate Name Not Accepted", fmt::format("Warning: {}\r\n", warning));
  hop->close();
}

void TraversalServer::challenge(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop, bool stale) {
  ++counters_.challenged;
  std::string lines;
  // RFC 8760 2.4: the preferred algorithm first.
  for (const sip::DigestAlgorithm algorithm : {sip::DigestAlgorithm::sha256, sip::DigestAlgorithm::md5}) {
    sip::DigestChallenge challenge;
    challenge.realm = settings_.realm;
    challenge.nonce = nonces_.issue(now_us());
    challenge.algorithm = algorithm;
    challenge.offers_auth = true;
    challenge.is_stale = stale;
    lines += fmt::format("WWW-Authenticate: {}\r\n", sip::format_challenge(challenge));
  }
  proxy_.answer(hop, request, 401, {}, lines);
}

void TraversalServer::authenticate(Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
  const auto credentials = sip::parse_credentials(request.value(HeaderId::authorization));
  if (!credentials) return challenge(request, hop, false);
  if (nonces_.check(credentials->nonce, now_us()) == sip::Nonces::Verdict::stale) {
    ++counters_.stale;
    return challenge(request, hop, true);
  }
  const bool known = credentials->username == settings_.username && credentials->realm == settings_.realm;
  const std::string ha1 = known ? find_ha1_(credentials->username, credentials->algorithm) : std::string{};
  const bool right = !ha1.empty() && sip::is_response_right(*credentials, ha1, "OPTIONS") &&
                     nonces_.accept(credentials->nonce, credentials->nonce_count, now_us()) == sip::Nonces::Verdict::fresh;
  if (!right) return refuse_credential(peer, *credentials, known && !ha1.empty(), request, hop);
  if (request.find(test_header) == nullptr) return admit(peer, request, hop);
  // The layered test's own connection: the running one stays what it is.
  ++counters_.tested;
  proxy_.answer(hop, request, 200, "Credential Accepted");
  hop->close();
}

void TraversalServer::refuse_credential(const Peer& peer, const sip::DigestCredentials& credentials, bool known, const sip::Message& request,
                                        const std::shared_ptr<proxy::Hop>& hop) {
  ++(known ? counters_.wrong_credential : counters_.unknown_user);
  PeerStatus failed = peer.status;
  failed.state = PeerState::failed;
  failed.refused_by = "digest";
  failed.reason = known ? fmt::format("authentication failed: wrong password for user {}", credentials.username)
                        : fmt::format("authentication failed: user {} is not the user of this zone", credentials.username);
  failed.changed_ms = wheel_.now_ms();
  remember_failure(std::move(failed));
  // The answer is the same for both: it does not tell which users exist.
  proxy_.answer(hop, request, 403, "Authentication failed");
  hop->close();
}

void TraversalServer::admit(Peer& peer, const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
  const std::string host = contact_host(request);
  const Outcome<LinkOffer> offer = offer_link ? offer_link(host) : Outcome<LinkOffer>(Fault{FaultCode::missing, "media link", "not set up", ""});
  if (!offer) {
    if (log) log(fmt::format("zone {}: {}: no media link: {}", settings_.zone, host, offer.fault().text()));
    return proxy_.answer(hop, request, 503, "No media link", "Retry-After: 2\r\n");
  }
  ++counters_.authenticated;
  peer.is_authenticated = true;
  peer.status.peer = host.empty() ? hop->remote.text() : host;
  peer.status.warning = name_warning(peer);
  drop_older(peer);
  peer.status.state = PeerState::active;
  peer.status.changed_ms = wheel_.now_ms();
  std::erase_if(failures_, [&](const PeerStatus& old) { return old.address.substr(0, old.address.rfind(':')) == peer.status.address.substr(0, peer.status.address.rfind(':')); });
  peer.hop->stream().set_idle_deadline(std::chrono::milliseconds(settings_.idle_ms));
  hop->name = peer.status.peer;
  proxy_.answer(hop, request, 200, {}, fmt::format("{}: {}\r\n", link_header, format_link(*offer)));
  if (log) log(fmt::format("zone {}: {} ({}) is active", settings_.zone, peer.status.peer, peer.status.address));
  if (on_active) on_active(hop, peer.status.peer);
}

// Dialogs and the media link go by the name C gives itself; a member of a cluster should be able to prove its own.
std::string TraversalServer::name_warning(const Peer& peer) {
  const tls::TlsFacts facts = peer.hop->stream().tls_facts();
  if (!facts.peer || tls::match_name(*facts.peer, peer.status.peer, tls::WildcardRule::refuse).matched) return {};
  return fmt::format("it calls itself {}, which is no SAN of its certificate; add the node's FQDN to the certificate", peer.status.peer);
}

// A C that dials anew may have lost a connection that still looks open here.
void TraversalServer::drop_older(const Peer& newer) {
  for (auto& [id, peer] : peers_)
    if (&peer != &newer && peer.is_authenticated && peer.status.peer == newer.status.peer) peer.hop->stream().close("the peer connected anew from " + newer.status.address);
}

void TraversalServer::on_closed(const std::shared_ptr<proxy::Hop>& hop, std::string_view reason) {
  const auto found = peers_.find(hop->id);
  if (found == peers_.end()) return;
  const Peer peer = std::move(found->second);
  peers_.erase(found);
  if (peer.is_authenticated) {
    if (log) log(fmt::format("zone {}: {} lost: {}", settings_.zone, peer.status.peer, reason));
    if (on_lost) on_lost(hop, peer.status.peer);
  }
  proxy_.on_hop_lost(*hop);
}

boost::asio::awaitable<std::string> TraversalServer::ask_media(std::string peer, std::chrono::milliseconds deadline) {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [&](const auto& entry) { return entry.second.is_authenticated && entry.second.status.peer == peer; });
  if (found == peers_.end()) co_return std::string{};
  struct Answer {
    explicit Answer(boost::asio::io_context& io) : arrived(io) {}
    std::string value;
    bool is_there = false;
    boost::asio::steady_timer arrived;
  };
  const auto answer = std::make_shared<Answer>(io_);
  answer->arrived.expires_after(deadline);
  OptionsWish wish;
  wish.peer = peer;
  wish.port = settings_.port;
  wish.own_host = settings_.agent;
  const bool asked = proxy_.originate(found->second.hop, write_options(wish), [answer](const sip::Message& response) {
    const sip::Header* header = response.find(media_header);
    if (header != nullptr) answer->value = header->value;
    answer->is_there = true;
    answer->arrived.cancel();
  });
  if (asked && !answer->is_there) {
    boost::system::error_code ignored;
    co_await answer->arrived.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  co_return answer->value;
}

void TraversalServer::close_all(std::string_view reason) {
  for (auto& [id, peer] : peers_) peer.hop->stream().close(reason);
}

std::vector<PeerStatus> TraversalServer::status() const {
  std::vector<PeerStatus> all = failures_;
  for (const auto& [id, peer] : peers_)
    if (peer.refusal.empty()) all.push_back(peer.status);
  return all;
}

}  // namespace sallyport::zones
