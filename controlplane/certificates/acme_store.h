// SPDX-License-Identifier: Apache-2.0
#pragma once
// AcmeStore: which authorities issue certificates to this node by ACME, for which slots, by which challenge, with account keys and other
// secrets sealed; in the node's store beside the certificates. As CertificateVault: one transaction a change, a history line, snapshots.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/request.h"
#include "controlplane/certificates/slot.h"
#include "controlplane/config/node_config.h"
#include "controlplane/store/secret.h"

namespace sallyport::certificates {

inline constexpr std::size_t max_acme_authorities = 8;

struct AcmeAuthority {
  std::string name;
  std::string directory_url;
  std::vector<std::string> contacts;  // "mailto:admin@example.com"
  std::string ca_file;                // PEM: who vouches for the authority's server; empty: the system's
  std::string preferred_root, profile;
  std::string external_key_id;        // external account binding (RFC 8555 7.3.4); its HMAC key is a secret
  bool agrees_to_terms = false;       // of its service; without it no account is made where it has any
  std::string account_url;            // once there is an account
};

struct AcmeConfig {
  std::vector<AcmeAuthority> authorities;  // asked in this order until one issues
  std::vector<Slot> slots;                 // that are kept by ACME, in their order (comes_before)
  std::string challenge = "http-01";       // or tls-alpn-01, dns-01
  KeyKind key = KeyKind::ecdsa_p256;
  std::string dns_server;                  // dns-01 by RFC 2136: "192.0.2.53:53"
  std::string dns_key_name, dns_algorithm = "hmac-sha256";  // TSIG; its key is a secret
  std::string dns_zone;                    // empty: the server is asked
  std::string dns_alias;                   // where _acme-challenge.NAME leads by CNAME, if the server does not know; empty: it does
  std::string dns_check_servers;           // with commas: that must show the record; empty: those of the zone's NS records
  std::string dns_hook;                    // dns-01 by a program, absolute path

  bool keeps(const Slot& slot) const;
  const AcmeAuthority* find(std::string_view name) const;
};

class AcmeStore {
 public:
  using Listener = std::function<void()>;

  // After the SiteStore, which makes the tables.
  static Outcome<std::unique_ptr<AcmeStore>> open(const std::string& state_dir, config::Role role);
  virtual ~AcmeStore() = default;

  virtual std::shared_ptr<const AcmeConfig> snapshot() const = 0;
  virtual void set_listener(Listener listener) = 0;

  // Added at the end of the order, or changed if there is one of that name. hmac_key (base64url): with external_key_id.
  virtual Outcome<> put_authority(const AcmeAuthority& authority, const store::Secret& hmac_key, const std::string& actor) = 0;
  // With its account's key.
  virtual Outcome<> remove_authority(const std::string& name, const std::string& actor) = 0;
  virtual Outcome<> turn(const Slot& slot, bool on, const std::string& actor) = 0;
  // challenge, key, dns_server, dns_key_name, dns_algorithm, dns_key (secret, base64), dns_zone, dns_alias, dns_check_servers, dns_hook.
  virtual Outcome<> set(const std::string& name, const std::string& value, const std::string& actor) = 0;

  // Domains came or went in the vault. True: other slots are kept now.
  virtual Outcome<bool> refresh() = 0;
  // A site document changed any of it; tells the listener.
  virtual Outcome<> reload() = 0;

  virtual Outcome<store::Secret> hmac_key(const std::string& authority) = 0;
  virtual Outcome<store::Secret> dns_key() = 0;  // base64
  // DER; empty: none yet. With account_url empty it may be the key of an account or not: registering it tells.
  virtual Outcome<store::Secret> account_key(const std::string& authority) = 0;
  virtual Outcome<> keep_account(const std::string& authority, const store::Secret& key_der, const std::string& account_url) = 0;
};

}  // namespace sallyport::certificates
