// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/sqlite_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::store {
namespace {

constexpr int busy_timeout_ms = 5000;

SqliteFailure failure(const std::string& path, int code, const std::string& cause) {
  Fault fault{FaultCode::internal, "store " + path, cause, ""};
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      fault.code = FaultCode::timeout;
      fault.remedy = "another process holds it; try again";
      break;
    case SQLITE_FULL:
      fault.code = FaultCode::exhausted;
      fault.remedy = "free space on its file system";
      break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      fault.code = FaultCode::refused;
      fault.remedy = "let the service user own the folder and its files";
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      fault.code = FaultCode::invalid;
      fault.remedy = "restore it from a backup, or move it away and apply the site document again";
      break;
    default:
      fault.remedy = "look at the disk and the permissions";
  }
  return {fault};
}

// SQLite would make the file with the umask's mode; hashes and sealed passwords are for the service user only.
void make_private_file(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) throw failure(path, SQLITE_CANTOPEN, std::string("cannot be opened: ") + std::strerror(errno));
  ::close(descriptor);
}

}  // namespace

SqliteStatement::SqliteStatement(sqlite3* database, std::string_view sql, const std::string& path) : database_(database), path_(path) {
  check(sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr));
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

void SqliteStatement::check(int code) const {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) throw failure(path_, code, sqlite3_errmsg(database_));
}

SqliteStatement& SqliteStatement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT));
  return *this;
}

SqliteStatement& SqliteStatement::bind(int index, std::int64_t number) {
  check(sqlite3_bind_int64(statement_, index, number));
  return *this;
}

SqliteStatement& SqliteStatement::bind_blob(int index, std::string_view bytes) {
  check(sqlite3_bind_blob(statement_, index, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT));
  return *this;
}

bool SqliteStatement::step() {
  int code = sqlite3_step(statement_);
  check(code);
  return code == SQLITE_ROW;
}

void SqliteStatement::run() {
  while (step()) {
  }
  reset();
}

void SqliteStatement::reset() {
  check(sqlite3_reset(statement_));
  check(sqlite3_clear_bindings(statement_));
}

std::string SqliteStatement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_, column);
  return bytes ? std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
}

std::int64_t SqliteStatement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string SqliteStatement::blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  return bytes ? std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
}

bool SqliteStatement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

SqliteDatabase::SqliteDatabase(const std::string& path) : path_(path) {
  make_private_file(path);
  int code = sqlite3_open_v2(path.c_str(), &database_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    SqliteFailure problem = failure(path, code, database_ ? sqlite3_errmsg(database_) : "cannot be opened");
    sqlite3_close_v2(database_);
    throw problem;
  }
  try {
    sqlite3_busy_timeout(database_, busy_timeout_ms);
    sqlite3_extended_result_codes(database_, 1);
    // FULL: a commit that was answered survives a power cut, also in WAL.
    execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA secure_delete=ON;");
  } catch (...) {
    sqlite3_close_v2(database_);
    throw;
  }
}

SqliteDatabase::~SqliteDatabase() { sqlite3_close_v2(database_); }

void SqliteDatabase::execute(const std::string& sql) {
  int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw failure(path_, code, sqlite3_errmsg(database_));
}

std::int64_t SqliteDatabase::pragma(const std::string& name) {
  SqliteStatement statement = prepare("PRAGMA " + name);
  return statement.step() ? statement.integer(0) : 0;
}

SqliteTransaction::SqliteTransaction(SqliteDatabase& database) : database_(database) { database_.execute("BEGIN IMMEDIATE"); }

SqliteTransaction::~SqliteTransaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const SqliteFailure&) {
    // SQLite has rolled back by itself, for example when the disk was full.
  }
}

void SqliteTransaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace sallyport::store
