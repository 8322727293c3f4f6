// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tables of the store and their history: each step brings a file from one schema version to the next, in one transaction.
// A file written by a newer version is refused, never touched. Call with the database to itself, before anything else.

#include <span>
#include <string_view>

#include "controlplane/store/sqlite_database.h"

namespace sallyport::store {

// Step n makes version n + 1. Steps are only ever added.
std::span<const std::string_view> site_schema_steps();

// Throws SqliteFailure; code conflict if the file is newer than the last step.
void migrate(SqliteDatabase& database, std::span<const std::string_view> steps);

}  // namespace sallyport::store
