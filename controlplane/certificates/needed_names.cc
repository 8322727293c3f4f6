// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/needed_names.h"

#include <algorithm>

#include "controlplane/config/fqdn.h"

namespace sallyport::certificates {
namespace {

class NameList {
 public:
  void add(tls::NameKind kind, std::string value, std::string reason) {
    if (value.empty()) return;
    tls::CertificateName name{kind, std::move(value)};
    const auto is_same = [&](const NeededName& other) { return other.name.kind == name.kind && config::lower_case(other.name.value) == config::lower_case(name.value); };
    if (std::none_of(needed.names.begin(), needed.names.end(), is_same)) needed.names.push_back({std::move(name), std::move(reason)});
  }
  void add_dns(const std::string& value, const char* reason) { add(config::is_ip_literal(value) ? tls::NameKind::ip : tls::NameKind::dns, value, reason); }
  NeededNames needed;
};

}  // namespace

Outcome<NeededNames> needed_names(const Slot& slot, const NameFacts& facts) {
  NameList list;
  const store::UnifiedCommunications& features = facts.features;
  const bool is_e = facts.role == config::Role::edge;
  if (slot.kind == SlotKind::domain) {
    list.add_dns(slot.domain, "the domain itself");
    list.add_dns("collab-edge." + slot.domain, "asked for by clients of the domain (B31, C06)");
    return std::move(list.needed);
  }
  list.add_dns(facts.node_fqdn, "this node");
  if (slot.kind == SlotKind::client) {
    // A28: E looks for the cluster's name in the certificate of each peer.
    list.add_dns(features.cluster_name, "the cluster (A28)");
    return std::move(list.needed);
  }
  // B11, figure 2.
  if (is_e || features.mobile_remote_access || features.guests || features.federation) list.add_dns(features.cluster_name, "the cluster (B11)");
  for (const std::string& name : features.additional_names) list.add_dns(name, "additional name");
  if (is_e && features.mobile_remote_access) {
    const std::string prefix = features.registration_domain_form == "collab_edge_dns" ? "collab-edge." : "";
    for (const std::string& domain : features.registration_domains) list.add_dns(prefix + domain, "registration domain (B07, B31)");
  }
  if (is_e && features.federation) {
    const bool as_address = features.federation_domain_form == "xmpp_address";
    for (const std::string& domain : features.federation_domains) list.add(as_address ? tls::NameKind::xmpp_address : tls::NameKind::dns, domain, "federation domain (B08)");
    if (as_address && !features.federation_domains.empty()) list.needed.warnings.emplace_back("XMPPAddress is refused by some authorities and some peers; choose dns (B33)");
  }
  if (features.federation)
    for (const std::string& alias : features.chat_node_aliases) list.add_dns(alias, "chat node alias (B09)");
  if (!is_e && features.mobile_remote_access) {
    for (const store::PhoneProfile& profile : features.phone_profiles) {
      // B20, B21: with OAuth call control does not look for the profile's name.
      if (!profile.encrypted || profile.oauth) continue;
      if (const std::string objection = config::fqdn_objection(profile.name); !objection.empty()) {
        return Fault{FaultCode::refused, "phone security profile \"" + profile.name + "\"", "its name cannot stand in a certificate: " + objection + " (B17, B18)", "rename it on call control to an FQDN, for example " + (profile.name.find('.') == std::string::npos ? profile.name + ".example.com" : "secureprofile.example.com")};
      }
      list.add_dns(profile.name, "phone security profile (B16)");
    }
  }
  return std::move(list.needed);
}

std::vector<NeededName> missing_names(const NeededNames& needed, const tls::PeerCertificate& certificate) {
  std::vector<NeededName> missing;
  for (const NeededName& each : needed.names) {
    const bool is_host = each.name.kind == tls::NameKind::dns || each.name.kind == tls::NameKind::ip;
    const bool is_present = is_host ? tls::match_name(certificate, each.name.value, tls::WildcardRule::one_label).matched : std::find(certificate.names.begin(), certificate.names.end(), each.name) != certificate.names.end();
    if (!is_present) missing.push_back(each);
  }
  return missing;
}

}  // namespace sallyport::certificates
