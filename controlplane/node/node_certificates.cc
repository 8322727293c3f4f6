// SPDX-License-Identifier: Apache-2.0
// What the administration interface asks of a node about certificates: what is served and why, what is needed, what depends on whom.
#include <fmt/format.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>

#include "controlplane/certificates/needed_names.h"
#include "controlplane/config/fqdn.h"
#include "controlplane/config/utc.h"
#include "controlplane/node/certificate_probe.h"
#include "controlplane/node/discovery_test.h"
#include "controlplane/node/node_facts.h"

namespace sallyport::node {

using namespace api;
using config::utc;

namespace {

const char* name_of(tls::CredentialSnapshot::Match match) {
  switch (match) {
    case tls::CredentialSnapshot::Match::exact: return "exact";
    case tls::CredentialSnapshot::Match::wildcard: return "wildcard";
    case tls::CredentialSnapshot::Match::platform: return "platform";
    case tls::CredentialSnapshot::Match::none: break;
  }
  return "none";
}

const char* reason_of(tls::CredentialSnapshot::Match match) {
  switch (match) {
    case tls::CredentialSnapshot::Match::exact: return "a name of its SAN is the name asked for";
    case tls::CredentialSnapshot::Match::wildcard: return "a wildcard of its SAN covers the name asked for";
    case tls::CredentialSnapshot::Match::platform: return "no other certificate has the name, so the platform's is shown";
    case tls::CredentialSnapshot::Match::none: break;
  }
  return "no certificate has the name and there is no platform certificate: the handshake is refused";
}

}  // namespace

certificates::NameFacts Node::name_facts() const {
  const auto site = store_->snapshot();
  certificates::NameFacts facts{.role = config_.node.role, .node_fqdn = config_.node.fqdn, .features = site->unified};
  facts.features.chat_node_aliases = chat_node_aliases();
  if (multiplex_server_ == nullptr) return facts;
  // B14, B28, B35: what is changed on C is needed here too; C told it over the link.
  // Of all C nodes together not more than one certificate can carry.
  const auto add = [](std::vector<std::string>& list, const std::vector<std::string>& told) {
    for (const std::string& name : told) {
      if (list.size() >= certificates::max_certificate_names) return;
      if (config::is_fqdn(name) && std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
    }
  };
  for (const auto& [zone, told] : multiplex_server_->facts()) {
    add(facts.features.registration_domains, told.registration_domains);
    add(facts.features.federation_domains, told.federation_domains);
    add(facts.features.chat_node_aliases, told.chat_node_aliases);
  }
  return facts;
}

// What the vault holds is in it; here is what serves from files beside it.
std::vector<ServedFile> Node::served_files() const {
  std::vector<ServedFile> files;
  const auto set = vault_->snapshot();
  const auto add = [&](const char* slot, const tls::CredentialStore& store) {
    const tls::ServedCredential served = store.snapshot()->platform();
    const bool is_known = served && std::any_of(files.begin(), files.end(), [&](const ServedFile& other) { return X509_cmp(other.credential->certificate.get(), served->certificate.get()) == 0; });
    if (served && !is_known) files.push_back({slot, served.first});
  };
  if (set->held(certificates::SlotKind::server).empty()) add("server", *credentials_.listeners());
  const bool is_zone_stored = !set->held(certificates::SlotKind::client).empty() || (!set->held(certificates::SlotKind::server).empty() && config_.tls.client_certificate.empty());
  if (!config_.is_e() && !is_zone_stored) add("client", *credentials_.zone());
  return files;
}

std::vector<std::shared_ptr<X509>> Node::known_authorities() const {
  std::vector<std::shared_ptr<X509>> list = vault_->snapshot()->authorities();
  for (const tls::CredentialStore* store : {credentials_.listeners().get(), credentials_.call_control().get()}) {
    const auto snapshot = store->snapshot();
    const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> all(X509_STORE_get1_all_certs(snapshot->trust()), [](STACK_OF(X509)* certificates) { sk_X509_free(certificates); });
    for (int at = 0; all != nullptr && at < sk_X509_num(all.get()); ++at) list.emplace_back(sk_X509_value(all.get(), at), &X509_free);
  }
  return list;
}

void Node::on_client_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure) {
  // C08. Anyone can open connections that fail otherwise: those are counters only. The kind is one of its own, so that a flood of these does
  // not use up what the log grants to changes of certificates.
  if (!refused_names_.note(source, failure, std::time(nullptr))) return;
  log_(fmt::format("tls_refused: client {} asked for {} and refused what it was shown: {}; {}", source.text(), failure.sni.empty() ? "no name" : failure.sni, failure.text, failure.remedy));
}

// One for each node, whatever the number of connections.
std::vector<certificates::ClockSkew> Node::clock_skews() const {
  std::vector<certificates::ClockSkew> list;
  const auto add = [&](const std::string& node, const zones::PeerStatus& status) {
    const bool is_there = std::any_of(list.begin(), list.end(), [&](const certificates::ClockSkew& each) { return each.node == node; });
    if (status.state == zones::PeerState::active && !node.empty() && !is_there) list.push_back({node, status.clock_skew_s});
  };
  for (const auto& client : multiplex_clients_) add(client->settings().peer, client->status());
  if (multiplex_server_ != nullptr)
    for (const zones::MultiplexPeer& peer : multiplex_server_->peers()) add(peer.facts.fqdn, peer.status);
  return list;
}

std::vector<certificates::CertificateAlarm> Node::certificate_alarms() const {
  certificates::WatchInput input;
  input.now_s = std::time(nullptr);
  const auto set = vault_->snapshot();
  for (const certificates::StoredCertificate& stored : set->certificates) {
    // There may be ten thousand, and status is asked often.
    if (certificates::has_validity_to_watch(stored.not_before_s, stored.not_after_s, input.now_s)) input.serving.push_back({stored.slot.text(), stored.serial, stored.not_before_s, stored.not_after_s});
    input.newest_installed_s = std::max(input.newest_installed_s, stored.installed_s);
    if (!stored.is_complete) input.incomplete.push_back(stored.slot.text());
    if (stored.held->failures() > 0 && !stored.held->is_loaded()) input.unreadable.push_back(stored.slot.text());
  }
  const auto snapshot = credentials_.listeners()->snapshot();
  const tls::ServedCredential platform = snapshot->platform();
  input.is_server_missing = !platform;
  for (const auto& credential : {platform.first, platform.second}) {
    if (credential == nullptr) continue;
    const tls::PeerCertificate said = tls::describe_certificate(credential->certificate.get());
    if (set->held(certificates::SlotKind::server).empty()) input.serving.push_back({"server", said.serial, said.not_before_s, said.not_after_s});
    const auto needed = certificates::needed_names({}, name_facts());
    if (!needed || !input.lacking.empty()) continue;
    input.lacking = certificates::missing_names(*needed, said);
    input.server_serial = said.serial;
  }
  // Strangers ask for anything; what counts is what lies in a domain that is ours.
  const std::vector<std::string> sip_domains = own_facts().sip_domains;
  const auto is_ours = [&](std::string_view domain) { return domain == config_.node.fqdn || set->has_domain(domain) || std::find(sip_domains.begin(), sip_domains.end(), domain) != sip_domains.end(); };
  for (const auto& [name, asked] : credentials_.listeners()->uncovered().list()) {
    // The name itself, then each parent.
    for (std::string_view domain = name; !domain.empty(); domain = domain.substr(std::min(domain.find('.'), domain.size() - 1) + 1)) {
      if (!is_ours(domain)) continue;
      input.uncovered.push_back({name, asked});
      break;
    }
  }
  revocation_keeper_->each([&](const RevocationStatus& status) {
    const auto add = [&](std::vector<certificates::RevocationNews>& list) { list.push_back({status.slot, status.serial, status.url(), status.finding.revoked_s, status.finding.reason, status.problem}); };
    if (status.finding.state == revocation::RevocationState::revoked) add(input.revoked);
    if (status.finding.state == revocation::RevocationState::unknown) add(input.unknown);
    if (revocation_keeper_->is_on() && status.is_lost(input.now_s)) add(input.unchecked);
    if (status.must_staple && staples_->find(status.fingerprint) == nullptr) add(input.without_staple);
  });
  for (const tls::RefusedName& each : refused_names_.list(input.now_s)) input.refused.push_back({each.name, each.sources, each.text, each.source.ip()});
  input.skews = clock_skews();
  std::vector<certificates::CertificateAlarm> alarms = certificates::watch_certificates(input);
  if (!credentials_fault_.empty()) alarms.push_back({"certificates_not_applied", "the latest change of certificates or trust is stored and not served, because " + credentials_fault_ + "; mend it, then reload (SIGHUP)", true});
  for (const auto& [slot, status] : acme_keeper_->status())
    if (status.state == acme::DomainState::failed) alarms.push_back({"acme_failed", slot.text() + ": " + status.text(), false});
  if (chat_node_keeper_ != nullptr) {
    for (const ChatNodeStatus& each : chat_node_keeper_->all())
      if (!each.problem.empty()) alarms.push_back({"chat_nodes_unknown", each.server + " does not tell which chat nodes it has, whose names certificates need: " + each.problem, false});
  }
  if (!onboarding_fault_.empty()) alarms.push_back({"onboarding_closed", "C onboards phones, but the port for them cannot be opened: " + onboarding_fault_, false});
  const std::vector<certificates::CertificateAlarm> of_pairs = pair_keeper_->alarms();
  alarms.insert(alarms.end(), of_pairs.begin(), of_pairs.end());
  return alarms;
}

NodeFacts::Awaitable<std::vector<RefusedNameView>> NodeFacts::refused_names() {
  std::vector<RefusedNameView> list;
  for (const tls::RefusedName& each : node_.refused_names().list(std::time(nullptr)))
    list.push_back({each.name, each.times, each.sources, each.alert, each.text, each.source.text(), utc(each.at_s)});
  co_return list;
}

NodeFacts::Awaitable<Outcome<ServedView>> NodeFacts::explain_sni(std::string sni, std::uint16_t port) {
  ServedView view;
  view.sni = std::move(sni);
  std::string ports;
  const auto look = [&](const tls::Listener* listener, const std::string& name) {
    if (listener == nullptr) return;
    ports += (ports.empty() ? "" : ", ") + std::to_string(listener->address().port());
    if (view.listener.empty() && (port == 0 || listener->address().port() == port)) view.listener = name + ", " + listener->address().text();
  };
  look(node_.client_listener(), "SIP over TLS, clients");
  const auto& zones = node_.zone_listeners();
  for (size_t number = 0; number < zones.size(); ++number) look(zones[number].get(), "traversal zone " + node_.zone_servers()[number]->settings().zone);
  look(node_.multiplex_listener(), "stream multiplex");
  look(node_.onboarding_listener(), "onboarding");
  look(administration, "administration");
  if (view.listener.empty() && (port != 0 || ports.empty())) {
    co_return Fault{FaultCode::missing, fmt::format("port {}", port), "no TLS listener of this node has it", ports.empty() ? "this node only dials" : "those are: " + ports};
  }
  const auto snapshot = node_.credentials().snapshot();
  const auto explanation = snapshot->explain(view.sni);
  view.match = name_of(explanation.match);
  for (const tls::HeldCredentialPtr& held : explanation.served) view.served.push_back(fmt::format("{} ({})", held->label(), tls::name_of(held->family())));
  view.text = fmt::format("{}: {}", view.served.empty() ? "nothing is served" : fmt::format("{} is served", fmt::join(view.served, " or ")), reason_of(explanation.match));
  if (view.served.size() > 1) view.text += "; the client's signature algorithms decide between them";
  for (const tls::HeldCredentialPtr& held : explanation.served) {
    const auto credential = held->get();
    const RevocationStatus* status = credential == nullptr ? nullptr : node_.revocation_keeper().find_by_fingerprint(tls::fingerprint_of(credential->certificate.get()));
    view.revocation.push_back(fmt::format("{} ({}): {}", held->label(), tls::name_of(held->family()), status == nullptr ? "names neither an OCSP responder nor a revocation list" : status->text(std::time(nullptr))));
  }
  co_return view;
}

NodeFacts::Awaitable<std::vector<NeededNameView>> NodeFacts::needed_names(std::string slot) {
  std::vector<NeededNameView> views;
  const auto parsed = certificates::Slot::parse(slot);
  if (!parsed) {
    views.push_back({"", parsed.fault().text()});
    co_return views;
  }
  const auto needed = certificates::needed_names(*parsed, node_.name_facts());
  if (!needed) {
    views.push_back({"", needed.fault().text()});
    co_return views;
  }
  for (const certificates::NeededName& each : needed->names) views.push_back({certificates::text_of(each.name), each.reason});
  co_return views;
}

NodeFacts::Awaitable<std::vector<TrustFileView>> NodeFacts::trust_files() {
  std::vector<TrustFileView> views;
  const auto set = node_.vault().snapshot();
  const auto add = [&](const char* purpose, const std::string& file, const tls::CredentialStore& store) {
    if (file.empty()) return;
    // Trust of the files comes first; behind it stands what the store has for the purpose.
    const auto snapshot = store.snapshot();
    for (const tls::PeerCertificate& said : snapshot->trusted()) {
      const bool is_stored = std::any_of(set->trust.begin(), set->trust.end(), [&](const certificates::TrustedAuthority& authority) {
        return authority.description.fingerprint_sha256 == said.fingerprint_sha256 && certificates::name_of(authority.purpose) == std::string_view(purpose);
      });
      if (!is_stored) views.push_back({purpose, file, said.subject, said.serial, utc(said.not_after_s), said.fingerprint_sha256});
    }
  };
  const config::TlsSection& files = node_.config().tls;
  add("traversal", files.ca_file, node_.credentials());
  if (!node_.config().is_e()) add("call_control", files.call_control_ca_file.empty() ? files.ca_file : files.call_control_ca_file, node_.call_control_credentials());
  co_return views;
}

NodeFacts::Awaitable<std::vector<AcmeView>> NodeFacts::acme() {
  std::vector<AcmeView> views;
  for (const auto& [slot, status] : node_.acme_keeper().status()) {
    views.push_back({slot.text(), acme::name_of(status.state), status.text(), status.authority, status.valid_until_s ? utc(*status.valid_until_s) : "", status.next_attempt_s ? utc(*status.next_attempt_s) : "", status.failures});
  }
  co_return views;
}

NodeFacts::Awaitable<Outcome<>> NodeFacts::renew_by_acme(std::string slot) {
  const auto parsed = certificates::Slot::parse(slot);
  if (!parsed) co_return parsed.fault();
  co_return node_.acme_keeper().renew_now(*parsed);
}

NodeFacts::Awaitable<Outcome<>> NodeFacts::change_acme_key(std::string authority) {
  auto changed = co_await node_.acme_keeper().change_account_key(std::move(authority));
  co_return changed;
}

NodeFacts::Awaitable<std::vector<RevocationView>> NodeFacts::revocation() {
  std::vector<RevocationView> views;
  const int64_t now_s = std::time(nullptr);
  const auto time = [](int64_t at_s) { return at_s == 0 ? std::string() : utc(at_s); };
  const bool is_on = node_.revocation_keeper().is_on();
  node_.revocation_keeper().each([&](const RevocationStatus& status) {
    RevocationView& view = views.emplace_back();
    view.slot = status.slot;
    view.serial = status.serial;
    view.state = revocation::name_of(status.finding.state);
    view.source = status.source();
    view.url = status.url();
    view.text = (is_on ? "" : "switched off; ") + status.text(now_s);
    view.problem = status.problem;
    view.told = time(status.finding.this_update_s);
    view.valid_until = time(status.finding.next_update_s);
    view.revoked_at = time(status.finding.revoked_s);
    view.reason = status.finding.reason;
    view.next_check = is_on && !status.url().empty() ? time(std::max(status.next_check_s, now_s)) : "";
    view.must_staple = status.must_staple;
    if (const tls::StaplePtr staple = node_.staples().find(status.fingerprint)) {
      view.staple_until = utc(staple->next_update_s);
      view.staple_age_s = static_cast<uint64_t>(std::max<int64_t>(now_s - staple->this_update_s, 0));
    }
  });
  co_return views;
}

NodeFacts::Awaitable<Outcome<>> NodeFacts::check_revocation(std::string slot) {
  const auto parsed = certificates::Slot::parse(slot);
  if (!parsed) co_return parsed.fault();
  co_return node_.revocation_keeper().check_now(parsed->text());
}

NodeFacts::Awaitable<Outcome<std::vector<DiscoveryView>>> NodeFacts::test_discovery(std::string domain) {
  auto views = co_await run_discovery_test(node_, std::move(domain));
  co_return views;
}

NodeFacts::Awaitable<Outcome<ProbedView>> NodeFacts::probe_certificate(std::string host, std::uint16_t port, std::string purpose) {
  auto view = co_await run_certificate_probe(node_, std::move(host), port, std::move(purpose));
  co_return view;
}

std::vector<std::string> Node::dependants_of(certificates::TrustPurpose purpose, const std::string& fingerprint) const {
  std::vector<std::string> list;
  if (purpose != certificates::TrustPurpose::traversal) return list;
  const auto add = [&](const std::string& what, const std::string& authority) {
    if (authority == fingerprint) list.push_back(what);
  };
  for (const auto& server : zone_servers_)
    for (const zones::PeerStatus& status : server->status()) add("zone " + server->settings().zone + ", peer " + status.peer, status.authority);
  for (const auto& client : zone_clients_) add("zone " + client->settings().zone + ", peer " + client->settings().peer, client->status().authority);
  return list;
}

NodeFacts::Awaitable<std::vector<std::string>> NodeFacts::depends_on_authority(std::string purpose, std::string fingerprint) {
  const auto known = certificates::trust_purpose_from(purpose);
  co_return known ? node_.dependants_of(*known, fingerprint) : std::vector<std::string>();
}

}  // namespace sallyport::node
