// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/acme_plan.h"

#include <algorithm>

#include "controlplane/certificates/acme_rules.h"
#include "controlplane/certificates/acme_tables.h"
#include "controlplane/config/fqdn.h"
#include "controlplane/store/toml_text.h"

namespace sallyport::certificates {
namespace {

using store::PasswordDraft;
using store::PlanAction;
using store::SqliteDatabase;
using store::SqliteStatement;
using store::toml_literal;
using Kind = PasswordDraft::Kind;

std::string listed(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& each : list) text += (text.empty() ? "" : ", ") + each;
  return text;
}

std::string agreement(bool agrees) { return agrees ? "yes" : "no"; }

}  // namespace

AcmePlan::AcmePlan(const PlanNotes& notes, const std::set<std::string, std::less<>>& domains)
    : notes_(notes), draft_(notes.context.draft.certificates.acme), domains_(domains), stored_(read_acme(notes.context.database)) {}

void AcmePlan::run() {
  plan_authorities();
  plan_settings();
  plan_slots();
}

void AcmePlan::plan_authorities() {
  std::set<std::string> names;
  for (const store::AcmeAuthorityDraft& draft : notes_.context.draft.certificates.acme_authorities) {
    if (!names.insert(config::lower_case(draft.name)).second) {
      notes_.refuse(PlanNotes::place_of(draft.places, "name"), "acme_authority.name", "another authority is named \"" + draft.name + "\"", "choose a name of its own", FaultCode::conflict);
    }
    plan_authority(draft);
  }
  for (const AcmeAuthority& former : stored_.authorities) {
    if (std::any_of(authorities_.begin(), authorities_.end(), [&](const PlannedAuthority& planned) { return planned.authority.name == former.name; })) continue;
    notes_.line(PlanAction::remove, "acme_authority", former.name, {"its account's key goes too"}, "none: certificates that it issued serve until they end");
    changes_authorities_ = true;
  }
  std::vector<std::string> before, after;
  for (const AcmeAuthority& each : stored_.authorities)
    if (std::any_of(authorities_.begin(), authorities_.end(), [&](const PlannedAuthority& planned) { return planned.authority.name == each.name; })) before.push_back(each.name);
  for (const PlannedAuthority& each : authorities_)
    if (stored_.find(each.authority.name) != nullptr) after.push_back(each.authority.name);
  if (before == after) return;
  notes_.line(PlanAction::change, "acme_authority", "", {"order: " + listed(before) + " -> " + listed(after)}, "none: the next order asks them so");
  changes_authorities_ = true;
}

void AcmePlan::plan_authority(const store::AcmeAuthorityDraft& draft) {
  PlannedAuthority planned{{draft.name, draft.directory_url, draft.contacts, draft.ca_file, draft.preferred_root, draft.profile, draft.external_key_id, draft.agrees_to_terms, ""}, nullptr, false};
  const AcmeAuthority* former = stored_.find(draft.name);
  if (draft.external_hmac_key.kind == Kind::keep && (former == nullptr || former->external_key_id.empty())) {
    return notes_.refuse(PlanNotes::place_of(draft.places, "external_hmac_key"), "acme_authority.external_hmac_key", "there is no stored key of authority \"" + draft.name + "\" to keep", "give the key", FaultCode::missing);
  }
  const bool has_key = has_hmac_key(draft, former, planned);
  if (const Outcome<> fine = judge_acme_authority(planned.authority, has_key); !fine) return notes_.refuse(PlanNotes::place_of(draft.places, "name"), "acme_authority", fine.fault());
  planned.is_new_account = former == nullptr || former->directory_url != draft.directory_url || former->external_key_id != draft.external_key_id;
  if (!planned.is_new_account) planned.authority.account_url = former->account_url;
  compare_authority(former, planned);
  authorities_.push_back(std::move(planned));
}

// Secrets that are not given stay as they are, as long as they belong to the same binding.
bool AcmePlan::has_hmac_key(const store::AcmeAuthorityDraft& draft, const AcmeAuthority* former, PlannedAuthority& planned) {
  const bool may_stay = former != nullptr && !draft.external_key_id.empty() && former->external_key_id == draft.external_key_id;
  if (draft.external_hmac_key.kind != Kind::given) return may_stay;
  if (draft.external_hmac_key.text.is_empty()) return false;
  const bool is_same = may_stay && read_acme_secret(notes_.context.database, notes_.context.key, external_secret(draft.name)).reveal() == draft.external_hmac_key.text.reveal();
  if (!is_same) planned.new_hmac_key = &draft.external_hmac_key.text;
  return true;
}

void AcmePlan::compare_authority(const AcmeAuthority* former, const PlannedAuthority& planned) {
  const AcmeAuthority& after = planned.authority;
  std::vector<std::string> details;
  if (former == nullptr) {
    details.push_back("directory_url: " + after.directory_url);
    if (!after.external_key_id.empty()) details.push_back("external_key_id: " + after.external_key_id);
    notes_.line(PlanAction::create, "acme_authority", after.name, std::move(details), "none: an account is made there with the next order");
    changes_authorities_ = true;
    return;
  }
  PlanNotes::note(details, "directory_url", former->directory_url, after.directory_url);
  PlanNotes::note(details, "contacts", listed(former->contacts), listed(after.contacts));
  PlanNotes::note(details, "ca_file", former->ca_file, after.ca_file);
  PlanNotes::note(details, "preferred_root", former->preferred_root, after.preferred_root);
  PlanNotes::note(details, "profile", former->profile, after.profile);
  PlanNotes::note(details, "external_key_id", former->external_key_id, after.external_key_id);
  PlanNotes::note(details, "agrees_to_terms", agreement(former->agrees_to_terms), agreement(after.agrees_to_terms));
  if (planned.new_hmac_key != nullptr) details.emplace_back("external_hmac_key: changed");
  if (details.empty()) return;
  if (planned.is_new_account) details.emplace_back("another account: the key of the former goes");
  notes_.line(PlanAction::change, "acme_authority", after.name, std::move(details), "none: takes effect with the next order");
  changes_authorities_ = true;
}

void AcmePlan::plan_settings() {
  const AcmeConfig defaults;
  const auto by_default = acme_settings(defaults), before = acme_settings(stored_);
  std::vector<std::string> details;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string& name = before[i].first;
    const auto given = draft_.settings.find(name);
    const std::string value = given == draft_.settings.end() ? by_default[i].second : given->second;
    if (name == "challenge") challenge_ = value;
    if (value == before[i].second) continue;
    const store::Place place = PlanNotes::place_of(draft_.places, name);
    if (name == "dns_hook" && !notes_.context.is_local) {
      notes_.refuse(place, "acme.dns_hook", "names a program, which cannot be changed over HTTPS", "apply it on the node itself, or leave it as `sallyport export` has it", FaultCode::refused);
    } else if (const Outcome<> fine = judge_acme_setting(notes_.context.role, name, value); !fine) {
      notes_.refuse(place, "acme." + name, fine.fault());
    }
    PlanNotes::note(details, name, before[i].second, value);
    settings_.emplace_back(name, value);
  }
  const store::Secret former = read_acme_secret(notes_.context.database, notes_.context.key, dns_secret);
  const PasswordDraft& dns_key = draft_.dns_key;
  if (dns_key.kind == Kind::keep && !has_acme_secret(notes_.context.database, dns_secret)) notes_.refuse(PlanNotes::place_of(draft_.places, "dns_key"), "acme.dns_key", "there is no stored key to keep", "give the key", FaultCode::missing);
  if (draft_.places.empty() && has_acme_secret(notes_.context.database, dns_secret)) {
    // Without the section nothing is left that it is for.
    drops_dns_key_ = true;
    details.emplace_back("dns_key: removed");
  }
  if (dns_key.kind == Kind::given && dns_key.text.reveal() != former.reveal()) {
    drops_dns_key_ = dns_key.text.is_empty();
    new_dns_key_ = drops_dns_key_ ? nullptr : &dns_key.text;
    details.emplace_back(drops_dns_key_ ? "dns_key: removed" : former.is_empty() ? "dns_key: set" : "dns_key: changed");
  }
  if (!details.empty()) notes_.line(PlanAction::change, "acme", "", std::move(details), "none: takes effect with the next order");
}

void AcmePlan::plan_slots() {
  std::set<std::string> wanted;
  std::set<std::string> present;
  for (const Slot& slot : stored_.slots) present.insert(slot.text());
  for (const store::PlacedText& each : draft_.slots) {
    const auto slot = Slot::parse(each.text);
    if (!slot) {
      notes_.refuse(each.place, "acme.slots", slot.fault());
      continue;
    }
    const std::string text = slot->text();
    if (!wanted.insert(text).second) notes_.refuse(each.place, "acme.slots", "\"" + text + "\" is listed twice", "name it once", FaultCode::conflict);
    if (slot->kind == SlotKind::client) notes_.refuse(each.place, "acme.slots", "client cannot be kept by ACME: public authorities issue no clientAuth", "use sallyport cert request client");
    if (slot->kind == SlotKind::domain && !domains_.contains(slot->domain)) notes_.refuse(each.place, "acme.slots", "there is no domain " + slot->domain, "add it to certificates.domains", FaultCode::missing);
    if (present.contains(text)) continue;
    slots_on_.push_back(text);
    notes_.line(PlanAction::create, "acme_slot", text, {}, "none: what serves goes on until a new certificate is installed");
  }
  for (const Slot& slot : stored_.slots) {
    const std::string text = slot.text();
    if (wanted.contains(text)) continue;
    slots_off_.push_back(text);
    notes_.line(PlanAction::remove, "acme_slot", text, {}, "none: its certificate serves on and is renewed no more");
  }
  const bool loses_authorities = !stored_.authorities.empty() && authorities_.empty();
  if (authorities_.empty() && !wanted.empty() && (loses_authorities || !slots_on_.empty())) {
    notes_.refuse(PlanNotes::place_of(draft_.places, "slots"), "acme.slots", "there is no authority to ask", "add an [[acme_authority]]", FaultCode::missing);
  }
  if (slots_on_.empty()) return;
  if (const Outcome<> fine = judge_acme_challenge(notes_.context.role, challenge_); !fine) notes_.refuse(PlanNotes::place_of(draft_.places, "slots"), "acme.slots", fine.fault());
}

void AcmePlan::write() {
  SqliteDatabase& database = notes_.context.database;
  const store::NodeKey& key = notes_.context.key;
  for (const AcmeAuthority& former : stored_.authorities) {
    const bool stays = std::any_of(authorities_.begin(), authorities_.end(), [&](const PlannedAuthority& planned) { return planned.authority.name == former.name; });
    if (stays) continue;
    forget_acme_secret(database, external_secret(former.name));
    forget_acme_secret(database, account_secret(former.name));
  }
  if (changes_authorities_) database.execute("DELETE FROM acme_authority");
  for (const PlannedAuthority& planned : authorities_) {
    if (changes_authorities_) write_acme_authority(database, planned.authority);
    if (planned.is_new_account) forget_acme_secret(database, account_secret(planned.authority.name));
    if (planned.authority.external_key_id.empty()) forget_acme_secret(database, external_secret(planned.authority.name));
    if (planned.new_hmac_key != nullptr) keep_acme_secret(database, key, external_secret(planned.authority.name), *planned.new_hmac_key);
  }
  for (const auto& [name, value] : settings_) write_acme_setting(database, name, value);
  if (new_dns_key_ != nullptr) keep_acme_secret(database, key, dns_secret, *new_dns_key_);
  if (drops_dns_key_) forget_acme_secret(database, dns_secret);
  SqliteStatement off = database.prepare("DELETE FROM acme_slot WHERE slot = ?"), on = database.prepare("INSERT OR IGNORE INTO acme_slot (slot) VALUES (?)");
  for (const std::string& slot : slots_off_) off.bind(1, slot).run();
  for (const std::string& slot : slots_on_) on.bind(1, slot).run();
}

std::string AcmePlan::document(SqliteDatabase& database) {
  const AcmeConfig config = read_acme(database);
  std::string text;
  const auto by_default = acme_settings(AcmeConfig{}), settings = acme_settings(config);
  for (std::size_t i = 0; i < settings.size(); ++i)
    if (settings[i].second != by_default[i].second) text += settings[i].first + " = " + toml_literal(settings[i].second) + "\n";
  if (has_acme_secret(database, dns_secret)) text += "dns_key = { keep = true }\n";
  std::vector<std::string> slots;
  for (const Slot& slot : config.slots) slots.push_back(slot.text());
  if (!slots.empty()) text += "slots = " + store::toml_lines(slots) + "\n";
  if (!text.empty()) text.insert(0, "\n[acme]\n");
  for (const AcmeAuthority& each : config.authorities) {
    text += "\n[[acme_authority]]\nname = " + toml_literal(each.name) + "\ndirectory_url = " + toml_literal(each.directory_url) + "\n";
    if (!each.contacts.empty()) text += "contacts = " + toml_literal(each.contacts) + "\n";
    const std::pair<const char*, const std::string*> others[] = {{"ca_file", &each.ca_file}, {"preferred_root", &each.preferred_root}, {"profile", &each.profile}, {"external_key_id", &each.external_key_id}};
    for (const auto& [key, value] : others)
      if (!value->empty()) text += std::string(key) + " = " + toml_literal(*value) + "\n";
    if (!each.external_key_id.empty()) text += "external_hmac_key = { keep = true }\n";
    text += std::string("agrees_to_terms = ") + (each.agrees_to_terms ? "true" : "false") + "\n";
  }
  return text;
}

}  // namespace sallyport::certificates
