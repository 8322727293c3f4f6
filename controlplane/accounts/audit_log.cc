// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/audit_log.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "controlplane/config/utc.h"

namespace sallyport::accounts {

using store::guarded;
using store::SqliteStatement;
using store::SqliteTransaction;

namespace {

constexpr std::size_t max_text_bytes = 256, refused_share = 4;

std::string now_text() {
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::string text = config::utc(now_ms / 1000);
  char millis[8];
  std::snprintf(millis, sizeof millis, ".%03dZ", static_cast<int>(now_ms % 1000));
  text.replace(text.size() - 1, 1, millis);
  return text;
}

// What strangers send ends up on terminals.
std::string cleaned(std::string_view text) {
  std::string result(text.substr(0, max_text_bytes));
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '.';
  return result;
}

Outcome<> judge_time(const std::string& text, const char* name) {
  const bool is_fine = text.size() <= 24 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == ':' || c == 'T' || c == 'Z' || c == '.'; });
  if (is_fine) return Done{};
  return Fault{FaultCode::invalid, name, "is no time", "write it like 2026-11-28 or 2026-11-28T13:35:00Z"};
}

}  // namespace

Outcome<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& state_dir, std::size_t rows) {
  return guarded([&]() -> Outcome<std::unique_ptr<AuditLog>> { return std::unique_ptr<AuditLog>(new AuditLog(state_dir + "/site.db", rows)); });
}

Outcome<> AuditLog::write(const AuditEntry& entry) {
  return guarded([&]() -> Outcome<> {
    SqliteTransaction transaction(database_);
    const bool refused = is_refused(entry);
    SqliteStatement row = database_.prepare("INSERT INTO audit (at, actor, source, method, path, object, status, is_refused, more) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    row.bind(1, now_text()).bind(2, cleaned(entry.actor)).bind(3, cleaned(entry.source)).bind(4, cleaned(entry.method)).bind(5, cleaned(entry.path)).bind(6, cleaned(entry.object));
    row.bind(7, std::int64_t{entry.status}).bind(8, std::int64_t{refused}).bind(9, static_cast<std::int64_t>(entry.more)).run();
    forget_oldest(refused);
    transaction.commit();
    return Done{};
  });
}

// One row at most, since each write forgets; more after the bound was lowered.
void AuditLog::forget_oldest(bool refused) {
  const std::size_t share = std::max<std::size_t>(rows_ / refused_share, 1), kept = refused ? share : std::max<std::size_t>(rows_ - share, 1);
  database_.prepare("DELETE FROM audit WHERE is_refused = ?1 AND id <= (SELECT id FROM audit WHERE is_refused = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)").bind(1, std::int64_t{refused}).bind(2, static_cast<std::int64_t>(kept)).run();
}

Outcome<std::vector<AuditEntry>> AuditLog::list(const AuditQuery& query) {
  for (const auto& [text, name] : {std::pair(query.since, "since"), std::pair(query.until, "until")})
    if (const Outcome<> fine = judge_time(text, name); !fine) return fine.fault();
  return guarded([&]() -> Outcome<std::vector<AuditEntry>> {
    SqliteStatement rows = database_.prepare(
        "SELECT id, at, actor, source, method, path, object, status, more FROM audit WHERE (?1 = 0 OR id < ?1) AND (?2 = '' OR actor = ?2) AND (?3 = '' OR substr(path, 1, length(?3)) = ?3) "
        "AND (?4 = '' OR at >= ?4) AND (?5 = '' OR at < ?5) AND (?6 < 0 OR is_refused = ?6) ORDER BY id DESC LIMIT ?7");
    const std::int64_t wanted = query.outcome == AuditOutcome::any ? -1 : query.outcome == AuditOutcome::refused ? 1 : 0;
    rows.bind(1, query.before).bind(2, query.actor).bind(3, query.path).bind(4, query.since).bind(5, query.until).bind(6, wanted).bind(7, static_cast<std::int64_t>(query.limit));
    std::vector<AuditEntry> entries;
    while (rows.step()) {
      AuditEntry& entry = entries.emplace_back();
      entry.id = rows.integer(0);
      entry.at = rows.text(1);
      entry.actor = rows.text(2);
      entry.source = rows.text(3);
      entry.method = rows.text(4);
      entry.path = rows.text(5);
      entry.object = rows.text(6);
      entry.status = static_cast<unsigned>(rows.integer(7));
      entry.more = static_cast<std::uint64_t>(rows.integer(8));
    }
    return entries;
  });
}

}  // namespace sallyport::accounts
