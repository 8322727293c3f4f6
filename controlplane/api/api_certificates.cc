// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_certificates.h"

#include <openssl/x509.h>

#include <boost/json.hpp>
#include <ctime>
#include <map>

#include "controlplane/api/api_body.h"
#include "controlplane/api/api_json.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/certificates/key_maker.h"
#include "controlplane/config/fqdn.h"
#include "controlplane/config/utc.h"

namespace sallyport::api {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
namespace certs = sallyport::certificates;
using config::utc;

constexpr std::size_t default_limit = 1000;
constexpr std::size_t most_probed_ports = 4;  // each may take ten seconds, and the interface waits for a minute

ApiAnswer answer_text(std::string text) { return {200, "text/plain; charset=utf-8", std::move(text)}; }

json::array texts(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

json::object of(const tls::PeerCertificate& said) {
  json::array names;
  for (const tls::CertificateName& name : said.names) names.emplace_back(certs::text_of(name));
  return {{"subject", said.subject}, {"issuer", said.issuer}, {"serial", said.serial}, {"fingerprint_sha256", said.fingerprint_sha256}, {"not_before", utc(said.not_before_s)}, {"not_after", utc(said.not_after_s)},
          {"names", std::move(names)}, {"server_auth", said.allows_server_auth}, {"client_auth", said.allows_client_auth}};
}

json::object of(const certs::StoredCertificate& stored) {
  return {{"slot", stored.slot.text()}, {"family", tls::name_of(stored.family)}, {"key", stored.key}, {"serial", stored.serial}, {"names", texts(stored.held->names())}, {"not_before", utc(stored.not_before_s)},
          {"not_after", utc(stored.not_after_s)}, {"days_left", (stored.not_after_s - std::time(nullptr)) / 86400}, {"origin", stored.origin}, {"installed", utc(stored.installed_s)}, {"chain_complete", stored.is_complete},
          {"client_auth", stored.allows_client_auth}, {"source", "store"}};
}

json::object of(const certs::StoredRequest& request) {
  json::object value{{"slot", request.slot.text()}, {"key", request.key}, {"digest", request.digest}, {"made", utc(request.made_s)}, {"made_on", request.made_on}};
  if (const auto facts = certs::read_request(request.pem, "request")) {
    json::array names;
    for (const tls::CertificateName& name : facts->names) names.emplace_back(certs::text_of(name));
    value["names"] = std::move(names);
    value["subject"] = facts->subject;
    value["client_auth"] = facts->client_auth;
  }
  return value;
}

json::object of(const certs::TrustedAuthority& authority) {
  json::object value = of(authority.description);
  value["purpose"] = certs::name_of(authority.purpose);
  value["key_sha256"] = authority.key_digest;
  value["self_signed"] = authority.description.subject == authority.description.issuer;
  value["added"] = utc(authority.added_s);
  value["source"] = "store";
  return value;
}

json::object of(const RevocationView& view) {
  json::object value{{"state", view.state}, {"source", view.source}, {"url", view.url}, {"text", view.text}, {"told", view.told}, {"valid_until", view.valid_until}, {"revoked_at", view.revoked_at}, {"reason", view.reason},
                     {"next_check", view.next_check}, {"staple_until", view.staple_until}, {"must_staple", view.must_staple}, {"problem", view.problem}};
  if (view.staple_age_s) value["staple_age_s"] = *view.staple_age_s;
  return value;
}

// Adds what is known of revocation to the certificates of a list; null where a certificate names nobody who tells.
void add_revocation(json::array& list, const std::vector<RevocationView>& views) {
  std::map<std::pair<std::string, std::string>, const RevocationView*> known;
  for (const RevocationView& view : views) known[{view.slot, view.serial}] = &view;
  for (json::value& each : list) {
    json::object& value = each.get_object();
    const auto found = known.find({std::string(value["slot"].get_string()), std::string(value["serial"].get_string())});
    value["revocation"] = found == known.end() ? json::value(nullptr) : json::value(of(*found->second));
  }
}

Outcome<tls::KeyFamily> family_from(const std::string& name) {
  if (name == "rsa") return tls::KeyFamily::rsa;
  if (name == "ecdsa") return tls::KeyFamily::ecdsa;
  return Fault{FaultCode::invalid, "key family \"" + name.substr(0, 32) + "\"", "is none", "give rsa or ecdsa"};
}

// "DNS:a.example", "IP:192.0.2.1", "XMPPAddress:a.example", "SRVName:_xmpp.a.example", or a plain host name or address.
Outcome<tls::CertificateName> name_from(std::string_view text) {
  const std::pair<std::string_view, tls::NameKind> kinds[] = {{"DNS:", tls::NameKind::dns}, {"IP:", tls::NameKind::ip}, {"XMPPAddress:", tls::NameKind::xmpp_address}, {"SRVName:", tls::NameKind::srv}, {"URI:", tls::NameKind::uri}};
  tls::CertificateName name{config::is_ip_literal(text) ? tls::NameKind::ip : tls::NameKind::dns, std::string(text)};
  for (const auto& [prefix, kind] : kinds)
    if (text.starts_with(prefix)) name = {kind, std::string(text.substr(prefix.size()))};
  if (name.kind == tls::NameKind::ip) return name;
  if (name.kind != tls::NameKind::dns) return name;
  const bool is_wildcard = name.value.starts_with("*.");
  auto domain = certs::domain_name(is_wildcard ? std::string_view(name.value).substr(2) : std::string_view(name.value));
  if (!domain) return domain.fault();
  name.value = (is_wildcard ? "*." : "") + *domain;
  return name;
}

CertificateAnswer show_one(const ApiRequest& request, ApiParts parts, const certs::Slot& slot) {
  const auto set = parts.vault.snapshot();
  const std::string form = parameter(request, "form"), wanted = parameter(request, "family");
  std::string pem, decoded;
  json::array list;
  for (const tls::KeyFamily family : {tls::KeyFamily::ecdsa, tls::KeyFamily::rsa}) {
    const certs::StoredCertificate* stored = set->find(slot, family);
    if (stored == nullptr || (!wanted.empty() && wanted != tls::name_of(family))) continue;
    const auto chain = parts.vault.chain(slot, family);
    if (!chain) co_return answer_fault(chain.fault());
    pem += certs::pem_of(*chain);
    for (const certs::CertificatePtr& certificate : *chain) decoded += certs::decoded_text(certificate.get());
    json::object value = of(*stored);
    json::array links;
    for (const certs::CertificatePtr& certificate : *chain) links.emplace_back(of(tls::describe_certificate(certificate.get())));
    value["chain"] = std::move(links);
    list.emplace_back(std::move(value));
  }
  if (list.empty()) co_return answer_fault({FaultCode::missing, "certificate slot " + slot.text(), "holds no such certificate", "see sallyport cert list"});
  if (form == "pem") co_return answer_text(std::move(pem));
  if (form == "decoded") co_return answer_text(std::move(decoded));
  std::vector<RevocationView> views = co_await parts.node.revocation();
  add_revocation(list, views);
  co_return answer_json(list);
}

}  // namespace

CertificateAnswer get_certificates(const ApiRequest& request, ApiParts parts) {
  const std::string wanted = parameter(request, "slot");
  if (!wanted.empty()) {
    auto slot = certs::Slot::parse(wanted);
    if (!slot) co_return answer_fault(slot.fault());
    ApiAnswer one = co_await show_one(request, parts, *slot);
    co_return one;
  }
  const auto set = parts.vault.snapshot();
  json::array list;
  // What the node file brings serves where the store has nothing.
  if (set->held(certs::SlotKind::server).empty()) {
    StatusView status = co_await parts.node.status();
    for (const CertificateView& view : status.certificates) list.push_back(json::object{{"slot", view.use}, {"subject", view.subject}, {"serial", view.serial}, {"names", texts(view.names)}, {"not_after", view.not_after}, {"origin", "node file"}, {"source", "file"}});
  }
  const std::size_t limit = number_parameter(request, "limit", default_limit);
  for (const certs::StoredCertificate& stored : set->certificates) {
    if (list.size() >= limit) break;
    list.emplace_back(of(stored));
  }
  std::vector<RevocationView> views = co_await parts.node.revocation();
  add_revocation(list, views);
  co_return answer_json(list);
}

CertificateAnswer post_certificate_check(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"slot"});
  if (!body) co_return answer_fault(body.fault());
  std::string slot = body->text("slot");
  const auto begun = co_await parts.node.check_revocation(slot);
  if (!begun) co_return answer_fault(begun.fault());
  co_return answer_json(json::object{{"slot", slot}, {"asked", true}}, 202);
}

CertificateAnswer post_certificate(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"slot", "certificate", "key", "passphrase", "file", "dry_run"});
  if (!body) co_return answer_fault(body.fault());
  auto slot = certs::Slot::parse(body->text("slot"));
  if (!slot) co_return answer_fault(slot.fault());
  const std::string certificate = body->text("certificate"), file = body->text("file");
  const store::Secret key(body->text("key")), passphrase(body->text("passphrase"));
  certs::InstallWish wish;
  wish.slot = *slot;
  wish.upload = {certificate, key.reveal(), passphrase.is_empty() ? nullptr : &passphrase, file.empty() ? "certificate for " + slot->text() : file};
  wish.dry_run = body->flag("dry_run");
  auto installed = parts.vault.install(wish, request.actor + " by certificate upload");
  if (!installed) {
    parts.log.warn("certificate_refused", request.actor + ": " + installed.fault().text());
    co_return answer_fault(installed.fault());
  }
  json::object value = of(installed->verdict.description);
  value["slot"] = slot->text();
  value["family"] = tls::name_of(installed->verdict.family);
  value["key"] = certs::key_text(installed->verdict.key.get());
  value["warnings"] = texts(installed->verdict.warnings);
  value["replaces"] = installed->replaced;
  value["installed"] = !wish.dry_run;
  value["effect_on_connections"] = "none: it serves the next handshake";
  value["revision"] = installed->revision;
  if (!wish.dry_run) parts.log.info("certificate_installed", request.actor + ": " + installed->verdict.description.serial + " for " + slot->text());
  co_return answer_json(value);
}

CertificateAnswer delete_certificate(const ApiRequest& request, ApiParts parts) {
  auto slot = certs::Slot::parse(parameter(request, "slot"));
  if (!slot) co_return answer_fault(slot.fault());
  std::optional<tls::KeyFamily> family;
  if (const std::string name = parameter(request, "family"); !name.empty()) {
    auto parsed = family_from(name);
    if (!parsed) co_return answer_fault(parsed.fault());
    family = *parsed;
  }
  if (const auto removed = parts.vault.remove(*slot, family, request.actor); !removed) co_return answer_fault(removed.fault());
  parts.log.info("certificate_deleted", request.actor + ": of " + slot->text());
  co_return answer_json(json::object{{"deleted", slot->text()}});
}

CertificateAnswer get_refusals(const ApiRequest&, ApiParts parts) {
  json::array list;
  for (const RefusedNameView& each : co_await parts.node.refused_names())
    list.push_back(json::object{{"name", each.name}, {"times", each.times}, {"sources", each.sources}, {"alert", each.alert}, {"text", each.text}, {"source", each.source}, {"at", each.at}});
  co_return answer_json(list);
}

CertificateAnswer get_explanation(const ApiRequest& request, ApiParts parts) {
  const std::string port_text = parameter(request, "port");
  const std::size_t port = number_parameter(request, "port", port_text.empty() ? 0 : 65536);
  if (port > 65535 || (port == 0 && !port_text.empty())) co_return answer_fault({FaultCode::invalid, "port \"" + port_text.substr(0, 32) + "\"", "is none", "give 1 to 65535"});
  std::string sni = parameter(request, "sni");
  auto explained = co_await parts.node.explain_sni(std::move(sni), static_cast<std::uint16_t>(port));
  if (!explained) co_return answer_fault(explained.fault());
  json::array served;
  for (const std::string& label : explained->served) served.emplace_back(label);
  co_return answer_json(json::object{{"sni", explained->sni}, {"listener", explained->listener}, {"match", explained->match}, {"served", std::move(served)}, {"text", explained->text}, {"revocation", texts(explained->revocation)}});
}

CertificateAnswer get_requests(const ApiRequest& request, ApiParts parts) {
  const auto set = parts.vault.snapshot();
  const std::string wanted = parameter(request, "slot"), form = parameter(request, "form");
  if (wanted.empty()) {
    json::array list;
    for (const certs::StoredRequest& open : set->requests) list.emplace_back(of(open));
    co_return answer_json(list);
  }
  auto slot = certs::Slot::parse(wanted);
  if (!slot) co_return answer_fault(slot.fault());
  const certs::StoredRequest* open = set->find_request(*slot);
  if (open == nullptr) co_return answer_fault({FaultCode::missing, "request for " + slot->text(), "there is none", "make one: sallyport cert request " + slot->text()});
  if (form == "decoded") co_return answer_text(certs::decoded_request(open->pem));
  if (form == "pem") co_return answer_text(open->pem);
  co_return answer_json(of(*open));
}

CertificateAnswer post_request(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"slot", "key", "digest", "names", "common_name", "organization", "unit", "locality", "state", "country", "preview"});
  if (!body) co_return answer_fault(body.fault());
  auto slot = certs::Slot::parse(body->text("slot"));
  if (!slot) co_return answer_fault(slot.fault());
  certs::RequestWish wish;
  const std::string key_name = body->text("key"), digest_name = body->text("digest");
  const auto kind = certs::key_kind_from(key_name.empty() ? "rsa-2048" : key_name);
  if (!kind) co_return answer_fault({FaultCode::invalid, "key \"" + key_name.substr(0, 32) + "\"", "is of no known kind", "give rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384"});
  wish.key = *kind;
  const auto digest = certs::digest_from(digest_name.empty() ? "sha256" : digest_name);
  if (!digest) co_return answer_fault({FaultCode::invalid, "digest \"" + digest_name.substr(0, 32) + "\"", "is none", "give sha256, sha384 or sha512"});
  wish.digest = *digest;
  wish.subject = {body->text("common_name"), body->text("organization"), body->text("unit"), body->text("locality"), body->text("state"), body->text("country")};
  std::vector<NeededNameView> needed = co_await parts.node.needed_names(slot->text());
  json::array reasons;
  std::vector<std::string> texts_wanted = body->texts("names");
  for (const NeededNameView& each : needed) {
    reasons.push_back(json::object{{"name", each.name}, {"reason", each.reason}});
    if (each.name.empty()) co_return answer_fault({FaultCode::refused, "request for " + slot->text(), each.reason, "correct it, then make the request"});
  }
  std::vector<std::string> all;
  for (const NeededNameView& each : needed) all.push_back(each.name);
  for (std::string& text : texts_wanted) {
    reasons.push_back(json::object{{"name", text}, {"reason", "asked for"}});
    all.push_back(std::move(text));
  }
  for (const std::string& text : all) {
    auto name = name_from(text);
    if (!name) co_return answer_fault(name.fault());
    if (std::find(wish.names.begin(), wish.names.end(), *name) == wish.names.end()) wish.names.push_back(std::move(*name));
  }
  if (wish.subject.common_name.empty() && !wish.names.empty()) wish.subject.common_name = wish.names.front().value.substr(0, 64);
  wish.server_auth = slot->kind != certs::SlotKind::client;
  // A08; in two-store mode only what is shown as a client needs it, and public authorities no longer grant it.
  wish.client_auth = slot->kind == certs::SlotKind::client || (slot->kind == certs::SlotKind::server && parts.vault.snapshot()->mode == certs::StoreMode::single_store);
  if (body->flag("preview")) {
    json::array names;
    for (const tls::CertificateName& name : wish.names) names.emplace_back(certs::text_of(name));
    co_return answer_json(json::object{{"slot", slot->text()}, {"names", std::move(names)}, {"reasons", std::move(reasons)}, {"client_auth", wish.client_auth}, {"server_auth", wish.server_auth}});
  }
  if (const auto* open = parts.vault.snapshot()->find_request(*slot)) {
    co_return answer_fault({FaultCode::conflict, "request for " + slot->text(), "one is open already, made on " + open->made_on, "upload its certificate, or discard it first: sallyport cert discard " + slot->text()});
  }
  Outcome<certs::KeyPtr> key = co_await certs::make_key_aside(wish.key);
  if (!key) co_return answer_fault(key.fault());
  auto made = parts.vault.request(*slot, wish, *key, request.actor);
  if (!made) co_return answer_fault(made.fault());
  parts.log.info("request_made", request.actor + ": for " + slot->text());
  json::object value = of(*made);
  value["pem"] = made->pem;
  value["reasons"] = std::move(reasons);
  co_return answer_json(value, 201);
}

CertificateAnswer delete_request(const ApiRequest& request, ApiParts parts) {
  auto slot = certs::Slot::parse(parameter(request, "slot"));
  if (!slot) co_return answer_fault(slot.fault());
  if (const auto discarded = parts.vault.discard_request(*slot, request.actor); !discarded) co_return answer_fault(discarded.fault());
  parts.log.info("request_discarded", request.actor + ": for " + slot->text());
  co_return answer_json(json::object{{"discarded", slot->text()}});
}

CertificateAnswer get_domains(const ApiRequest& request, ApiParts parts) {
  std::vector<AcmeView> kept = co_await parts.node.acme();
  const auto set = parts.vault.snapshot();
  const std::size_t limit = number_parameter(request, "limit", default_limit);
  json::array list;
  for (const std::string& name : set->domains) {
    if (list.size() >= limit) break;
    const certs::Slot slot = certs::Slot::of_domain(name);
    json::array held;
    std::int64_t ends_s = 0;
    for (const tls::KeyFamily family : {tls::KeyFamily::rsa, tls::KeyFamily::ecdsa}) {
      const certs::StoredCertificate* stored = set->find(slot, family);
      if (stored == nullptr) continue;
      held.push_back(json::object{{"key", stored->key}, {"serial", stored->serial}, {"not_after", utc(stored->not_after_s)}, {"origin", stored->origin}});
      ends_s = ends_s == 0 ? stored->not_after_s : std::min(ends_s, stored->not_after_s);
    }
    const std::string slot_text = slot.text();
    const auto by_acme = std::find_if(kept.begin(), kept.end(), [&](const AcmeView& view) { return view.slot == slot_text; });
    list.push_back(json::object{{"name", name}, {"certificates", std::move(held)}, {"acme", by_acme == kept.end() ? "off" : by_acme->text}, {"request_open", set->find_request(slot) != nullptr}, {"not_after", ends_s == 0 ? "" : utc(ends_s)}});
  }
  co_return answer_json(list);
}

CertificateAnswer post_domain(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name"});
  if (!body) co_return answer_fault(body.fault());
  auto added = parts.vault.add_domain(body->text("name"), request.actor);
  if (!added) co_return answer_fault(added.fault());
  parts.log.info("domain_created", request.actor + ": " + *added);
  co_return answer_json(json::object{{"name", *added}}, 201);
}

CertificateAnswer delete_domain(const ApiRequest& request, ApiParts parts) {
  const std::string name = parameter(request, "name");
  if (const auto removed = parts.vault.remove_domain(name, request.actor); !removed) co_return answer_fault(removed.fault());
  parts.log.info("domain_deleted", request.actor + ": " + name);
  co_return answer_json(json::object{{"deleted", name}});
}

CertificateAnswer get_trust(const ApiRequest& request, ApiParts parts) {
  const std::string purpose = parameter(request, "purpose");
  const auto set = parts.vault.snapshot();
  json::array list;
  for (const certs::TrustedAuthority& authority : set->trust)
    if (purpose.empty() || purpose == certs::name_of(authority.purpose)) list.emplace_back(of(authority));
  std::vector<TrustFileView> files = co_await parts.node.trust_files();
  for (const TrustFileView& file : files)
    if (purpose.empty() || purpose == file.purpose) list.push_back(json::object{{"purpose", file.purpose}, {"subject", file.subject}, {"serial", file.serial}, {"not_after", file.not_after}, {"fingerprint_sha256", file.fingerprint}, {"source", file.file}});
  co_return answer_json(list);
}

CertificateAnswer post_trust(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"purpose", "certificates", "file"});
  if (!body) co_return answer_fault(body.fault());
  const auto purpose = certs::trust_purpose_from(body->text("purpose"));
  if (!purpose) co_return answer_fault({FaultCode::invalid, "trust purpose \"" + body->text("purpose").substr(0, 32) + "\"", "is none", "give one of " + certs::trust_purpose_list()});
  const std::string pem = body->text("certificates"), file = body->text("file");
  auto changed = parts.vault.add_trust(*purpose, pem, file.empty() ? "trusted certificates" : file, request.actor);
  if (!changed) {
    parts.log.warn("trust_refused", request.actor + ": " + changed.fault().text());
    co_return answer_fault(changed.fault());
  }
  json::array added, present;
  for (const tls::PeerCertificate& each : changed->added) added.emplace_back(of(each));
  for (const tls::PeerCertificate& each : changed->present) present.emplace_back(of(each));
  parts.log.info("trust_added", request.actor + ": " + std::to_string(changed->added.size()) + " for " + certs::name_of(*purpose));
  co_return answer_json(json::object{{"purpose", certs::name_of(*purpose)}, {"added", std::move(added)}, {"present", std::move(present)}}, 201);
}

// With preview=1 nothing is removed, and what would break is told.
CertificateAnswer delete_trust(const ApiRequest& request, ApiParts parts) {
  const auto purpose = certs::trust_purpose_from(parameter(request, "purpose"));
  if (!purpose) co_return answer_fault({FaultCode::invalid, "trust purpose \"" + parameter(request, "purpose").substr(0, 32) + "\"", "is none", "give one of " + certs::trust_purpose_list()});
  const std::string fingerprint = parameter(request, "fingerprint");
  auto wanted = parts.vault.find_trust(*purpose, fingerprint);
  if (!wanted) co_return answer_fault(wanted.fault());
  std::vector<std::string> broken = co_await parts.node.depends_on_authority(certs::name_of(*purpose), wanted->description.fingerprint_sha256);
  json::object value = of(*wanted);
  value["would_break"] = texts(broken);
  if (is_set(request, "preview")) co_return answer_json(value);
  auto changed = parts.vault.remove_trust(*purpose, fingerprint, request.actor);
  if (!changed) co_return answer_fault(changed.fault());
  parts.log.info("trust_removed", request.actor + ": \"" + wanted->description.subject + "\" for " + certs::name_of(*purpose));
  value["removed"] = true;
  co_return answer_json(value);
}

// B03, B05: of two self-signed certificates with one name only one would be found by those who look for it by name.
void compare_self_signed(std::vector<std::pair<std::uint16_t, ProbedView>>& probed) {
  for (std::size_t one = 0; one < probed.size(); ++one) {
    for (std::size_t other = 0; other < one; ++other) {
      const ProbedCertificateView &a = probed[one].second.chain.front(), &b = probed[other].second.chain.front();
      if (!a.is_self_signed || !b.is_self_signed || a.subject != b.subject || a.fingerprint == b.fingerprint) continue;
      probed[one].second.findings.push_back("the certificates on ports " + std::to_string(probed[other].first) + " (serial " + b.serial + ") and " + std::to_string(probed[one].first) + " (serial " + a.serial +
                                            ") are both self-signed and have one subject, " + a.subject + "; give them different names, or have an authority sign them");
    }
  }
}

CertificateAnswer post_trust_probe(const ApiRequest& request, ApiParts parts) {
  const auto body = ApiBody::read(request, {"host", "ports", "purpose"});
  if (!body) co_return answer_fault(body.fault());
  const auto ports = body->ports("ports", most_probed_ports);
  if (!ports) co_return answer_fault(ports.fault());
  const std::string host = body->text("host");
  if (host.empty() || host.size() > 253 || ports->empty()) co_return answer_fault({FaultCode::invalid, request.path, "needs a host and a list of ports", "give both"});
  json::array answers;
  std::vector<std::pair<std::uint16_t, ProbedView>> probed;
  for (const std::uint16_t port : *ports) {
    std::string dialled = host, purpose = body->text("purpose");
    auto view = co_await parts.node.probe_certificate(std::move(dialled), port, std::move(purpose));
    if (view) probed.emplace_back(port, std::move(*view));
    else answers.emplace_back(json::object{{"port", port}, {"error", view.fault().text()}});
  }
  compare_self_signed(probed);
  for (const auto& [port, view] : probed) {
    json::value value = to_json(view);
    value.get_object()["port"] = port;
    answers.push_back(std::move(value));
  }
  parts.log.info("trust_probe", request.actor + ": " + host);
  co_return answer_json(answers, probed.empty() ? 502 : 200);
}

CertificateAnswer get_acme(const ApiRequest&, ApiParts parts) {
  std::vector<AcmeView> views = co_await parts.node.acme();
  const auto config = parts.acme.snapshot();
  json::array slots, authorities;
  for (const AcmeView& view : views) {
    slots.push_back(json::object{{"slot", view.slot}, {"state", view.state}, {"text", view.text}, {"authority", view.authority}, {"valid_until", view.valid_until}, {"next_attempt", view.next_attempt}, {"failures", view.failures}});
  }
  for (const certs::AcmeAuthority& each : config->authorities) {
    authorities.push_back(json::object{{"name", each.name}, {"directory_url", each.directory_url}, {"contacts", texts(each.contacts)}, {"ca_file", each.ca_file}, {"preferred_root", each.preferred_root}, {"profile", each.profile},
                                       {"external_key_id", each.external_key_id}, {"agrees_to_terms", each.agrees_to_terms}, {"account_url", each.account_url}});
  }
  json::object settings{{"challenge", config->challenge}, {"key", certs::name_of(config->key)}, {"dns_server", config->dns_server}, {"dns_key_name", config->dns_key_name}, {"dns_algorithm", config->dns_algorithm}, {"dns_zone", config->dns_zone}, {"dns_alias", config->dns_alias}, {"dns_check_servers", config->dns_check_servers}, {"dns_hook", config->dns_hook}};
  co_return answer_json(json::object{{"slots", std::move(slots)}, {"authorities", std::move(authorities)}, {"settings", std::move(settings)}});
}

CertificateAnswer post_acme_authority(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "directory_url", "contacts", "ca_file", "preferred_root", "profile", "agrees_to_terms", "external_key_id", "external_hmac_key"});
  if (!body) co_return answer_fault(body.fault());
  certs::AcmeAuthority authority{body->text("name"), body->text("directory_url"), body->texts("contacts"), body->text("ca_file"), body->text("preferred_root"), body->text("profile"), body->text("external_key_id"), body->flag("agrees_to_terms"), ""};
  const store::Secret hmac_key(body->text("external_hmac_key"));
  if (const auto done = parts.acme.put_authority(authority, hmac_key, request.actor); !done) co_return answer_fault(done.fault());
  parts.log.info("acme_changed", request.actor + ": authority " + authority.name);
  co_return answer_json(json::object{{"name", authority.name}}, 201);
}

CertificateAnswer delete_acme_authority(const ApiRequest& request, ApiParts parts) {
  const std::string name = parameter(request, "name");
  if (const auto done = parts.acme.remove_authority(name, request.actor); !done) co_return answer_fault(done.fault());
  parts.log.info("acme_changed", request.actor + ": authority " + name + " deleted");
  co_return answer_json(json::object{{"deleted", name}});
}

CertificateAnswer post_acme_setting(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "value"});
  if (!body) co_return answer_fault(body.fault());
  // Who administers over the network does not choose which program of the machine is run.
  if (!request.is_local && body->text("name") == "dns_hook") co_return answer_fault({FaultCode::refused, "ACME setting dns_hook", "names a program, which cannot be done over HTTPS", "use sallyport acme set on the node itself"});
  if (const auto done = parts.acme.set(body->text("name"), body->text("value"), request.actor); !done) co_return answer_fault(done.fault());
  parts.log.info("acme_changed", request.actor + ": setting " + body->text("name"));
  ApiAnswer shown = co_await get_acme(request, parts);
  co_return shown;
}

CertificateAnswer post_acme_slot(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"slot", "on"});
  if (!body) co_return answer_fault(body.fault());
  auto slot = certs::Slot::parse(body->text("slot"));
  if (!slot) co_return answer_fault(slot.fault());
  if (const auto done = parts.acme.turn(*slot, body->flag("on"), request.actor); !done) co_return answer_fault(done.fault());
  parts.log.info("acme_changed", request.actor + ": " + slot->text() + (body->flag("on") ? " on" : " off"));
  ApiAnswer shown = co_await get_acme(request, parts);
  co_return shown;
}

CertificateAnswer post_acme_key(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"authority"});
  if (!body) co_return answer_fault(body.fault());
  std::string name = body->text("authority");
  const auto changed = co_await parts.node.change_acme_key(name);
  if (!changed) co_return answer_fault(changed.fault());
  parts.log.info("acme_changed", request.actor + ": account key at " + name);
  co_return answer_json(json::object{{"authority", name}, {"changed", true}});
}

CertificateAnswer post_acme_renewal(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"slot"});
  if (!body) co_return answer_fault(body.fault());
  std::string slot = body->text("slot");
  const auto begun = co_await parts.node.renew_by_acme(slot);
  if (!begun) co_return answer_fault(begun.fault());
  co_return answer_json(json::object{{"slot", slot}, {"ordered", true}}, 202);
}

CertificateAnswer post_backup(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"passphrase"});
  if (!body) co_return answer_fault(body.fault());
  std::string passphrase = body->text("passphrase");
  auto made = co_await parts.node.backup(std::move(passphrase));
  if (!made) co_return answer_fault(made.fault());
  parts.log.info("backup", request.actor + ": " + std::to_string(made->size()) + " bytes");
  co_return ApiAnswer{200, "application/octet-stream", std::move(*made)};
}

CertificateAnswer get_certificate_settings(const ApiRequest&, ApiParts parts) {
  const auto set = parts.vault.snapshot();
  co_return answer_json(json::object{{"mode", certs::name_of(set->mode)}, {"duplicate_self_signed_cn", set->allow_duplicate_self_signed ? "allow" : "refuse"}, {"weak_keys", set->allow_weak_keys ? "allow" : "refuse"}});
}

CertificateAnswer post_certificate_setting(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "value"});
  if (!body) co_return answer_fault(body.fault());
  if (const auto done = parts.vault.set(body->text("name"), body->text("value"), request.actor); !done) co_return answer_fault(done.fault());
  parts.log.info("certificate_setting", request.actor + ": " + body->text("name") + " = " + body->text("value"));
  ApiAnswer settings = co_await get_certificate_settings(request, parts);
  co_return settings;
}

}  // namespace sallyport::api
