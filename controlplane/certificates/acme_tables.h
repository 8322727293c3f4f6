// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ACME tables of the store, read and written. Call within a transaction; failures are thrown as SqliteFailure. Secrets are sealed, each
// bound to its name.

#include <string>
#include <utility>
#include <vector>

#include "controlplane/certificates/acme_store.h"
#include "controlplane/store/node_key.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::certificates {

AcmeConfig read_acme(store::SqliteDatabase& database);
// By name and value, as they are set; without the secret one.
std::vector<std::pair<std::string, std::string>> acme_settings(const AcmeConfig& config);

// What domains that were deleted left behind; before one of their names comes anew.
void forget_orphaned_slots(store::SqliteDatabase& database);

// Added at the end of the order, or changed where it stands.
void write_acme_authority(store::SqliteDatabase& database, const AcmeAuthority& authority);
void write_acme_setting(store::SqliteDatabase& database, const std::string& name, const std::string& value);

inline constexpr const char* dns_secret = "dns";
inline std::string external_secret(const std::string& authority) { return "external/" + authority; }
inline std::string account_secret(const std::string& authority) { return "account/" + authority; }
bool has_acme_secret(store::SqliteDatabase& database, const std::string& name);
store::Secret read_acme_secret(store::SqliteDatabase& database, const store::NodeKey& key, const std::string& name);  // empty: none
void keep_acme_secret(store::SqliteDatabase& database, const store::NodeKey& key, const std::string& name, const store::Secret& secret);
void forget_acme_secret(store::SqliteDatabase& database, const std::string& name);

}  // namespace sallyport::certificates
