// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rows of the store to values and back. Every function runs inside the caller's transaction and throws SqliteFailure.

#include <string>
#include <utility>
#include <vector>

#include "controlplane/store/node_key.h"
#include "controlplane/store/site_config.h"
#include "controlplane/store/site_rules.h"
#include "controlplane/store/site_store.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::store {

SiteConfig read_site(SqliteDatabase& database, const NodeKey& key);
// Opens C's password of a zone; code missing if there is none.
Secret read_zone_password(SqliteDatabase& database, const NodeKey& key, const std::string& zone);
// Replaces zones and credentials by these.
void write_site(SqliteDatabase& database, const NodeKey& key, const PlannedSite& site);
// Puts a new key in front; the one that stood there becomes the previous one.
void write_flow_key(SqliteDatabase& database, const NodeKey& key);
bool has_sealed_rows(SqliteDatabase& database);
// Next revision with one history line for each change; forgets all but the newest 10,000 lines.
void write_history(SqliteDatabase& database, const std::vector<std::string>& changes, const std::string& actor);
std::vector<HistoryEntry> read_history(SqliteDatabase& database, std::size_t newest);

}  // namespace sallyport::store
