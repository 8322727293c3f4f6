// SPDX-License-Identifier: Apache-2.0
#pragma once
// AuditLog: who asked this node to change what, from where, and what came of it: rows of the node's store, never with what a request's body
// held. Bounded: the oldest go first, and what was refused has a share of its own, so that strangers cannot push out what was done. A row
// is durable when write() returns. One thread; blocks on the disk.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/store/sqlite_database.h"

namespace sallyport::accounts {

struct AuditEntry {
  std::int64_t id = 0;  // grows; never used again
  std::string at;       // UTC with milliseconds, RFC 3339
  std::string actor;    // "uid 0", "account anna", "stranger"
  std::string source;   // "unix socket", "192.0.2.7:40312"
  std::string method, path;
  std::string object;   // "slot=server, family=rsa"; empty: the path says it
  unsigned status = 0;  // of the answer
  std::uint64_t more = 0;  // like it that were refused since the one before and have no row of their own
};

enum class AuditOutcome : std::uint8_t { any, done, refused };

struct AuditQuery {
  std::size_t limit = 100;
  std::int64_t before = 0;  // only ids below it, for the next page; 0: from the newest
  std::string actor;        // whole
  std::string path;         // its beginning
  std::string since, until;  // RFC 3339 or its beginning, "2026-11-28": from then on, before then
  AuditOutcome outcome = AuditOutcome::any;
};

class AuditLog {
 public:
  // After the SiteStore, which makes the tables. rows: most that are kept, those refused a quarter of it.
  static Outcome<std::unique_ptr<AuditLog>> open(const std::string& state_dir, std::size_t rows);

  // Its id and time are given here.
  Outcome<> write(const AuditEntry& entry);
  // Newest first.
  Outcome<std::vector<AuditEntry>> list(const AuditQuery& query);

 private:
  AuditLog(const std::string& path, std::size_t rows) : database_(path), rows_(rows) {}
  void forget_oldest(bool is_refused);
  store::SqliteDatabase database_;
  const std::size_t rows_;
};

// 400 and above.
inline bool is_refused(const AuditEntry& entry) { return entry.status >= 400; }

}  // namespace sallyport::accounts
