// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/pair_keeper.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>

#include "controlplane/certificates/request.h"
#include "controlplane/certificates/slot.h"
#include "controlplane/config/fqdn.h"
#include "controlplane/config/utc.h"

namespace sallyport::node {

namespace asio = boost::asio;
using certificates::CertificatePtr;
using certificates::KeyPtr;
using certificates::PairIdentity;
using zones::JoinToken;
using zones::PairAnswer;
using zones::PairRequest;

namespace {

constexpr std::chrono::seconds longest_pause(3600);
constexpr std::int64_t longest_retry_s = 3600;

// Between 0 and 1.
double draw() {
  std::uint32_t number = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number);
  return static_cast<double>(number) / 4294967296.0;
}

std::int64_t life_of(const PairIdentity& identity) { return std::max<std::int64_t>(identity.description.not_after_s - identity.description.not_before_s - certificates::issue_clock_slack_s, 1); }

// At two thirds of its life, up to a twentieth earlier, so that many nodes do not come at once.
std::int64_t renewal_time_s(const PairIdentity& identity) {
  const auto life = static_cast<double>(life_of(identity));
  return identity.description.not_after_s - static_cast<std::int64_t>(life / 3 + draw() * life / 20);
}

bool holds(const std::vector<std::string>& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

}  // namespace

PairKeeper::PairKeeper(asio::io_context& io, tls::StreamEngine& engine, dns::Resolver& resolver, certificates::PairStore& store, PairKeeperSettings settings, FindZones find_zones, Log log)
    : engine_(engine), resolver_(resolver), store_(store), settings_(std::move(settings)), find_zones_(std::move(find_zones)), log_(std::move(log)), timer_(io) {}

asio::awaitable<void> PairKeeper::run(std::shared_ptr<PairKeeper> self) {
  while (!self->stopped_) {
    self->schedule();
    const std::int64_t now_s = std::time(nullptr);
    std::int64_t next_s = now_s + longest_pause.count();
    std::string due;
    bool is_due = false;
    for (const auto& [peer, renewal] : self->renewals_) {
      next_s = std::min(next_s, renewal.due_s);
      if (renewal.due_s > now_s || is_due) continue;
      due = peer;
      is_due = true;
    }
    if (is_due && self->settings_.is_e) {
      self->renew_own();
      continue;
    }
    if (is_due) {
      co_await self->renew(std::move(due));
      continue;
    }
    self->timer_.expires_after(std::chrono::seconds(std::max<std::int64_t>(next_s - now_s, 1)));
    boost::system::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await self->timer_.async_wait(token);
  }
}

void PairKeeper::stop() {
  stopped_ = true;
  timer_.cancel();
}

// By what the store holds; what is planned already stays, for its draw and its failures.
void PairKeeper::schedule() {
  const auto set = store_.snapshot();
  std::erase_if(renewals_, [&](const auto& entry) { return set->find(entry.first) == nullptr && !(entry.first.empty() && set->authority != nullptr); });
  if (settings_.is_e && set->authority != nullptr && set->find("") == nullptr) renewals_.try_emplace("");
  for (const PairIdentity& identity : set->identities) {
    if (identity.peer.empty() != settings_.is_e) continue;
    const auto [place, is_new] = renewals_.try_emplace(identity.peer);
    if (is_new) place->second.due_s = renewal_time_s(identity);
    // E got another name or address: C nodes that dial it by that need to find it.
    if (settings_.is_e && is_new && !has_own_names(identity)) place->second.due_s = 0;
  }
}

bool PairKeeper::has_own_names(const PairIdentity& identity) const {
  return std::all_of(settings_.own_names.begin(), settings_.own_names.end(), [&](const std::string& name) { return tls::match_name(identity.description, name, tls::WildcardRule::refuse).matched; });
}

void PairKeeper::renew_own() {
  const std::int64_t now_s = std::time(nullptr);
  const auto issued = [&]() -> Outcome<> {
    auto key = certificates::make_key(certificates::KeyKind::ecdsa_p256);
    if (!key) return key.fault();
    return store_.issue_own({"", "", settings_.own_names, std::move(*key), settings_.certificate_life_s, now_s});
  }();
  if (!issued) return fail("", issued.fault());
  ++counters_.renewed;
  renewals_.erase("");
  schedule();
}

void PairKeeper::fail(const std::string& peer, const Fault& fault) {
  ++counters_.failed;
  const auto set = store_.snapshot();
  const PairIdentity* identity = set->find(peer);
  const std::int64_t life_s = identity == nullptr ? settings_.certificate_life_s : life_of(*identity);
  Renewal& renewal = renewals_[peer];
  // Doubling, but never so long that a short certificate has but one more chance.
  const std::int64_t longest_s = std::clamp<std::int64_t>(life_s / 40, 1, longest_retry_s);
  const std::int64_t pause_s = std::min<std::int64_t>(longest_s, std::int64_t{30} << std::min<std::uint64_t>(renewal.failures, 10));
  ++renewal.failures;
  if (renewal.reason != fault.text()) log_(fmt::format("pair: certificate {} is not renewed: {}", peer.empty() ? "of this node" : "for " + peer, fault.text()));
  renewal.reason = fault.text();
  renewal.due_s = std::time(nullptr) + pause_s;
}

const PairKeeper::Renewal* PairKeeper::renewal(const std::string& peer) const {
  const auto found = renewals_.find(peer);
  return found == renewals_.end() ? nullptr : &found->second;
}

Outcome<> PairKeeper::renew_now(const std::string& peer) {
  schedule();
  const auto found = peer.empty() && renewals_.size() == 1 ? renewals_.begin() : renewals_.find(config::lower_case(peer));
  if (found == renewals_.end()) return Fault{FaultCode::missing, peer.empty() ? "pair" : "pair with " + peer.substr(0, 253), peer.empty() ? "this node has none, or several" : "does not exist on this node", "see sallyport pair list"};
  found->second.due_s = 0;
  timer_.cancel();
  return Done{};
}

std::vector<certificates::CertificateAlarm> PairKeeper::alarms() const {
  std::vector<certificates::CertificateAlarm> alarms;
  const std::int64_t now_s = std::time(nullptr);
  const auto set = store_.snapshot();
  for (const PairIdentity& identity : set->identities) {
    const Renewal* planned = renewal(identity.peer);
    const std::string reason = planned == nullptr || planned->reason.empty() ? "" : ": " + planned->reason;
    const std::string what = fmt::format("pair certificate {}, serial {}", identity.peer.empty() ? "of this node" : "for " + identity.peer, identity.description.serial);
    if (identity.description.not_after_s <= now_s) {
      alarms.push_back({"pair_certificate_expired", fmt::format("{}, expired on {}{}; join again: sallyport pair on E, sallyport join TOKEN on C", what, config::utc(identity.description.not_after_s), reason), true});
    } else if (planned != nullptr && planned->failures > 0) {
      alarms.push_back({"pair_renewal_failed", fmt::format("{}, valid until {}, is not renewed{}; next attempt {}", what, config::utc(identity.description.not_after_s), reason, config::utc(planned->due_s)), false});
    }
  }
  return alarms;
}

Outcome<JoinToken> PairKeeper::make_token(const std::string& zone, std::int64_t life_s, const std::string& host, const std::string& actor) {
  const std::string subject = "join token";
  if (!settings_.is_e) return Fault{FaultCode::refused, subject, "is made on E; this node is C", "run sallyport pair on E, then sallyport join TOKEN here"};
  if (life_s < 1 || life_s > certificates::max_token_life_s) return Fault{FaultCode::invalid, subject, "cannot live so long", "give 1 to 3600 seconds"};
  const std::vector<PairZone> zones = find_zones_();
  if (zones.empty()) return Fault{FaultCode::missing, subject, "there is no traversal zone to join", "create one first: sallyport apply (docs/traversal.md)"};
  if (zone.empty() && zones.size() > 1) return Fault{FaultCode::invalid, subject, "this node has several traversal zones", "name one: sallyport pair ZONE"};
  const auto wanted = std::find_if(zones.begin(), zones.end(), [&](const PairZone& each) { return zone.empty() || each.name == zone; });
  if (wanted == zones.end()) return Fault{FaultCode::missing, "zone \"" + zone.substr(0, 253) + "\"", "does not exist on this node", "see sallyport zones"};
  JoinToken token;
  token.host = config::lower_case(host.empty() ? settings_.fqdn : host);
  token.port = settings_.multiplex_port;
  if (!holds(settings_.own_names, token.host)) return Fault{FaultCode::invalid, "host \"" + token.host.substr(0, 253) + "\"", "is no name or address of this node", fmt::format("give one of: {}", fmt::join(settings_.own_names, ", "))};
  if (RAND_bytes(token.id.data(), token.id.size()) != 1 || RAND_priv_bytes(token.secret.data(), token.secret.size()) != 1) return Fault{FaultCode::internal, subject, "there are no random numbers", "check the system's OpenSSL configuration"};
  const auto authority = store_.add_token({token.id_text(), token.secret_text()}, wanted->name, std::time(nullptr), life_s, actor);
  if (!authority) return authority.fault();
  if (store_.snapshot()->find("") == nullptr) renew_own();
  const std::string digest = tls::key_digest(authority->get());
  for (std::size_t at = 0; at < token.authority_key.size(); ++at) token.authority_key[at] = static_cast<std::uint8_t>(std::stoul(digest.substr(2 * at, 2), nullptr, 16));
  ++counters_.tokens;
  timer_.cancel();
  return token;
}

// To join: by its token. To renew: by a certificate of ours, which the handshake judged; withdrawn ones do not get this far.
Outcome<std::string> PairKeeper::zone_of(const PairRequest& request, const std::string& fqdn, const tls::TlsFacts& facts, std::int64_t now_s) {
  if (!request.token_id.empty()) return store_.judge_token({request.token_id, request.secret}, now_s);
  const auto set = store_.snapshot();
  const std::string subject = "node " + fqdn;
  const bool is_ours = facts.peer && set->authority != nullptr && facts.authority == tls::describe_certificate(set->authority.get()).fingerprint_sha256;
  if (!is_ours || !tls::match_name(*facts.peer, fqdn, tls::WildcardRule::refuse).matched) return Fault{FaultCode::refused, subject, "shows no certificate of this node's pair authority for that name", "let it join again: sallyport pair on E, sallyport join TOKEN on C"};
  const certificates::PairedNode* node = set->find_node(fqdn);
  if (node == nullptr) return Fault{FaultCode::refused, subject, "is not paired with this node any more", "let it join again: sallyport pair on E, sallyport join TOKEN on C"};
  return node->zone;
}

Outcome<PairAnswer> PairKeeper::enrolled(const PairRequest& request, const tls::TlsFacts& facts) {
  const std::int64_t now_s = std::time(nullptr);
  const auto fqdn = certificates::domain_name(request.fqdn);
  if (!fqdn) return fqdn.fault();
  const std::string subject = "node " + *fqdn;
  // Who may ask, before anything is done for him.
  const auto zone_name = zone_of(request, *fqdn, facts, now_s);
  if (!zone_name) return zone_name.fault();
  if (holds(settings_.own_names, *fqdn)) return Fault{FaultCode::conflict, subject, "is a name of E itself", "give C a node.fqdn of its own"};
  auto key = certificates::requested_key(request.request_pem, subject);
  if (!key) return key.fault();
  const std::vector<PairZone> zones = find_zones_();
  const PairZone* zone = nullptr;
  for (const PairZone& each : zones) {
    if (each.name == *zone_name) zone = &each;
    else if (holds(each.subject_names, *fqdn)) return Fault{FaultCode::conflict, subject, "is a TLS verify subject name of another zone, \"" + each.name + "\"", "make the token for that zone"};
  }
  if (zone == nullptr) return Fault{FaultCode::missing, "zone \"" + *zone_name + "\"", "does not exist on E any more", "make a new token: sallyport pair"};
  std::vector<std::string> names = {*fqdn};
  for (const std::string& name : zone->subject_names)
    if (!holds(names, name)) names.push_back(name);
  const certificates::PairEnrolment wish{*fqdn, zone->name, std::move(names), std::move(*key), settings_.certificate_life_s, now_s};
  const bool joins = !request.token_id.empty();
  const auto issued = joins ? store_.redeem({request.token_id, request.secret}, wish) : store_.renew(wish);
  if (!issued) return issued.fault();
  ++(joins ? counters_.joined : counters_.renewed);
  return PairAnswer{certificates::pem_of({*issued, store_.snapshot()->authority}), zone->name, zone->user, zone->port, zone->sip_domains};
}

Outcome<PairAnswer> PairKeeper::answer(const PairRequest& request, const tls::TlsFacts& facts, const tls::SocketAddress& source) {
  auto made = enrolled(request, facts);
  const bool joins = !request.token_id.empty();
  if (made) {
    log_(fmt::format("pair: {} {} zone {}, from {}", config::lower_case(request.fqdn), joins ? "joined" : "renewed its certificate for", made->zone, source.text()));
  } else {
    ++counters_.refused;
    log_(fmt::format("pair: {} is refused: {}", source.text(), made.fault().text()));
  }
  return made;
}

Outcome<std::vector<CertificatePtr>> PairKeeper::judge_answer(const PairAnswer& answer, EVP_PKEY* key, const std::string& peer) const {
  const std::string subject = "certificate from " + peer;
  auto chain = certificates::read_certificates(answer.certificates_pem, subject, 2);
  if (!chain) return chain.fault();
  const tls::PeerCertificate said = tls::describe_certificate(chain->front().get());
  const auto refused = [&](std::string cause) { return Fault{FaultCode::invalid, subject, std::move(cause), "run the same version of Sallyport on both nodes"}; };
  if (chain->size() != 2 || X509_verify(chain->front().get(), X509_get0_pubkey(chain->back().get())) != 1) return refused("is not of the authority that came along");
  if (EVP_PKEY_eq(X509_get0_pubkey(chain->front().get()), key) != 1) return refused("is for another key");
  if (!said.allows_client_auth || !tls::match_name(said, settings_.fqdn, tls::WildcardRule::refuse).matched) return refused("is not for " + settings_.fqdn + " as a client");
  return chain;
}

asio::awaitable<Outcome<PairAnswer>> PairKeeper::enrol(std::string host, std::uint16_t port, std::shared_ptr<tls::TlsPolicy> policy, PairRequest request, KeyPtr key) {
  certificates::RequestWish wish;
  wish.key = certificates::KeyKind::ecdsa_p256;
  wish.names = {{tls::NameKind::dns, settings_.fqdn}};
  wish.client_auth = true;
  auto pem = certificates::make_request(wish, key.get());
  if (!pem) co_return pem.fault();
  request.fqdn = settings_.fqdn;
  request.request_pem = std::move(*pem);
  tls::ConnectOptions options;
  options.local = settings_.local;
  options.local_port_low = settings_.local_port_low;
  options.local_port_high = settings_.local_port_high;
  options.tls = std::move(policy);
  auto answer = co_await zones::ask_pair(engine_, resolver_, std::move(host), port, std::move(options), std::move(request));
  co_return answer;
}

asio::awaitable<Outcome<Joined>> PairKeeper::join(JoinToken token, std::string actor) {
  if (settings_.is_e) co_return Fault{FaultCode::refused, "join token", "is redeemed on C; this node is E", "run sallyport join TOKEN on C"};
  auto key = certificates::make_key(certificates::KeyKind::ecdsa_p256);
  if (!key) co_return key.fault();
  // No certificate of its own yet, and nobody trusted but whom the token names.
  auto credentials = tls::CredentialStore::load({});
  if (!credentials) co_return credentials.fault();
  tls::TlsPolicyOptions options;
  options.role = tls::TlsRole::client;
  options.tls13_only = true;
  options.pairing_protocol = zones::pair_protocol;
  options.pinned_authority = token.authority_key_text();
  auto policy = tls::TlsPolicy::create(std::move(options), std::move(*credentials));
  if (!policy) co_return policy.fault();
  PairRequest request;
  request.token_id = token.id_text();
  request.secret = token.secret_text();
  const std::shared_ptr<PairKeeper> self = shared_from_this();
  auto answer = co_await enrol(token.host, token.port, *policy, std::move(request), *key);
  if (stopped_) co_return Fault{FaultCode::refused, "node", "ends", ""};
  if (!answer) {
    ++counters_.failed;
    co_return answer.fault();
  }
  const auto chain = judge_answer(*answer, key->get(), token.host);
  if (!chain) co_return chain.fault();
  if (tls::key_digest(chain->back().get()) != token.authority_key_text()) co_return Fault{FaultCode::refused, token.host, "answered with another authority than the token's", "make a new token on E: sallyport pair"};
  if (const Outcome<> kept = store_.keep_identity(token.host, token.port, answer->zone, *chain, *key, actor); !kept) co_return kept.fault();
  ++counters_.joined;
  renewals_.erase(token.host);
  timer_.cancel();
  const tls::PeerCertificate said = tls::describe_certificate(chain->front().get());
  log_(fmt::format("pair: joined zone {} of {}, serial {}, valid until {}", answer->zone, token.host, said.serial, config::utc(said.not_after_s)));
  Joined joined{token.host, said.serial, said.not_after_s, std::move(*answer)};
  co_return joined;
}

asio::awaitable<void> PairKeeper::renew(std::string peer) {
  const std::shared_ptr<PairKeeper> self = shared_from_this();
  const auto set = store_.snapshot();
  const PairIdentity* identity = set->find(peer);
  if (identity == nullptr) {
    renewals_.erase(peer);
    co_return;
  }
  auto key = certificates::make_key(certificates::KeyKind::ecdsa_p256);
  tls::CredentialSource source;
  source.held_platform = {identity->held};
  source.trusted.push_back({identity->authority, "the pair authority of " + peer});
  auto credentials = tls::CredentialStore::load(std::move(source));
  if (!key || !credentials) {
    fail(peer, key ? credentials.fault() : key.fault());
    co_return;
  }
  tls::TlsPolicyOptions options;
  options.role = tls::TlsRole::client;
  options.tls13_only = true;
  options.pairing_protocol = zones::pair_protocol;
  auto policy = tls::TlsPolicy::create(std::move(options), std::move(*credentials));
  if (!policy) {
    fail(peer, policy.fault());
    co_return;
  }
  PairRequest request;
  const std::uint16_t port = identity->port;
  auto answer = co_await enrol(peer, port, *policy, std::move(request), *key);
  if (stopped_) co_return;
  if (!answer) {
    fail(peer, answer.fault());
    co_return;
  }
  const auto chain = judge_answer(*answer, key->get(), peer);
  const Outcome<> kept = chain ? store_.keep_identity(peer, port, answer->zone, *chain, *key, "pair") : Outcome<>(chain.fault());
  if (!kept) {
    fail(peer, kept.fault());
    co_return;
  }
  ++counters_.renewed;
  renewals_.erase(peer);
  log_(fmt::format("pair: certificate for {} renewed, serial {}", peer, tls::describe_certificate(chain->front().get()).serial));
}

}  // namespace sallyport::node
