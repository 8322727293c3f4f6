// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/certificate_reader.h"

namespace sallyport::store {
namespace {

constexpr std::string_view sections[] = {"certificates", "trust", "acme", "acme_authority", "files"};
constexpr std::string_view certificate_keys[] = {"mode", "duplicate_self_signed_cn", "weak_keys", "domains"};
constexpr std::string_view trust_keys[] = {"purpose", "pem", "file"};
constexpr std::string_view acme_keys[] = {"challenge", "key", "dns_server", "dns_key_name", "dns_algorithm", "dns_key", "dns_zone", "dns_alias", "dns_check_servers", "dns_hook", "slots"};
constexpr std::string_view authority_keys[] = {"name", "directory_url", "contacts", "ca_file", "preferred_root", "profile", "external_key_id", "external_hmac_key", "agrees_to_terms"};
constexpr std::size_t max_listed = 20'002;         // domains of a node, and of slots two more
constexpr std::size_t max_trust_sections = 2'000;
constexpr std::size_t max_authority_sections = 8, max_contacts = 10, max_purposes = 6;
constexpr std::size_t max_long_bytes = 512 << 10;  // as an upload

}  // namespace

bool CertificateReader::knows(std::string_view section) { return std::find(std::begin(sections), std::end(sections), section) != std::end(sections); }

void CertificateReader::read(std::string_view section, toml::node& node) {
  const std::string name(section);
  if (section == "trust") return read_list(node, "trust", max_trust_sections, [this](toml::table& table) { read_trust(table); });
  if (section == "acme_authority") return read_list(node, "acme_authority", max_authority_sections, [this](toml::table& table) { read_acme_authority(table); });
  toml::table* table = node.as_table();
  if (table == nullptr) return refuse(node.source(), name, "must be one section", "write it as [" + name + "]");
  if (section == "certificates") read_certificates(*table);
  else if (section == "acme") read_acme(*table);
  else read_files(*table);
}

// One of thousands that is wrong is named by its own line.
void CertificateReader::read_placed(toml::node& node, const std::string& path, std::vector<PlacedText>& list) {
  toml::array* array = node.as_array();
  if (array == nullptr) return refuse(node.source(), path, "must be a list of strings", "write it like [\"example.com\"]");
  if (array->size() > max_listed) return refuse(node.source(), path, "has more than " + std::to_string(max_listed) + " elements", "remove some");
  list.reserve(array->size());
  for (toml::node& element : *array) {
    std::string text;
    if (!read_text(element, path, text)) return;
    list.push_back({std::move(text), place_of(element)});
  }
}

bool CertificateReader::read_long_text(toml::node& node, const std::string& path, std::string& text) {
  if (!node.is_string()) return refuse(node.source(), path, "must be a string", "put it between three quotes"), false;
  text = node.as_string()->get();
  if (text.size() > max_long_bytes) return refuse(node.source(), path, "is larger than 512 KiB", "split it"), false;
  return true;
}

void CertificateReader::read_certificates(toml::table& table) {
  refuse_unknown(table, "certificates", certificate_keys);
  note_places(table, draft_.places);
  for (const char* key : {"mode", "duplicate_self_signed_cn", "weak_keys"})
    if (auto* node = table.get(key)) read_text(*node, std::string("certificates.") + key, draft_.settings[key]);
  if (auto* node = table.get("domains")) read_placed(*node, "certificates.domains", draft_.domains);
}

void CertificateReader::read_trust(toml::table& table) {
  refuse_unknown(table, "trust", trust_keys);
  TrustDraft& draft = draft_.trust.emplace_back();
  note_places(table, draft.places);
  if (auto* node = table.get("purpose")) read_texts(*node, "trust.purpose", true, draft.purposes, max_purposes);
  if (auto* node = table.get("pem")) read_long_text(*node, "trust.pem", draft.pem);
  if (auto* node = table.get("file")) read_text(*node, "trust.file", draft.file);
}

void CertificateReader::read_acme(toml::table& table) {
  refuse_unknown(table, "acme", acme_keys);
  note_places(table, draft_.acme.places);
  for (const std::string_view key : acme_keys) {
    toml::node* node = table.get(key);
    if (node == nullptr || key == "dns_key" || key == "slots") continue;
    read_text(*node, "acme." + std::string(key), draft_.acme.settings[std::string(key)]);
  }
  if (auto* node = table.get("dns_key")) read_password(*node, "acme.dns_key", draft_.acme.dns_key);
  if (auto* node = table.get("slots")) read_placed(*node, "acme.slots", draft_.acme.slots);
}

void CertificateReader::read_acme_authority(toml::table& table) {
  refuse_unknown(table, "acme_authority", authority_keys);
  AcmeAuthorityDraft& draft = draft_.acme_authorities.emplace_back();
  note_places(table, draft.places);
  const std::pair<const char*, std::string*> texts[] = {{"name", &draft.name}, {"directory_url", &draft.directory_url}, {"ca_file", &draft.ca_file},
                                                        {"preferred_root", &draft.preferred_root}, {"profile", &draft.profile}, {"external_key_id", &draft.external_key_id}};
  for (const auto& [key, text] : texts)
    if (auto* node = table.get(key)) read_text(*node, std::string("acme_authority.") + key, *text);
  if (auto* node = table.get("contacts")) read_texts(*node, "acme_authority.contacts", false, draft.contacts, max_contacts);
  if (auto* node = table.get("external_hmac_key")) read_password(*node, "acme_authority.external_hmac_key", draft.external_hmac_key);
  read_flag(table, "acme_authority", "agrees_to_terms", draft.agrees_to_terms);
}

void CertificateReader::read_files(toml::table& table) {
  for (auto&& [name, node] : table) read_long_text(node, "files", draft_.files[std::string(name.str())]);
}

}  // namespace sallyport::store
