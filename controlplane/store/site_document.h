// SPDX-License-Identifier: Apache-2.0
#pragma once
// The site document (TOML): read into a draft that remembers where everything stands, and written back by export.
// Reading checks form only: known keys, types, sizes; what the values may be is in site_rules.h. Pure, any thread.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/finding.h"
#include "controlplane/store/secret.h"
#include "controlplane/store/site_config.h"

namespace sallyport::store {

inline constexpr std::size_t max_site_document_bytes = 1 << 20;
inline constexpr std::size_t max_zones = 64;
inline constexpr std::size_t max_credentials = 1000;
inline constexpr std::size_t max_phone_profiles = 500;

struct Place {
  std::uint32_t line = 0, column = 0;
};

struct PasswordDraft {
  enum class Kind : std::uint8_t { absent, keep, given } kind = Kind::absent;
  Secret text;
};

struct ZoneDraft {
  Zone zone;
  bool port_given = false;
  PasswordDraft password;
  std::map<std::string, Place> places;  // by key; "": the section
};

struct CredentialDraft {
  std::string name;
  std::string realm = default_realm;
  PasswordDraft password;
  std::map<std::string, Place> places;
};

struct UnifiedDraft {
  UnifiedCommunications value;
  std::map<std::string, Place> places;  // empty: the section is not there
  std::vector<std::map<std::string, Place>> profile_places;
};

struct SiteDraft {
  std::string file;
  UnifiedDraft unified;
  std::vector<ZoneDraft> zones;
  std::vector<CredentialDraft> credentials;
  config::Findings errors;
};

SiteDraft read_site_document(std::string_view text, const std::string& file_name);
std::string write_site_document(const SiteConfig& site, config::Role role);

}  // namespace sallyport::store
