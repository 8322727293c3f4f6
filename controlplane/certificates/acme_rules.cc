// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/acme_rules.h"

#include <algorithm>

namespace sallyport::certificates {
namespace {

constexpr std::size_t max_name_chars = 63, max_text_bytes = 1024, max_contacts = 10;

bool is_plain(std::string_view text) {
  return text.size() <= max_text_bytes && std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Outcome<> judge_acme_authority(const AcmeAuthority& authority, bool has_hmac_key) {
  const std::string subject = "ACME authority \"" + authority.name.substr(0, max_name_chars) + "\"";
  if (authority.name.empty() || authority.name.size() > max_name_chars || !is_plain(authority.name)) return Fault{FaultCode::invalid, subject, "needs a name of 1 to 63 characters", "give it one, for example le"};
  if (!authority.directory_url.starts_with("https://") || !is_plain(authority.directory_url)) return Fault{FaultCode::invalid, subject, "its directory is no https URL", "give one like https://acme-v02.api.letsencrypt.org/directory"};
  if (authority.contacts.size() > max_contacts) return Fault{FaultCode::invalid, subject, "has more than 10 contacts", "give one or two"};
  for (const std::string& contact : authority.contacts)
    if (!is_plain(contact) || contact.find(':') == std::string::npos) return Fault{FaultCode::invalid, subject, "contact \"" + contact.substr(0, 100) + "\" is no URL", "write it like mailto:admin@example.com"};
  for (const std::string* text : {&authority.ca_file, &authority.preferred_root, &authority.profile, &authority.external_key_id})
    if (!is_plain(*text)) return Fault{FaultCode::invalid, subject, "holds a control character or more than 1,024 bytes", "correct it"};
  if (!authority.ca_file.empty() && authority.ca_file.front() != '/') return Fault{FaultCode::invalid, subject, "its CA file is no absolute path", "give the whole path"};
  if (authority.external_key_id.empty() != !has_hmac_key) return Fault{FaultCode::invalid, subject, "key identifier and HMAC key of the external account belong together", "give both or neither"};
  return Done{};
}

// C30: what is validated by a connection from the Internet works on E only.
Outcome<> judge_acme_challenge(config::Role role, const std::string& challenge) {
  if (role == config::Role::edge || challenge == "dns-01") return Done{};
  return Fault{FaultCode::refused, "ACME challenge " + challenge, "works on E only: no authority can reach this node", "use dns-01 here: sallyport acme set challenge dns-01"};
}

Outcome<> judge_acme_setting(config::Role role, const std::string& name, const std::string& value) {
  const std::string subject = "ACME setting " + name.substr(0, 64);
  if (!is_plain(value)) return Fault{FaultCode::invalid, subject, "holds a control character or more than 1,024 bytes", "correct it"};
  const auto cannot_be = [&](const char* remedy) { return Fault{FaultCode::invalid, subject, "cannot be \"" + value.substr(0, 64) + "\"", remedy}; };
  if (name == "challenge") {
    if (value != "http-01" && value != "tls-alpn-01" && value != "dns-01") return cannot_be("give http-01, tls-alpn-01 or dns-01");
    return judge_acme_challenge(role, value);
  }
  if (name == "key") return key_kind_from(value) && value != "rsa-1024" ? Outcome<>(Done{}) : cannot_be("give rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384");
  if (name == "dns_algorithm") return value == "hmac-sha256" || value == "hmac-sha512" ? Outcome<>(Done{}) : cannot_be("give hmac-sha256 or hmac-sha512");
  if (name == "dns_hook") return value.empty() || value.front() == '/' ? Outcome<>(Done{}) : cannot_be("give the absolute path of the program");
  const std::string_view others[] = {"dns_server", "dns_key_name", "dns_key", "dns_zone", "dns_alias", "dns_check_servers"};
  if (std::find(std::begin(others), std::end(others), name) != std::end(others)) return Done{};
  return Fault{FaultCode::missing, subject, "is none", "give challenge, key, dns_server, dns_key_name, dns_algorithm, dns_key, dns_zone, dns_alias, dns_check_servers or dns_hook"};
}

}  // namespace sallyport::certificates
