// SPDX-License-Identifier: Apache-2.0
#pragma once
// SqliteDatabase, SqliteStatement, SqliteTransaction: the few operations of SQLite the store needs, as values that clean up.
// Failures are thrown as SqliteFailure and turned into a Fault by guarded(), at the face of each store; nothing else throws them. One
// thread at a time.

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::store {

struct SqliteFailure {
  Fault fault;
};

// The one place where a SqliteFailure becomes a Fault; work() returns an Outcome.
template <class Work>
auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const SqliteFailure& failure) {
    return failure.fault;
  }
}

// And the other way round, within it.
template <class T>
T taken(Outcome<T> outcome) {
  if (!outcome) throw SqliteFailure{outcome.fault()};
  return std::move(*outcome);
}

class SqliteStatement {
 public:
  SqliteStatement(sqlite3* database, std::string_view sql, const std::string& path);
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  // Parameters count from 1. bind returns *this, so that a statement reads as one line.
  SqliteStatement& bind(int index, std::string_view text);
  SqliteStatement& bind(int index, std::int64_t number);
  SqliteStatement& bind_blob(int index, std::string_view bytes);
  bool step();  // true: a row stands ready
  void run();   // for statements without rows; ready to be bound again afterwards
  void reset();  // ready to be bound again after step()
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  std::string blob(int column) const;
  bool is_null(int column) const;

 private:
  void check(int code) const;
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  std::string path_;
};

class SqliteDatabase {
 public:
  // Opens or makes the file with mode 0600; WAL, synchronous=FULL, foreign keys, waits at most 5 s for another writer.
  explicit SqliteDatabase(const std::string& path);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  void execute(const std::string& sql);
  SqliteStatement prepare(std::string_view sql) { return SqliteStatement(database_, sql, path_); }
  std::int64_t pragma(const std::string& name);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  sqlite3* database_ = nullptr;
};

// BEGIN IMMEDIATE at once; rolls back unless committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteDatabase& database);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;
  void commit();

 private:
  SqliteDatabase& database_;
  bool open_ = true;
};

}  // namespace sallyport::store
