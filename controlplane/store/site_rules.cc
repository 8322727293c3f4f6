// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "controlplane/config/fqdn.h"
#include "controlplane/store/digest_hash.h"

namespace sallyport::store {
namespace {

using config::Role;
using Kind = PasswordDraft::Kind;
constexpr std::size_t max_name_chars = 63;
constexpr std::size_t max_password_chars = 128;
constexpr std::size_t max_subject_names = 16;

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

class SiteRules {
 public:
  SiteRules(const SiteDraft& draft, const SiteRulesContext& context) : draft_(draft), context_(context) {}

  PlannedSite run() {
    site_.plan.revision = context_.stored.revision;
    site_.plan.refusals = draft_.errors;
    // A document that does not read whole is not judged further: every finding would be a guess.
    if (!draft_.errors.empty()) return std::move(site_);
    for (const CredentialDraft& credential : draft_.credentials) check_credential(credential);
    for (const ZoneDraft& zone : draft_.zones) check_zone(zone);
    check_pair();
    check_unified();
    if (site_.plan.refusals.empty()) {
      compare_zones();
      compare_credentials();
      compare_unified();
    }
    sort_by_place(site_.plan.refusals);
    return std::move(site_);
  }

 private:
  config::Finding finding(const Places& places, const std::string& kind, const std::string& key, FaultCode code, std::string cause, std::string remedy) const {
    auto at = places.find(key);
    if (at == places.end()) at = places.find("");
    Place place = at == places.end() ? Place{} : at->second;
    return {.file = draft_.file, .line = place.line, .column = place.column, .key = kind + "." + key, .code = code, .cause = std::move(cause), .remedy = std::move(remedy)};
  }
  void refuse(const ZoneDraft& zone, const std::string& key, std::string cause, std::string remedy, FaultCode code = FaultCode::invalid) {
    site_.plan.refusals.push_back(finding(zone.places, "zone", key, code, std::move(cause), std::move(remedy)));
  }
  void refuse(const CredentialDraft& credential, const std::string& key, std::string cause, std::string remedy, FaultCode code = FaultCode::invalid) {
    site_.plan.refusals.push_back(finding(credential.places, "credential", key, code, std::move(cause), std::move(remedy)));
  }

  bool is_core() const { return context_.role == Role::core; }

  template <class Draft>
  void check_name(const Draft& draft, const std::string& key, const std::string& name) {
    if (name.empty()) return refuse(draft, key, "is missing or empty", "give it a name");  // A24
    if (name.size() > max_name_chars) refuse(draft, key, "is longer than 63 characters", "shorten it");
    if (name.front() == ' ' || name.back() == ' ') refuse(draft, key, "begins or ends with a space", "remove the space");
  }

  template <class Draft>
  void check_user(const Draft& draft, const std::string& key, const std::string& name) {
    check_name(draft, key, name);
    // A25. A colon would make "name:realm:password" ambiguous (RFC 7616 3.4.2).
    if (name.find(' ') != std::string::npos) refuse(draft, key, quoted(name) + " has a space", "user names have none, on C and on E");
    if (name.find_first_of(":\"\\") != std::string::npos) refuse(draft, key, quoted(name) + " has a colon, quote or backslash", "choose another user name");
  }

  template <class Draft>
  void check_password(const Draft& draft, bool has_stored, const std::string& what) {
    if (draft.password.kind == Kind::absent) return refuse(draft, "password", "is missing", "give the password, or { keep = true } to keep the stored one");
    if (draft.password.kind == Kind::keep && !has_stored) {
      return refuse(draft, "password", "there is no stored password of " + what + " to keep", "give the password", FaultCode::missing);
    }
    std::size_t length = draft.password.text.reveal().size();
    if (draft.password.kind == Kind::given && (length == 0 || length > max_password_chars)) refuse(draft, "password", "must have 1 to 128 characters", "choose another password");
  }

  void check_credential(const CredentialDraft& credential) {
    // A26: the local authentication database is E's.
    if (is_core()) return refuse(credential, "", "credentials are checked on E; this node is C", "remove the section; C's password stands in its zone");
    check_user(credential, "name", credential.name);
    if (!credential_names_.insert(credential.name).second) refuse(credential, "name", "another credential is named " + quoted(credential.name), "choose a name of its own", FaultCode::conflict);
    if (credential.realm.empty() || credential.realm.find_first_of("\"\\:") != std::string::npos) refuse(credential, "realm", "must not be empty or hold a quote, backslash or colon", "leave it out for the default");
    const Credential* stored = context_.stored.find_credential(credential.name);
    check_password(credential, stored != nullptr, "credential " + quoted(credential.name));
    if (stored && credential.password.kind == Kind::keep && stored->realm != credential.realm) {
      refuse(credential, "realm", "the stored hash is for realm " + quoted(stored->realm), "give the password too, so that it can be hashed for the new realm");
    }
  }

  void check_zone(const ZoneDraft& zone) {
    check_name(zone, "name", zone.zone.name);
    if (!zone.zone.name.empty() && !zone_names_.insert(config::lower_case(zone.zone.name)).second) {
      refuse(zone, "name", "another zone is named " + quoted(zone.zone.name), "choose a name of its own", FaultCode::conflict);  // A24
    }
    check_user(zone, "user", zone.zone.user);
    is_core() ? check_client(zone) : check_server(zone);
    check_domains(zone);
  }

  void check_client(const ZoneDraft& zone) {
    const Zone* stored = context_.stored.find_zone(zone.zone.name);
    check_password(zone, stored && stored->has_password, "zone " + quoted(zone.zone.name));
    // A28: on C the name to verify is the peer's address.
    if (zone.places.contains("tls_verify_subject_name")) refuse(zone, "tls_verify_subject_name", "is a key of E; on C the peers' names are verified", "remove it");
    const std::vector<std::string>& peers = zone.zone.peers;
    if (peers.empty()) return refuse(zone, "peers", "is missing or empty", "name 1 to 6 nodes of E by FQDN");
    if (peers.size() > max_peers) refuse(zone, "peers", "there are " + std::to_string(peers.size()) + " peers, at most 6 are allowed", "remove some");  // A31
    std::set<std::string> seen;
    for (const std::string& peer : peers) check_peer(zone, peer, seen);
  }

  void check_peer(const ZoneDraft& zone, const std::string& peer, std::set<std::string>& seen) {
    if (!seen.insert(config::lower_case(peer)).second) refuse(zone, "peers", quoted(peer) + " is listed twice", "name each peer once");
    if (config::is_ip_literal(peer)) {  // A30
      site_.plan.warnings.push_back(finding(zone.places, "zone", "peers", FaultCode::invalid, quoted(peer) + " is an IP address",
                                            "it works only if E's certificate has that address as a SAN; an FQDN is recommended"));
      return;
    }
    if (std::string objection = config::fqdn_objection(peer); !objection.empty()) refuse(zone, "peers", quoted(peer) + " is not an FQDN: " + objection, "write a full DNS name, like edge.example.com");
  }

  void check_server(const ZoneDraft& zone) {
    // A26, A31: password and peers are C's.
    if (zone.password.kind != Kind::absent) refuse(zone, "password", "is a key of C; E checks the user against its credentials", "put the password into a [[credential]] named like the user");
    if (zone.places.contains("peers")) refuse(zone, "peers", "is a key of C; E is told by certificate and digest who connects", "remove it");
    if (!zone.zone.user.empty() && !credential_names_.contains(zone.zone.user)) {
      refuse(zone, "user", "there is no credential named " + quoted(zone.zone.user), "add a [[credential]] with that name", FaultCode::missing);
    }
    const std::vector<std::string>& names = zone.zone.tls_verify_subject_names;
    if (names.empty()) return refuse(zone, "tls_verify_subject_name", "is missing or empty", "name a SAN of C's certificate; with a cluster, the cluster's name");
    if (names.size() > max_subject_names) refuse(zone, "tls_verify_subject_name", "has more than 16 names", "remove some");
    std::set<std::string> seen;
    for (const std::string& name : names) {
      std::string objection = config::fqdn_objection(name);
      if (!objection.empty()) refuse(zone, "tls_verify_subject_name", quoted(name) + " is not an FQDN: " + objection, "write a DNS name that is a SAN of C's certificate");
      if (!seen.insert(config::lower_case(name)).second) refuse(zone, "tls_verify_subject_name", quoted(name) + " is listed twice", "name it once");
    }
  }

  void check_domains(const ZoneDraft& zone) {
    for (const std::string& domain : zone.zone.sip_domains) {
      if (std::string objection = config::fqdn_objection(domain); !objection.empty()) refuse(zone, "sip_domains", quoted(domain) + " is not a domain: " + objection, "write it like example.com");
      auto [owner, is_new] = domain_owner_.emplace(domain, &zone);
      if (is_new) continue;
      bool twice = owner->second == &zone;
      refuse(zone, "sip_domains", quoted(domain) + (twice ? " is listed twice" : " belongs to zone " + quoted(owner->second->zone.name) + " already"),
             twice ? "name it once" : "a second zone needs SIP domains of its own", FaultCode::conflict);  // A03
    }
  }

  // A03: one zone a pair; E may serve several pairs if their SIP domains differ.
  void check_pair() {
    if (is_core()) {
      for (std::size_t i = 1; i < draft_.zones.size(); ++i) refuse(draft_.zones[i], "", "C has one UC traversal zone only", "remove one", FaultCode::conflict);
    } else if (draft_.zones.size() > 1) {
      for (const ZoneDraft& zone : draft_.zones) {
        if (zone.zone.sip_domains.empty()) refuse(zone, "sip_domains", "is missing, but there is more than one zone", "give each zone the SIP domains it serves", FaultCode::conflict);
      }
    }
    assign_ports();
  }

  // A27: a port that is not given stays as it was, or is the next free one.
  void assign_ports() {
    std::set<std::uint16_t> taken;
    for (const ZoneDraft& draft : draft_.zones) {
      PlannedZone& planned = site_.zones.emplace_back(PlannedZone{draft.zone, draft.password.kind == Kind::given ? &draft.password.text : nullptr});
      const Zone* stored = context_.stored.find_zone(draft.zone.name);
      planned.zone.has_password = is_core();
      if (!draft.port_given) planned.zone.port = stored ? stored->port : 0;
      if (planned.zone.port == 0) continue;
      if (!taken.insert(planned.zone.port).second) refuse(draft, "port", std::to_string(planned.zone.port) + " is the port of another zone", "7001 is the first, the next zone takes 7002", FaultCode::conflict);
    }
    std::uint16_t next = is_core() ? default_zone_port : context_.first_zone_port;
    for (PlannedZone& planned : site_.zones) {
      if (planned.zone.port != 0) continue;
      while (taken.contains(next) && next < 65535) ++next;
      planned.zone.port = next;
      taken.insert(next);
    }
    std::sort(site_.zones.begin(), site_.zones.end(), [](const PlannedZone& a, const PlannedZone& b) { return a.zone.port < b.zone.port; });
  }

  static std::string shown(const std::vector<std::string>& list) {
    std::string text = "[";
    for (const std::string& item : list) text += (text.size() > 1 ? ", " : "") + item;
    return text + "]";
  }

  static void note(std::vector<std::string>& details, const char* key, const std::string& before, const std::string& after, bool is_new) {
    if (is_new ? !after.empty() && after != "[]" : before != after) details.push_back(std::string(key) + ": " + (is_new ? after : before + " -> " + after));
  }

  // What Node::apply_site does: on C a zone that differs connects anew, on E only one that moved to another port does.
  std::string effect_of(const Zone* stored, const Zone& planned) const {
    if (stored == nullptr) return is_core() ? "none: it connects to its peers" : "none: its port opens";
    const std::string made_anew = "media of running calls goes on; until the connections stand again requests get 503 with Retry-After";
    if (is_core()) return "its connections are made anew: " + made_anew;
    if (stored->port != planned.port) return "its connections close, and are made anew when C dials the new port: " + made_anew;
    return "none: takes effect on the next handshake, what is connected stays";
  }

  void compare_zones() {
    for (PlannedZone& planned : site_.zones) {
      const Zone* stored = context_.stored.find_zone(planned.zone.name);
      const Zone before = stored ? *stored : Zone{.port = 0};
      bool is_new = !stored;
      std::vector<std::string> details;
      if (stored && stored->name != planned.zone.name) details.push_back("name: " + stored->name + " -> " + planned.zone.name);
      note(details, "port", std::to_string(before.port), std::to_string(planned.zone.port), is_new);
      note(details, "user", before.user, planned.zone.user, is_new);
      note(details, "peers", shown(before.peers), shown(planned.zone.peers), is_new);
      note(details, "tls_verify_subject_name", shown(before.tls_verify_subject_names), shown(planned.zone.tls_verify_subject_names), is_new);
      note(details, "sip_domains", shown(before.sip_domains), shown(planned.zone.sip_domains), is_new);
      // The one that stands already is not sealed again: applying a document twice changes nothing.
      if (planned.new_password && stored && context_.is_stored_password(stored->name, planned.new_password->reveal())) planned.new_password = nullptr;
      if (planned.new_password) details.push_back(stored ? "password: changed" : "password: set");
      if (is_new || !details.empty()) site_.plan.lines.push_back({is_new ? PlanAction::create : PlanAction::change, "zone", planned.zone.name, details, effect_of(stored, planned.zone)});
    }
    for (const Zone& zone : context_.stored.zones) {
      if (zone_names_.contains(config::lower_case(zone.name))) continue;
      site_.plan.lines.push_back({PlanAction::remove, "zone", zone.name, {}, "its connections close: whoever is registered through it is not reached any more and new calls are refused; media of running calls goes on, but they can no longer be held or hung up by signalling"});
    }
  }

  void compare_credentials() {
    for (const CredentialDraft& draft : draft_.credentials) {
      const Credential* stored = context_.stored.find_credential(draft.name);
      Credential planned = stored ? *stored : Credential{.name = draft.name};
      planned.realm = draft.realm;
      if (draft.password.kind == Kind::given) {
        planned.ha1_md5 = ha1_md5(draft.name, draft.realm, draft.password.text.reveal());
        planned.ha1_sha256 = ha1_sha256(draft.name, draft.realm, draft.password.text.reveal());
      }
      std::vector<std::string> details;
      note(details, "realm", stored ? stored->realm : "", planned.realm, !stored);
      if (!stored) details.push_back("password: set");
      if (stored && stored->realm == planned.realm && stored->ha1_sha256 != planned.ha1_sha256) details.push_back("password: changed");
      if (!stored || !details.empty()) site_.plan.lines.push_back({stored ? PlanAction::change : PlanAction::create, "credential", draft.name, details, stored ? "none: C needs it when it connects the next time" : "none"});
      if (!is_used(draft.name)) {
        site_.plan.warnings.push_back(finding(draft.places, "credential", "name", FaultCode::invalid, "no zone has the user " + quoted(draft.name), "remove it, or name it in a zone"));
      }
      site_.credentials.push_back(std::move(planned));
    }
    for (const Credential& credential : context_.stored.credentials) {
      if (!credential_names_.contains(credential.name)) site_.plan.lines.push_back({PlanAction::remove, "credential", credential.name, {}, "none: what is connected stays; who uses it is refused the next time"});
    }
    std::sort(site_.credentials.begin(), site_.credentials.end(), [](const Credential& a, const Credential& b) { return a.name < b.name; });
  }

  void refuse_unified(const std::string& key, std::string cause, std::string remedy) {
    site_.plan.refusals.push_back(finding(draft_.unified.places, "unified_communications", key, FaultCode::invalid, std::move(cause), std::move(remedy)));
  }

  void check_names(const char* key, const std::vector<std::string>& names) {
    std::set<std::string> seen;
    for (const std::string& name : names) {
      const bool is_address = config::is_ip_literal(name);
      if (std::string objection = config::fqdn_objection(name); !objection.empty() && !is_address) refuse_unified(key, quoted(name) + " is not an FQDN: " + objection, "write it like chat1.example.com");
      if (!seen.insert(config::lower_case(name)).second) refuse_unified(key, quoted(name) + " is listed twice", "name it once");
    }
  }

  // B19 for all names; B16, B17: profiles are C's, and a name that no certificate can carry is told of now rather than at the request.
  void check_unified() {
    const UnifiedCommunications& value = draft_.unified.value;
    if (value.activation_code_onboarding && !is_core()) refuse_unified("activation_code_onboarding", "onboarding is C's; this node is E, which follows what C says", "remove it here, and switch it on on C");
    if (!value.cluster_name.empty()) check_names("cluster_name", {value.cluster_name});
    check_names("additional_names", value.additional_names);
    check_names("registration_domains", value.registration_domains);
    check_names("federation_domains", value.federation_domains);
    check_names("chat_node_aliases", value.chat_node_aliases);
    if (value.federation_domain_form == "xmpp_address") {
      site_.plan.warnings.push_back(finding(draft_.unified.places, "unified_communications", "federation_domain_form", FaultCode::invalid, "XMPPAddress is refused by some authorities and may be removed", "choose dns (B33)"));
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < value.phone_profiles.size(); ++i) {
      const PhoneProfile& profile = value.phone_profiles[i];
      const Places& places = draft_.unified.profile_places[i];
      const auto refuse_profile = [&](const std::string& key, std::string cause, std::string remedy) { site_.plan.refusals.push_back(finding(places, "phone_profile", key, FaultCode::invalid, std::move(cause), std::move(remedy))); };
      if (!is_core()) refuse_profile("", "phone security profiles are C's; this node is E", "remove the section");
      if (profile.name.empty()) refuse_profile("name", "is missing or empty", "give the profile's name as call control has it");
      if (!seen.insert(config::lower_case(profile.name)).second) refuse_profile("name", quoted(profile.name) + " is listed twice", "name it once");
      const std::string objection = profile.name.empty() ? "" : config::fqdn_objection(profile.name);
      if (!objection.empty() && profile.encrypted && !profile.oauth) {
        site_.plan.warnings.push_back(finding(places, "phone_profile", "name", FaultCode::invalid, quoted(profile.name) + " cannot stand in a certificate: " + objection, "rename it on call control's page \"Secure Phone Profile\"; until then no request can be made here (B17)"));
      }
    }
  }

  static std::string shown(const std::vector<PhoneProfile>& profiles) {
    std::vector<std::string> texts;
    for (const PhoneProfile& profile : profiles) texts.push_back(profile.name + (profile.encrypted ? " encrypted" : "") + (profile.oauth ? " oauth" : ""));
    return shown(texts);
  }

  void compare_unified() {
    const UnifiedCommunications& before = context_.stored.unified;
    const UnifiedCommunications& after = site_.unified = draft_.unified.value;
    const auto flag = [](bool value) { return std::string(value ? "on" : "off"); };
    std::vector<std::string> details;
    note(details, "mobile_remote_access", flag(before.mobile_remote_access), flag(after.mobile_remote_access), false);
    note(details, "federation", flag(before.federation), flag(after.federation), false);
    note(details, "guests", flag(before.guests), flag(after.guests), false);
    note(details, "activation_code_onboarding", flag(before.activation_code_onboarding), flag(after.activation_code_onboarding), false);
    note(details, "cluster_name", before.cluster_name, after.cluster_name, before.cluster_name.empty());
    note(details, "additional_names", shown(before.additional_names), shown(after.additional_names), false);
    note(details, "registration_domains", shown(before.registration_domains), shown(after.registration_domains), false);
    note(details, "registration_domain_form", before.registration_domain_form, after.registration_domain_form, false);
    note(details, "federation_domains", shown(before.federation_domains), shown(after.federation_domains), false);
    note(details, "federation_domain_form", before.federation_domain_form, after.federation_domain_form, false);
    note(details, "chat_node_aliases", shown(before.chat_node_aliases), shown(after.chat_node_aliases), false);
    note(details, "phone_profiles", shown(before.phone_profiles), shown(after.phone_profiles), false);
    if (!details.empty()) site_.plan.lines.push_back({PlanAction::change, "unified_communications", "", details, before.activation_code_onboarding && !after.activation_code_onboarding ? "none: phones keep their certificates; no further one is onboarded or has its certificate renewed" : "none: it decides what the next certificate request asks for, and whether phones are onboarded"});
  }

  bool is_used(const std::string& user) const {
    return std::any_of(draft_.zones.begin(), draft_.zones.end(), [&](const ZoneDraft& zone) { return zone.zone.user == user; });
  }

  const SiteDraft& draft_;
  const SiteRulesContext& context_;
  PlannedSite site_;
  std::set<std::string> credential_names_, zone_names_;
  std::map<std::string, const ZoneDraft*> domain_owner_;
};

}  // namespace

void sort_by_place(config::Findings& findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const config::Finding& a, const config::Finding& b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); });
}

PlannedSite plan_site(const SiteDraft& draft, const SiteRulesContext& context) { return SiteRules(draft, context).run(); }

}  // namespace sallyport::store
