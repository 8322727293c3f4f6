// SPDX-License-Identifier: Apache-2.0
#pragma once
// SiteConfig: what operators change at run time, as an immutable snapshot: the traversal zones, the local authentication database
// and the keys of flow tokens. Readers keep a shared_ptr<const SiteConfig>; a change makes a new snapshot with a higher revision.
// Passwords are not in it: C's are sealed (SiteStore::zone_password opens one), E keeps only HA1 hashes.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/config/node_config.h"

namespace sallyport::store {

inline constexpr std::uint16_t default_zone_port = 7001;  // A27; the next zone takes 7002, ...
inline constexpr std::size_t max_peers = 6;               // A31
inline constexpr const char* default_realm = "sallyport-traversal";

// A UC traversal zone (A16, A17). SIP TLS, TLS verify on, media encryption forced and "do not check credentials" (A29) are fixed.
struct Zone {
  std::string name;  // A24: not empty, unique
  std::uint16_t port = default_zone_port;
  std::string user;
  bool has_password = false;                         // C: a sealed password is stored
  std::vector<std::string> peers;                    // C: 1 to 6 host names or IP literals, in order
  std::vector<std::string> tls_verify_subject_names;  // E: one of them must be a SAN of C's certificate (A28)
  std::vector<std::string> sip_domains;              // lower case; empty on the only zone: every domain

  // A16: the type alone decides.
  static const char* role_name(config::Role role) { return role == config::Role::core ? "client" : "server"; }
  static constexpr const char* type = "uc_traversal";
  static constexpr const char* transport = "tls";
  static constexpr const char* tls_verify = "on";
  static constexpr const char* media_encryption = "force_encrypted";
  static constexpr const char* authentication_policy = "do_not_check_credentials";
  bool operator==(const Zone&) const = default;
};

// An entry of E's local authentication database (A26). HA1 = H(name ":" realm ":" password), lower-case hex (RFC 7616 3.4.2).
struct Credential {
  std::string name;  // A25: no space
  std::string realm = default_realm;
  std::string ha1_md5;     // 32 characters
  std::string ha1_sha256;  // 64 characters
  bool operator==(const Credential&) const = default;
};

// B16 to B22: a phone security profile of call control; C's certificate carries its name if it is encrypted and without OAuth.
struct PhoneProfile {
  std::string name;  // FQDN, or no request can be made (B17)
  bool encrypted = true;
  bool oauth = false;
  bool operator==(const PhoneProfile&) const = default;
};

// The features in use, and the names that certificates need for them (B06 to B36).
struct UnifiedCommunications {
  bool mobile_remote_access = true;
  bool federation = false;  // XMPP
  bool guests = false;
  bool activation_code_onboarding = false;  // C: phones are given certificates for an activation code (B37)
  std::string cluster_name;
  std::vector<std::string> additional_names;
  std::vector<std::string> registration_domains;
  std::string registration_domain_form = "collab_edge_dns";  // or "dns" (B31)
  std::vector<std::string> federation_domains;
  std::string federation_domain_form = "dns";  // or "xmpp_address" (B33)
  std::vector<std::string> chat_node_aliases;  // C: those of presence; E takes them over from C (B35)
  std::vector<PhoneProfile> phone_profiles;    // C
  bool operator==(const UnifiedCommunications&) const = default;
};

struct FlowTokenKey {
  std::uint8_t generation = 0;
  std::array<std::uint8_t, 32> secret{};
  bool operator==(const FlowTokenKey&) const = default;
};

struct SiteConfig {
  std::uint64_t revision = 0;
  std::vector<Zone> zones;              // by port
  std::vector<Credential> credentials;  // by name
  UnifiedCommunications unified;
  FlowTokenKey flow_key;                       // signs and verifies
  std::optional<FlowTokenKey> previous_flow_key;  // verifies only

  const Zone* find_zone(const std::string& name) const;
  const Credential* find_credential(const std::string& name) const;
};

}  // namespace sallyport::store
