// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/multiplex_server.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <charconv>

namespace sallyport::zones {

namespace {

constexpr size_t remembered_failures = 16;
constexpr size_t name_limit_bytes = 255;
constexpr size_t most_connections_of_zone = 64;  // of its C nodes together: the port has room for other zones
constexpr auto refusal_deadline = std::chrono::seconds(2);  // for the GOAWAY to arrive

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

uint32_t number_of(const multiplex::Channel& answered) {
  const std::string* field = multiplex::find_field(answered.fields(), connection_field);
  uint32_t number = 0;
  if (field != nullptr) std::from_chars(field->data(), field->data() + field->size(), number);
  return number <= most_connections ? number : 0;
}

std::array<uint8_t, 32> random_secret() {
  std::array<uint8_t, 32> secret;
  RAND_bytes(secret.data(), secret.size());
  return secret;
}

}  // namespace

MultiplexServer::MultiplexServer(boost::asio::io_context& io, proxy::TimerWheel& wheel, multiplex::SessionSettings settings, FindZones find_zones, FindHa1 find_ha1)
    : io_(io), wheel_(wheel), settings_(settings), find_zones_(std::move(find_zones)), find_ha1_(std::move(find_ha1)), nonces_(random_secret()) {}

void MultiplexServer::on_stream(tls::StreamPtr stream) {
  const auto connection = std::make_shared<Connection>();
  const tls::TlsFacts facts = stream->tls_facts();
  PeerStatus& status = connection->peer.status;
  status.peer = status.address = stream->peer_address().text();
  status.state = PeerState::authentication;
  status.changed_ms = wheel_.now_ms();
  status.tls_version = facts.version;
  status.authority = facts.authority;
  status.cipher = facts.cipher;
  status.has_certificate = facts.peer.has_value();
  if (facts.peer) status.certificate_names = facts.peer->names_text();
  const uint64_t id = stream->id();
  auto session = multiplex::Session::create(std::move(stream), multiplex::Role::opens, settings_);
  if (!session) {
    if (log) log(session.fault().text());
    return;
  }
  connection->peer.session = *session;
  (*session)->on_end = [this, connection](const std::string& reason) { on_end(connection, reason); };
  connections_[id] = connection;
  boost::asio::co_spawn(io_, multiplex::Session::run(*session), boost::asio::detached);
  boost::asio::co_spawn(io_, admit(connection), boost::asio::detached);
}

// The zones whose names the certificate holds.
std::vector<MultiplexZone> MultiplexServer::zones_for(const Connection& connection) const {
  std::vector<MultiplexZone> zones = find_zones_();
  const tls::TlsFacts facts = connection.peer.session->stream().tls_facts();
  std::erase_if(zones, [&](const MultiplexZone& zone) {
    if (zone.subject_names.empty()) return false;
    return !facts.peer || !tls::match_names(*facts.peer, zone.subject_names, tls::WildcardRule::refuse).matched;
  });
  return zones;
}

boost::asio::awaitable<void> MultiplexServer::admit(ConnectionPtr connection) {
  const std::vector<MultiplexZone> zones = zones_for(*connection);
  if (zones.empty()) {
    ++counters_.wrong_name;
    refuse(*connection, "san", fmt::format("TLS verify subject name: no zone accepts {}", connection->peer.status.certificate_names));
    co_return;
  }
  sip::DigestChallenge challenge;
  challenge.realm = zones.front().realm;
  challenge.nonce = nonces_.issue(wheel_.now_ms() * 1000 + 1);
  const bool has_sha256 = !find_ha1_(zones.front().username, sip::DigestAlgorithm::sha256).empty();
  challenge.algorithm = has_sha256 ? sip::DigestAlgorithm::sha256 : sip::DigestAlgorithm::md5;
  challenge.offers_auth = true;
  const multiplex::SessionPtr session = connection->peer.session;
  const multiplex::Fields fields = {{std::string(challenge_field), sip::format_challenge(challenge)}};
  const std::string purpose(authenticate_purpose), name = zones.front().name;
  const auto answered = co_await session->open(purpose, "zone", fields, multiplex::Weight::control);
  if (!answered) {
    ++counters_.no_answer;
    refuse(*connection, "digest", "authentication failed: " + answered.fault().text());
    co_return;
  }
  (*answered)->finish();
  const Outcome<std::string> zone = judge(**answered, zones, challenge.realm);
  if (!zone) {
    ++counters_.wrong_credential;
    refuse(*connection, "digest", zone.fault().cause);
    co_return;
  }
  const std::string* node = multiplex::find_field((*answered)->fields(), node_field);
  connection->peer.zone = *zone;
  connection->peer.number = number_of(**answered);
  const std::string own = node != nullptr && !node->empty() ? node->substr(0, name_limit_bytes) : host_of(connection->peer.status.address);
  if (const std::string why = judge_number(*connection, own); !why.empty()) {
    ++counters_.too_many;
    refuse(*connection, "limit", why);
    co_return;
  }
  connection->node = own;
  co_await exchange_facts(connection);
}

std::string MultiplexServer::judge_number(const Connection& connection, const std::string& node) {
  size_t of_node = 0, of_zone = 0;
  for (const auto& [id, other] : connections_) {
    // One that ends anyway leaves its place.
    if (other->node.empty() || other->peer.zone != connection.peer.zone || !other->peer.session->takes_channels()) continue;
    ++of_zone;
    if (other->node == node) ++of_node;
  }
  if (of_node < most_connections && of_zone < most_connections_of_zone) return {};
  // Some of them may be dead, of a C that lost them and comes back.
  for (const auto& [id, other] : connections_)
    if (!other->node.empty() && other->peer.zone == connection.peer.zone) other->peer.session->ask_now();
  if (of_node >= most_connections) return fmt::format("{} has {} connections of the stream multiplex already, and no more are taken", node, of_node);
  return fmt::format("the C nodes of zone {} have {} connections of the stream multiplex already, and no more are taken", connection.peer.zone, of_zone);
}

// The zone whose user C proved to be.
Outcome<std::string> MultiplexServer::judge(const multiplex::Channel& answered, const std::vector<MultiplexZone>& zones, const std::string& realm) {
  const std::string* field = multiplex::find_field(answered.fields(), credentials_field);
  const auto credentials = field == nullptr ? std::nullopt : sip::parse_credentials(*field);
  const auto refused = [&](std::string_view user) {
    // The same for a user that does not exist: it does not tell which do.
    return Fault{FaultCode::refused, "stream multiplex", fmt::format("authentication failed: user {}; check user name and password on both nodes", user), ""};
  };
  if (!credentials) return refused("unknown");
  const auto zone = std::find_if(zones.begin(), zones.end(), [&](const MultiplexZone& each) { return each.username == credentials->username; });
  const std::string ha1 = zone == zones.end() || credentials->realm != realm ? std::string{} : find_ha1_(credentials->username, credentials->algorithm);
  const uint64_t now_us = wheel_.now_ms() * 1000 + 1;
  const bool is_right = !ha1.empty() && nonces_.check(credentials->nonce, now_us) == sip::Nonces::Verdict::fresh &&
                        sip::is_response_right(*credentials, ha1, multiplex_method) &&
                        nonces_.accept(credentials->nonce, credentials->nonce_count, now_us) == sip::Nonces::Verdict::fresh;
  if (!is_right) return refused(credentials->username);
  return zone->name;
}

void MultiplexServer::on_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure) {
  MultiplexPeer failed;
  failed.status.peer = failed.status.address = source.text();
  failed.status.refused_by = "tls";
  failed.status.reason = failure.text + (failure.remedy.empty() ? "" : "; " + failure.remedy);
  failed.status.has_certificate = failure.certificate.has_value();
  remember_failure(std::move(failed));
}

void MultiplexServer::refuse(Connection& connection, const char* by, std::string reason) {
  MultiplexPeer failed = connection.peer;
  const multiplex::SessionPtr session = std::exchange(failed.session, nullptr);
  failed.status.refused_by = by;
  failed.status.reason = reason;
  remember_failure(std::move(failed));
  session->retire(reason, refusal_deadline);
}

// A peer that tries again and again is one entry and one line: the entry counts.
void MultiplexServer::remember_failure(MultiplexPeer failed) {
  failed.status.state = PeerState::failed;
  failed.status.changed_ms = wheel_.now_ms();
  failed.status.failures = 1;
  const auto same = std::find_if(failures_.begin(), failures_.end(), [&](const MultiplexPeer& old) { return old.status.reason == failed.status.reason; });
  if (same != failures_.end()) {
    failed.status.failures += same->status.failures;
    failures_.erase(same);
  } else if (log) {
    log(fmt::format("stream multiplex: {}: {}", failed.status.peer, failed.status.reason));
  }
  failures_.push_back(std::move(failed));
  if (failures_.size() > remembered_failures) failures_.erase(failures_.begin());
}

boost::asio::awaitable<void> MultiplexServer::exchange_facts(ConnectionPtr connection) {
  const multiplex::SessionPtr session = connection->peer.session;
  const std::string purpose(facts_purpose);
  const multiplex::Fields none;
  const auto opened = co_await session->open(purpose, "zone", none, multiplex::Weight::control);
  if (!opened) {
    session->close("no facts: " + opened.fault().text());
    co_return;
  }
  ++counters_.authenticated;
  connection->facts = *opened;
  connection->is_active = true;
  connection->peer.status.state = PeerState::active;
  connection->peer.status.changed_ms = wheel_.now_ms();
  const multiplex::ChannelPtr channel = *opened;
  channel->send(format_facts(own_facts_, clock()));
  FactsLines lines;
  for (;;) {
    const Outcome<std::string_view> bytes = co_await channel->receive();
    if (!bytes || bytes->empty()) break;
    const bool fits = lines.feed(*bytes, [&](std::string_view line) { take_facts(*connection, line); });
    if (fits) continue;
    channel->close("a line of facts is too long");
    break;
  }
  // C leaves this connection: it must not stay open for our half of the facts.
  channel->finish();
}

void MultiplexServer::take_facts(Connection& connection, std::string_view line) {
  auto facts = parse_facts(line);
  if (!facts) {
    if (log) log(fmt::format("stream multiplex: {}: {}", connection.peer.status.peer, facts.fault().text()));
    return;
  }
  const bool is_first = connection.peer.facts.fqdn.empty();
  connection.peer.facts = std::move(*facts);
  connection.peer.status.peer = connection.peer.facts.fqdn;
  connection.peer.status.clock_skew_s = clock_skew_s(connection.peer.facts, clock());
  const auto [known, is_new] = told_.try_emplace({connection.peer.zone, connection.peer.facts.fqdn}, connection.peer.facts);
  if (!is_new && is_newer(connection.peer.facts, known->second)) known->second = connection.peer.facts;
  forget_facts();
  if (on_facts) on_facts();
  if (!is_first) return;
  // What the same node failed with before is over; that it has one connection too many is not.
  std::erase_if(failures_, [&](const MultiplexPeer& old) { return old.status.refused_by != "limit" && host_of(old.status.address) == host_of(connection.peer.status.address); });
  if (log) log(fmt::format("zone {}: stream multiplex of {}, connection {} ({}) is active", connection.peer.zone, connection.peer.status.peer, connection.peer.number, connection.peer.status.address));
}

// Of nodes, and of names of a node, that no connection has any more.
void MultiplexServer::forget_facts() {
  std::erase_if(told_, [&](const auto& each) {
    return std::none_of(connections_.begin(), connections_.end(), [&](const auto& other) {
      return other.second->peer.zone == each.first.first && other.second->peer.facts.fqdn == each.first.second;
    });
  });
}

void MultiplexServer::on_end(const ConnectionPtr& connection, const std::string& reason) {
  connections_.erase(connection->peer.session->stream().id());
  if (connection->is_active && log) log(fmt::format("zone {}: stream multiplex of {}, connection {} lost: {}", connection->peer.zone, connection->peer.status.peer, connection->peer.number, reason));
  connection->is_active = false;
  forget_facts();
}

boost::asio::awaitable<Outcome<multiplex::ChannelPtr>> MultiplexServer::open(std::string zone, std::string purpose, std::string name, multiplex::Fields fields,
                                                                             multiplex::Weight weight) {
  multiplex::SessionPtr best;
  for (const auto& [id, connection] : connections_) {
    const multiplex::SessionPtr& session = connection->peer.session;
    if (!connection->is_active || connection->peer.zone != zone || !session->takes_channels()) continue;
    if (best == nullptr || session->channels() < best->channels()) best = session;
  }
  if (best == nullptr) co_return Fault{FaultCode::unreachable, "stream multiplex", "no C of zone " + zone + " is connected", "look at sallyport zones on both nodes"};
  co_return co_await best->open(std::move(purpose), std::move(name), std::move(fields), weight);
}

void MultiplexServer::set_facts(PeerFacts facts) {
  own_facts_ = std::move(facts);
  for (const auto& [id, connection] : connections_)
    if (connection->facts != nullptr) connection->facts->send(format_facts(own_facts_, clock()));
}

void MultiplexServer::close_zone(const std::string& zone, std::string_view reason) {
  for (const auto& [id, connection] : connections_)
    if (connection->peer.zone == zone) connection->peer.session->close(reason);
}

void MultiplexServer::retire(std::string_view reason, std::chrono::milliseconds deadline) {
  const auto all = connections_;
  for (const auto& [id, connection] : all) connection->peer.session->retire(reason, deadline);
}

void MultiplexServer::close_all(std::string_view reason) {
  for (const auto& [id, connection] : connections_) connection->peer.session->close(reason);
}

std::vector<MultiplexPeer> MultiplexServer::peers() const {
  std::vector<MultiplexPeer> all;
  for (const auto& [id, connection] : connections_) all.push_back(connection->peer);
  all.insert(all.end(), failures_.begin(), failures_.end());
  return all;
}

std::vector<MultiplexServer::ToldFacts> MultiplexServer::facts() const {
  std::vector<ToldFacts> all;
  for (const auto& [whose, facts] : told_) all.push_back({whose.first, facts});
  return all;
}

}  // namespace sallyport::zones
