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
#include "controlplane/store/certificate_draft.h"
#include "controlplane/store/placed.h"
#include "controlplane/store/site_config.h"

namespace sallyport::store {

inline constexpr std::size_t max_site_document_bytes = 8 << 20;
// 1: zones, credentials, unified communications. 2: certificates, trust and ACME too. What a format covers, a document of it covers whole.
inline constexpr std::uint32_t newest_site_format = 2;
inline constexpr std::size_t max_zones = 64;
inline constexpr std::size_t max_credentials = 1000;
inline constexpr std::size_t max_phone_profiles = 500;

struct ZoneDraft {
  Zone zone;
  bool port_given = false;
  PasswordDraft password;
  Places places;  // by key; "": the section
};

struct CredentialDraft {
  std::string name;
  std::string realm = default_realm;
  PasswordDraft password;
  Places places;
};

struct UnifiedDraft {
  UnifiedCommunications value;
  Places places;  // empty: the section is not there
  std::vector<Places> profile_places;
};

struct SiteDraft {
  std::string file;
  std::uint32_t format = 1;
  UnifiedDraft unified;
  std::vector<ZoneDraft> zones;
  std::vector<CredentialDraft> credentials;
  CertificateDraft certificates;  // of format 2
  config::Findings errors;
};

SiteDraft read_site_document(std::string_view text, const std::string& file_name);
// Without what format 2 says of certificates: that is written by who keeps them (site_part.h).
std::string write_site_document(const SiteConfig& site, config::Role role, std::uint32_t format = 1);

}  // namespace sallyport::store
