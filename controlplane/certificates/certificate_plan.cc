// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_plan.h"

#include <algorithm>

#include "controlplane/certificates/certificate_rules.h"
#include "controlplane/certificates/certificate_tables.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/config/utc.h"
#include "controlplane/store/toml_text.h"

namespace sallyport::certificates {
namespace {

using store::PlanAction;
using store::toml_literal;

constexpr std::size_t shown_fingerprint_digits = 16;

std::vector<std::pair<std::string, std::string>> settings_of(const CertificateSet& set) {
  return {{"mode", name_of(set.mode)}, {"duplicate_self_signed_cn", set.allow_duplicate_self_signed ? "allow" : "refuse"}, {"weak_keys", set.allow_weak_keys ? "allow" : "refuse"}};
}

std::vector<std::string> details_of(TrustPurpose purpose, const tls::PeerCertificate& said) {
  return {std::string("purpose: ") + name_of(purpose), "serial: " + said.serial, "fingerprint: " + said.fingerprint_sha256.substr(0, shown_fingerprint_digits)};
}

}  // namespace

CertificatePlan::CertificatePlan(const PlanNotes& notes, CertificateSet stored, Dependants dependants)
    : notes_(notes), draft_(notes.context.draft.certificates), stored_(std::move(stored)), dependants_(std::move(dependants)) {}

void CertificatePlan::run() {
  plan_settings();
  plan_domains();
  plan_trust();
}

void CertificatePlan::plan_settings() {
  const auto by_default = settings_of(CertificateSet{}), before = settings_of(stored_);
  std::vector<std::string> details;
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string& name = before[i].first;
    const auto given = draft_.settings.find(name);
    const std::string& value = values[name] = given == draft_.settings.end() ? by_default[i].second : given->second;
    if (value == before[i].second) continue;
    if (const Outcome<> fine = judge_certificate_setting(name, value); !fine) notes_.refuse(PlanNotes::place_of(draft_.places, name), "certificates." + name, fine.fault());
    PlanNotes::note(details, name, before[i].second, value);
    settings_.emplace_back(name, value);
  }
  planned_.mode = values["mode"] == "single" ? StoreMode::single_store : StoreMode::two_store;
  planned_.allow_duplicate_self_signed = values["duplicate_self_signed_cn"] == "allow";
  planned_.allow_weak_keys = values["weak_keys"] == "allow";
  const bool has_zones = !notes_.context.draft.zones.empty();
  const bool is_news = stored_.mode != planned_.mode || (has_zones && !notes_.context.had_zones);
  if (planned_.mode == StoreMode::single_store && is_news) {
    if (const Outcome<> fine = judge_single_store(stored_, has_zones); !fine) notes_.refuse(PlanNotes::place_of(draft_.places, "mode"), "certificates.mode", fine.fault());
  }
  if (!details.empty()) notes_.line(PlanAction::change, "certificates", "", std::move(details), "none: what is installed stays; the next certificate is judged so, and shown in the next handshake");
}

void CertificatePlan::plan_domains() {
  for (const store::PlacedText& each : draft_.domains) {
    const auto name = domain_name(each.text);
    if (!name) {
      notes_.refuse(each.place, "certificates.domains", name.fault());
    } else if (!domains_.insert(*name).second) {
      notes_.refuse(each.place, "certificates.domains", "\"" + *name + "\" is listed twice", "name it once", FaultCode::conflict);
    } else if (!stored_.has_domain(*name)) {
      new_domains_.push_back(*name);
      notes_.line(PlanAction::create, "domain", *name, {}, "none: clients that ask for it are shown the platform's certificate until it has one of its own");
    }
  }
  if (domains_.size() > max_domains) notes_.refuse(PlanNotes::place_of(draft_.places, "domains"), "certificates.domains", "there are " + std::to_string(domains_.size()) + ", at most " + std::to_string(max_domains) + " are taken", "remove some", FaultCode::exhausted);
  note_removed_domains();
}

// C13: the certificates and their keys go with the domain, and are in no document.
void CertificatePlan::note_removed_domains() {
  std::map<std::string, std::vector<std::string>> lost;
  std::set<std::string, std::less<>> with_certificate;
  for (const StoredCertificate& stored : stored_.certificates) {
    if (stored.slot.kind != SlotKind::domain) continue;
    with_certificate.insert(stored.slot.domain);
    lost[stored.slot.domain].push_back("its certificate " + stored.serial + " (" + stored.key + ", until " + config::utc(stored.not_after_s) + ") goes with its key");
  }
  for (const StoredRequest& request : stored_.requests)
    if (request.slot.kind == SlotKind::domain) lost[request.slot.domain].emplace_back("its open request goes with its key");
  for (const std::string& name : stored_.domains) {
    if (domains_.contains(name)) continue;
    old_domains_.push_back(name);
    const auto found = lost.find(name);
    notes_.line(PlanAction::remove, "domain", name, found == lost.end() ? std::vector<std::string>() : found->second,
                with_certificate.contains(name) ? "what is connected stays; from the next handshake on clients that ask for it are shown another certificate, the platform's as a rule, and refuse it unless it carries their name" : "none: it has no certificate of its own");
  }
}

void CertificatePlan::plan_trust() {
  for (const TrustedAuthority& authority : stored_.trust) stored_trust_[{authority.purpose, authority.description.fingerprint_sha256}] = &authority;
  for (const store::TrustDraft& draft : draft_.trust) plan_trust_section(draft);
  if (trusted_.size() > max_authorities) notes_.refuse({}, "trust", "there are " + std::to_string(trusted_.size()) + " trusted authorities, at most " + std::to_string(max_authorities) + " are taken", "remove those that are no longer needed", FaultCode::exhausted);
  note_removed_trust();
}

// Null: it was refused.
const std::string* CertificatePlan::text_of(const store::TrustDraft& draft, std::string& key) {
  if (draft.pem.empty() == draft.file.empty()) {
    notes_.refuse(PlanNotes::place_of(draft.places, ""), "trust", draft.pem.empty() ? "has neither pem nor file" : "has pem and file", "give one of them");
    return nullptr;
  }
  key = draft.file.empty() ? "trust.pem" : "trust.file";
  if (draft.file.empty()) return &draft.pem;
  const auto found = draft_.files.find(draft.file);
  if (found != draft_.files.end()) return &found->second;
  notes_.refuse(PlanNotes::place_of(draft.places, "file"), key, "\"" + draft.file + "\" did not come with the document", "apply it by `sallyport apply`, which reads files relative to the document's folder, or write the certificates as pem", FaultCode::missing);
  return nullptr;
}

void CertificatePlan::plan_trust_section(const store::TrustDraft& draft) {
  std::vector<TrustPurpose> purposes;
  for (const std::string& name : draft.purposes) {
    const auto purpose = trust_purpose_from(name);
    if (!purpose) notes_.refuse(PlanNotes::place_of(draft.places, "purpose"), "trust.purpose", "\"" + name.substr(0, 32) + "\" is none", "give one of " + trust_purpose_list());
    else purposes.push_back(*purpose);
  }
  if (draft.purposes.empty()) notes_.refuse(PlanNotes::place_of(draft.places, "purpose"), "trust.purpose", "is missing", "give one of " + trust_purpose_list());
  std::string key;
  const std::string* text = text_of(draft, key);
  if (text == nullptr) return;
  const store::Place place = PlanNotes::place_of(draft.places, key.substr(sizeof "trust." - 1));
  const std::string file = draft.file.empty() ? "pem" : draft.file;
  const auto certificates = read_certificates(*text, file, max_bundle_certificates);
  if (!certificates) return notes_.refuse(place, key, certificates.fault());
  for (std::size_t number = 0; number < certificates->size(); ++number)
    for (const TrustPurpose purpose : purposes) trust(purpose, (*certificates)[number], place, key, file + ": certificate " + std::to_string(number + 1));
}

void CertificatePlan::trust(TrustPurpose purpose, const CertificatePtr& certificate, store::Place place, const std::string& key, const std::string& subject) {
  tls::PeerCertificate said = tls::describe_certificate(certificate.get());
  // Bundles overlap.
  if (!trusted_.emplace(purpose, said.fingerprint_sha256).second) return;
  if (const auto stored = stored_trust_.find({purpose, said.fingerprint_sha256}); stored != stored_trust_.end()) {
    planned_.trust.push_back(*stored->second);
    return;
  }
  if (const Outcome<> fine = judge_trusted(planned_, purpose, certificate.get(), said, subject); !fine) return notes_.refuse(place, key, fine.fault());
  notes_.line(PlanAction::create, "trust", said.subject, details_of(purpose, said), "none: it vouches from the next handshake on");
  new_trust_.emplace_back(purpose, certificate);
  planned_.trust.push_back({purpose, certificate, std::move(said), authority_key_digest(certificate.get()), 0});
}

void CertificatePlan::note_removed_trust() {
  for (const TrustedAuthority& authority : stored_.trust) {
    if (trusted_.contains({authority.purpose, authority.description.fingerprint_sha256})) continue;
    old_trust_.push_back(&authority);
    notes_.line(PlanAction::remove, "trust", authority.description.subject, details_of(authority.purpose, authority.description), effect_without(authority));
  }
}

std::string CertificatePlan::effect_without(const TrustedAuthority& authority) const {
  const bool is_renewed = std::any_of(planned_.trust.begin(), planned_.trust.end(), [&](const TrustedAuthority& other) {
    return other.purpose == authority.purpose && other.key_digest == authority.key_digest && other.description.subject == authority.description.subject;
  });
  if (is_renewed) return "none: another certificate of its name and key is trusted";
  const std::vector<std::string> dependants = dependants_ ? dependants_(authority.purpose, authority.description.fingerprint_sha256) : std::vector<std::string>();
  std::string text;
  for (const std::string& each : dependants) text += (text.empty() ? "" : "; ") + each;
  if (!text.empty()) return "what is connected stays; these would not connect again without it: " + text;
  if (authority.purpose == TrustPurpose::traversal) return "none: nothing that is connected now depends on it";
  return "what is connected stays; who is vouched for by it alone is refused from the next handshake on";
}

void CertificatePlan::write(std::int64_t now_s) {
  store::SqliteDatabase& database = notes_.context.database;
  for (const auto& [name, value] : settings_) write_setting(database, name, value);
  delete_domains(database, old_domains_);
  store::SqliteStatement domain = database.prepare("INSERT INTO certificate_domain (name) VALUES (?)");
  for (const std::string& name : new_domains_) domain.bind(1, name).run();
  for (const TrustedAuthority* authority : old_trust_) delete_trust(database, authority->purpose, authority->description.fingerprint_sha256);
  for (const auto& [purpose, certificate] : new_trust_) write_trust(database, purpose, certificate.get(), tls::describe_certificate(certificate.get()).fingerprint_sha256, now_s);
}

std::string CertificatePlan::document(const CertificateSet& set) {
  std::string text;
  const auto by_default = settings_of(CertificateSet{}), settings = settings_of(set);
  for (std::size_t i = 0; i < settings.size(); ++i)
    if (settings[i].second != by_default[i].second) text += settings[i].first + " = " + toml_literal(settings[i].second) + "\n";
  if (!set.domains.empty()) text += "domains = " + store::toml_lines(set.domains) + "\n";
  if (!text.empty()) text.insert(0, "\n[certificates]\n");
  // One section a certificate, whatever it is trusted for.
  std::map<std::string, std::vector<const TrustedAuthority*>> by_certificate;
  std::vector<std::string> order;
  for (const TrustedAuthority& authority : set.trust) {
    std::vector<const TrustedAuthority*>& uses = by_certificate[authority.description.fingerprint_sha256];
    if (uses.empty()) order.push_back(authority.description.fingerprint_sha256);
    uses.push_back(&authority);
  }
  for (const std::string& fingerprint : order) {
    const std::vector<const TrustedAuthority*>& uses = by_certificate[fingerprint];
    const tls::PeerCertificate& said = uses.front()->description;
    std::vector<std::string> purposes;
    for (const TrustedAuthority* use : uses) purposes.emplace_back(name_of(use->purpose));
    text += "\n# " + store::toml_comment(said.subject) + ", serial " + said.serial + ", until " + config::utc(said.not_after_s) + ", fingerprint " + fingerprint.substr(0, shown_fingerprint_digits) + "\n[[trust]]\n";
    text += "purpose = " + (purposes.size() == 1 ? toml_literal(purposes.front()) : toml_literal(purposes)) + "\npem = \"\"\"\n" + pem_of(uses.front()->certificate.get()) + "\"\"\"\n";
  }
  return text;
}

}  // namespace sallyport::certificates
