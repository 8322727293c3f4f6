// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_store.h"

#include "controlplane/store/sqlite_database.h"

namespace sallyport::revocation {
namespace {

using store::guarded;
using store::SqliteDatabase;
using store::SqliteStatement;
using store::SqliteTransaction;

class SqliteRevocationStore final : public RevocationStore {
 public:
  explicit SqliteRevocationStore(const std::string& path) : database_(path) {}

  Outcome<std::vector<RevocationRecord>> load() override {
    return guarded([&]() -> Outcome<std::vector<RevocationRecord>> {
      std::vector<RevocationRecord> records;
      SqliteStatement rows = database_.prepare("SELECT fingerprint, state, this_update_s, next_update_s, revoked_s, reason, staple, staple_until_s FROM revocation");
      while (rows.step()) {
        RevocationRecord& record = records.emplace_back();
        record.fingerprint = rows.text(0);
        record.finding = {revocation_state_from(rows.text(1)), rows.integer(2), rows.integer(3), rows.integer(4), rows.text(5)};
        record.staple = rows.blob(6);
        record.staple_until_s = rows.integer(7);
      }
      return records;
    });
  }

  Outcome<> keep(const std::vector<RevocationRecord>& records) override {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      SqliteStatement row = database_.prepare(
          "INSERT OR REPLACE INTO revocation (fingerprint, state, this_update_s, next_update_s, revoked_s, reason, staple, staple_until_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
      for (const RevocationRecord& record : records) {
        const RevocationFinding& finding = record.finding;
        row.bind(1, record.fingerprint).bind(2, std::string_view(name_of(finding.state))).bind(3, finding.this_update_s).bind(4, finding.next_update_s);
        row.bind(5, finding.revoked_s).bind(6, finding.reason).bind_blob(7, record.staple).bind(8, record.staple_until_s).run();
      }
      transaction.commit();
      return Done{};
    });
  }

  Outcome<> forget_all_but(const std::set<std::string>& fingerprints) override {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      std::vector<std::string> gone;
      SqliteStatement rows = database_.prepare("SELECT fingerprint FROM revocation");
      while (rows.step())
        if (!fingerprints.contains(rows.text(0))) gone.push_back(rows.text(0));
      SqliteStatement row = database_.prepare("DELETE FROM revocation WHERE fingerprint = ?");
      for (const std::string& fingerprint : gone) row.bind(1, fingerprint).run();
      transaction.commit();
      return Done{};
    });
  }

 private:
  SqliteDatabase database_;
};

}  // namespace

Outcome<std::unique_ptr<RevocationStore>> RevocationStore::open(const std::string& state_dir) {
  return guarded([&]() -> Outcome<std::unique_ptr<RevocationStore>> { return std::unique_ptr<RevocationStore>(std::make_unique<SqliteRevocationStore>(state_dir + "/site.db")); });
}

}  // namespace sallyport::revocation
