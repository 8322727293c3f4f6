// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_document.h"

#include <algorithm>
#include <sstream>

#include "controlplane/config/fqdn.h"
#include "controlplane/store/certificate_reader.h"
#include "controlplane/store/toml_reader.h"
#include "controlplane/store/toml_text.h"

namespace sallyport::store {
namespace {

constexpr std::string_view type_key = "type";
constexpr std::string_view zone_keys[] = {"name", "type", "port", "user", "password", "peers", "tls_verify_subject_name", "sip_domains",
                                          "transport", "tls_verify", "media_encryption", "authentication_policy"};
constexpr std::string_view credential_keys[] = {"name", "password", "realm"};
constexpr std::string_view unified_keys[] = {"mobile_remote_access", "federation", "guests", "activation_code_onboarding", "cluster_name", "additional_names", "registration_domains", "registration_domain_form",
                                             "federation_domains", "federation_domain_form", "chat_node_aliases"};
constexpr std::string_view profile_keys[] = {"name", "encrypted", "oauth"};

class SiteReader : TomlReader {
 public:
  explicit SiteReader(SiteDraft& draft) : TomlReader(draft.file, draft.errors), draft_(draft) {}

  void read(std::string_view text) {
    if (text.size() > max_site_document_bytes) return refuse({}, "", "is larger than 8 MiB", "remove what is not needed");
    try {
      toml::table root = toml::parse(text, draft_.file);
      read_document(root);
    } catch (const toml::parse_error& error) {
      refuse(error.source(), "", "is not TOML: " + std::string(error.description()), "correct the line");
    }
  }

 private:
  void read_document(toml::table& root) {
    if (toml::node* node = root.get("format")) read_format(*node);
    CertificateReader certificates(draft_.file, draft_.certificates, draft_.errors);
    for (auto&& [name, node] : root) {
      if (name.str() == "zone") {
        read_list(node, "zone", max_zones, [this](toml::table& table) { read_zone(table); });
      } else if (name.str() == "credential") {
        read_list(node, "credential", max_credentials, [this](toml::table& table) { read_credential(table); });
      } else if (name.str() == "phone_profile") {
        read_list(node, "phone_profile", max_phone_profiles, [this](toml::table& table) { read_profile(table); });
      } else if (name.str() == "unified_communications") {
        if (node.is_table()) read_unified(*node.as_table());
        else refuse(node.source(), "unified_communications", "must be one section", "write it as [unified_communications]");
      } else if (CertificateReader::knows(name.str())) {
        // Who adds a domain to a document of before shall not remove all the trust that it never spoke of.
        if (draft_.format < 2) refuse(node.source(), std::string(name.str()), "belongs into a document of format 2, which is the whole of certificates, trust and ACME too", "start from `sallyport export`, or write format = 2 in the first line");
        else certificates.read(name.str(), node);
      } else if (name.str() != "format") {
        bool is_node_file = name.str() == "node" || name.str() == "dataplane";
        refuse(node.source(), std::string(name.str()), "there is no such section in a site document",
               is_node_file ? "this is a node file; a running node takes changes of it by SIGHUP" : "use [[zone]], [[credential]], [unified_communications], [[phone_profile]], [certificates], [[trust]], [acme] and [[acme_authority]]");
      }
    }
  }

  void read_format(toml::node& node) {
    const std::int64_t format = node.is_integer() ? node.as_integer()->get() : 0;
    if (format < 1 || format > newest_site_format) return refuse(node.source(), "format", "must be 1 or 2", "this program knows no other; export writes 2");
    draft_.format = static_cast<std::uint32_t>(format);
  }

  void read_zone(toml::table& table) {
    refuse_unknown(table, "zone", zone_keys);
    ZoneDraft& draft = draft_.zones.emplace_back();
    note_places(table, draft.places);
    if (auto* node = table.get("name")) read_text(*node, "zone.name", draft.zone.name);
    if (auto* node = table.get("user")) read_text(*node, "zone.user", draft.zone.user);
    if (auto* node = table.get("password")) read_password(*node, "zone.password", draft.password);
    if (auto* node = table.get("peers")) read_texts(*node, "zone.peers", false, draft.zone.peers);
    if (auto* node = table.get("tls_verify_subject_name")) read_texts(*node, "zone.tls_verify_subject_name", true, draft.zone.tls_verify_subject_names);
    if (auto* node = table.get("sip_domains")) read_texts(*node, "zone.sip_domains", false, draft.zone.sip_domains);
    for (std::string& domain : draft.zone.sip_domains) domain = config::lower_case(domain);
    if (auto* node = table.get("port")) read_port(*node, draft);
    read_fixed(table);
  }

  void read_port(toml::node& node, ZoneDraft& draft) {
    if (!node.is_integer()) return refuse(node.source(), "zone.port", "must be an integer", "7001 is the default");
    std::int64_t port = node.as_integer()->get();
    if (port < 1024 || port > 65535) return refuse(node.source(), "zone.port", "must be between 1024 and 65535, is " + std::to_string(port), "7001 is the default");
    draft.zone.port = static_cast<std::uint16_t>(port);
    draft.port_given = true;
  }

  // A16, A17, A29: the type decides; a document may state the fixed values but not change them.
  void read_fixed(toml::table& table) {
    const std::pair<std::string_view, std::string_view> fixed[] = {{type_key, Zone::type},
                                                                   {"transport", Zone::transport},
                                                                   {"tls_verify", Zone::tls_verify},
                                                                   {"media_encryption", Zone::media_encryption},
                                                                   {"authentication_policy", Zone::authentication_policy}};
    if (!table.contains(type_key)) refuse(table.source(), "zone.type", "is missing", "add type = \"uc_traversal\"");
    for (auto [key, value] : fixed) {
      toml::node* node = table.get(key);
      std::string text, path = "zone." + std::string(key);
      if (!node || !read_text(*node, path, text)) continue;
      std::replace(text.begin(), text.end(), '-', '_');
      if (text == value) continue;
      bool is_type = key == type_key;
      refuse(node->source(), path, is_type ? "must be \"uc_traversal\"" : "is fixed to \"" + std::string(value) + "\" for a UC traversal zone",
             is_type ? "it is the only type of zone" : "remove it");
    }
  }

  void read_credential(toml::table& table) {
    refuse_unknown(table, "credential", credential_keys);
    CredentialDraft& draft = draft_.credentials.emplace_back();
    note_places(table, draft.places);
    if (auto* node = table.get("name")) read_text(*node, "credential.name", draft.name);
    if (auto* node = table.get("realm")) read_text(*node, "credential.realm", draft.realm);
    if (auto* node = table.get("password")) read_password(*node, "credential.password", draft.password);
  }

  void read_choice(toml::table& table, const char* key, std::string& choice, std::string_view one, std::string_view other) {
    toml::node* node = table.get(key);
    std::string text, path = std::string("unified_communications.") + key;
    if (node == nullptr || !read_text(*node, path, text)) return;
    std::replace(text.begin(), text.end(), '-', '_');
    if (text != one && text != other) return refuse(node->source(), path, "must be \"" + std::string(one) + "\" or \"" + std::string(other) + "\"", "choose one of them");
    choice = text;
  }

  void read_unified(toml::table& table) {
    refuse_unknown(table, "unified_communications", unified_keys);
    UnifiedCommunications& value = draft_.unified.value;
    note_places(table, draft_.unified.places);
    constexpr const char* section = "unified_communications";
    read_flag(table, section, "mobile_remote_access", value.mobile_remote_access);
    read_flag(table, section, "federation", value.federation);
    read_flag(table, section, "guests", value.guests);
    read_flag(table, section, "activation_code_onboarding", value.activation_code_onboarding);
    if (auto* node = table.get("cluster_name")) read_text(*node, "unified_communications.cluster_name", value.cluster_name);
    const std::pair<const char*, std::vector<std::string>*> lists[] = {{"additional_names", &value.additional_names}, {"registration_domains", &value.registration_domains},
                                                                       {"federation_domains", &value.federation_domains}, {"chat_node_aliases", &value.chat_node_aliases}};
    for (const auto& [key, list] : lists)
      if (auto* node = table.get(key)) read_texts(*node, std::string("unified_communications.") + key, false, *list);
    read_choice(table, "registration_domain_form", value.registration_domain_form, "collab_edge_dns", "dns");
    read_choice(table, "federation_domain_form", value.federation_domain_form, "dns", "xmpp_address");
  }

  void read_profile(toml::table& table) {
    refuse_unknown(table, "phone_profile", profile_keys);
    PhoneProfile& profile = draft_.unified.value.phone_profiles.emplace_back();
    note_places(table, draft_.unified.profile_places.emplace_back());
    if (auto* node = table.get("name")) read_text(*node, "phone_profile.name", profile.name);
    read_flag(table, "phone_profile", "encrypted", profile.encrypted);
    read_flag(table, "phone_profile", "oauth", profile.oauth);
  }

  SiteDraft& draft_;
};

void write_unified(std::ostream& out, const UnifiedCommunications& unified) {
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  out << "\n[unified_communications]\n" << (unified.activation_code_onboarding ? "activation_code_onboarding = true\n" : "") << "mobile_remote_access = " << flag(unified.mobile_remote_access) << "\nfederation = " << flag(unified.federation) << "\nguests = " << flag(unified.guests) << "\n";
  if (!unified.cluster_name.empty()) out << "cluster_name = " << toml_literal(unified.cluster_name) << "\n";
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {{"additional_names", &unified.additional_names}, {"registration_domains", &unified.registration_domains},
                                                                           {"federation_domains", &unified.federation_domains}, {"chat_node_aliases", &unified.chat_node_aliases}};
  for (const auto& [key, list] : lists)
    if (!list->empty()) out << key << " = " << toml_literal(*list) << "\n";
  out << "registration_domain_form = " << toml_literal(unified.registration_domain_form) << "\nfederation_domain_form = " << toml_literal(unified.federation_domain_form) << "\n";
  for (const PhoneProfile& profile : unified.phone_profiles) {
    out << "\n[[phone_profile]]\nname = " << toml_literal(profile.name) << "\nencrypted = " << flag(profile.encrypted) << "\noauth = " << flag(profile.oauth) << "\n";
  }
}

}  // namespace

SiteDraft read_site_document(std::string_view text, const std::string& file_name) {
  SiteDraft draft;
  draft.file = file_name;
  SiteReader(draft).read(text);
  return draft;
}

std::string write_site_document(const SiteConfig& site, config::Role role, std::uint32_t format) {
  std::ostringstream out;
  out << "# Site of role " << config::name_of(role) << ", revision " << site.revision << ". Apply with: sallyport apply FILE\n";
  if (format > 1) out << "format = " << format << "\n";
  for (const Zone& zone : site.zones) {
    out << "\n[[zone]]\nname = " << toml_literal(zone.name) << "\ntype = \"" << Zone::type << "\"\nport = " << zone.port << "\nuser = " << toml_literal(zone.user) << "\n";
    if (zone.has_password) out << "password = { keep = true }\n";
    if (role == config::Role::core) out << "peers = " << toml_literal(zone.peers) << "\n";
    if (role == config::Role::edge) out << "tls_verify_subject_name = " << toml_literal(zone.tls_verify_subject_names) << "\n";
    if (!zone.sip_domains.empty()) out << "sip_domains = " << toml_literal(zone.sip_domains) << "\n";
  }
  for (const Credential& credential : site.credentials) {
    out << "\n[[credential]]\nname = " << toml_literal(credential.name) << "\npassword = { keep = true }\nrealm = " << toml_literal(credential.realm) << "\n";
  }
  if (site.unified != UnifiedCommunications{}) write_unified(out, site.unified);
  return out.str();
}

}  // namespace sallyport::store
