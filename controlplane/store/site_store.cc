// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "controlplane/store/node_key.h"
#include "controlplane/store/site_document.h"
#include "controlplane/store/site_part.h"
#include "controlplane/store/site_rules.h"
#include "controlplane/store/site_schema.h"
#include "controlplane/store/site_tables.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::store {
namespace {

using Snapshot = std::shared_ptr<const SiteConfig>;

class SqliteSiteStore final : public SiteStore {
 public:
  SqliteSiteStore(const SiteStoreOptions& options, std::unique_ptr<SqliteDatabase> database, NodeKey key)
      : options_(options), database_(std::move(database)), key_(std::move(key)) {}

  Outcome<> start() {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(*database_);
      SiteConfig site = read_site(*database_, key_);
      SqliteStatement has_key = database_->prepare("SELECT count(*) FROM flow_key");
      if (has_key.step() && has_key.integer(0) == 0) {
        write_flow_key(*database_, key_);
        write_history(*database_, {"create flow key"}, "node " + options_.node_name);
        site = read_site(*database_, key_);
      }
      transaction.commit();
      data_version_ = database_->pragma("data_version");
      publish(std::move(site));
      return Done{};
    });
  }

  Snapshot snapshot() const override {
    std::lock_guard lock(snapshot_mutex_);
    return snapshot_;
  }

  std::uint64_t add_listener(Listener listener) override {
    std::lock_guard lock(snapshot_mutex_);
    listeners_.emplace_back(next_listener_, std::move(listener));
    return next_listener_++;
  }

  void remove_listener(std::uint64_t id) override {
    std::lock_guard lock(snapshot_mutex_);
    std::erase_if(listeners_, [&](const auto& entry) { return entry.first == id; });
  }

  void set_part(std::shared_ptr<SitePart> part) override { part_ = std::move(part); }

  Outcome<SitePlan> plan(std::string_view document, const std::string& file_name, DocumentOrigin origin) override {
    SiteDraft draft = read_site_document(document, file_name);
    std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<SitePlan> {
      SqliteTransaction transaction(*database_);
      return plan_against_stored(draft, origin).site.plan;
    });
  }

  Outcome<SitePlan> apply(std::string_view document, const std::string& file_name, const std::string& actor, DocumentOrigin origin) override {
    SiteDraft draft = read_site_document(document, file_name);
    return change([&]() -> Outcome<SitePlan> {
      SqliteTransaction transaction(*database_);
      Planned planned = plan_against_stored(draft, origin);
      SitePlan& plan = planned.site.plan;
      if (plan.is_refused()) return std::move(plan);
      plan.applied = true;
      if (plan.lines.empty()) return std::move(plan);
      write_site(*database_, key_, planned.site);
      if (planned.write_part) planned.write_part();
      write_history(*database_, told_lines(plan.lines), actor);
      plan.revision = commit_and_publish(transaction);
      has_part_news_ = planned.write_part != nullptr;
      return std::move(plan);
    });
  }

  Outcome<std::string> export_document() override {
    std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<std::string> {
      SqliteTransaction transaction(*database_);
      std::string document = write_site_document(read_site(*database_, key_), options_.role, part_ ? newest_site_format : 1);
      if (part_) part_->write_document(*database_, document);
      return document;
    });
  }

  Outcome<Secret> zone_password(const std::string& zone_name) override {
    std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<Secret> { return read_zone_password(*database_, key_, zone_name); });
  }

  Outcome<> rotate_flow_key(const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(*database_);
      write_flow_key(*database_, key_);
      write_history(*database_, {"change flow key"}, actor);
      commit_and_publish(transaction);
      return Done{};
    });
  }

  Outcome<bool> refresh() override {
    return change([&]() -> Outcome<bool> {
      // Counts the commits of other connections only.
      std::int64_t version = database_->pragma("data_version");
      if (version == data_version_) return false;
      SqliteTransaction transaction(*database_);
      SiteConfig site = read_site(*database_, key_);
      data_version_ = database_->pragma("data_version");
      if (site.revision == snapshot()->revision) return false;
      publish(std::move(site));
      return true;
    });
  }

  Outcome<std::vector<HistoryEntry>> history(std::size_t newest) override {
    std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<std::vector<HistoryEntry>> { return read_history(*database_, newest); });
  }

 private:
  struct Planned {
    PlannedSite site;
    SitePart::Write write_part;
  };

  Planned plan_against_stored(const SiteDraft& draft, DocumentOrigin origin) {
    SiteConfig stored = read_site(*database_, key_);
    auto is_stored_password = [&](const std::string& zone, std::string_view password) {
      const Zone* found = stored.find_zone(zone);
      return found && found->has_password && read_zone_password(*database_, key_, zone).reveal() == password;
    };
    Planned planned{plan_site(draft, {options_.role, options_.first_zone_port, stored, is_stored_password}), {}};
    if (draft.format < 2 || !draft.errors.empty()) return planned;
    SitePlan& plan = planned.site.plan;
    if (part_ == nullptr) {
      plan.refusals.push_back({.file = draft.file, .key = "format", .cause = "cannot be 2 here: nothing of this process keeps certificates", .remedy = "apply it to a running node"});
      plan.lines.clear();
      return planned;
    }
    planned.write_part = part_->plan({*database_, key_, draft, options_.role, !stored.zones.empty(), origin == DocumentOrigin::node}, plan);
    if (plan.is_refused()) plan.lines.clear();
    sort_by_place(plan.refusals);
    return planned;
  }

  std::uint64_t commit_and_publish(SqliteTransaction& transaction) {
    SiteConfig site = read_site(*database_, key_);
    std::uint64_t revision = site.revision;
    transaction.commit();
    data_version_ = database_->pragma("data_version");
    publish(std::move(site));
    return revision;
  }

  // Runs work with the database to itself, then tells the listeners, who may read from the store.
  template <class Work>
  auto change(Work work) -> decltype(work()) {
    bool has_part_news = false;
    auto outcome = [&] {
      std::lock_guard lock(mutex_);
      auto result = guarded(work);
      has_part_news = std::exchange(has_part_news_, false);
      return result;
    }();
    // First, so that a zone which is new finds the trust that came with it.
    if (has_part_news) part_->take();
    tell_listeners();
    return outcome;
  }

  void publish(SiteConfig site) {
    auto after = std::make_shared<const SiteConfig>(std::move(site));
    std::lock_guard lock(snapshot_mutex_);
    snapshot_ = after;
    if (!told_) told_ = after;  // the first one is nobody's news
  }

  // In order even if two threads change at once: each listener sees a chain of snapshots without gaps, perhaps with steps joined.
  void tell_listeners() {
    std::lock_guard telling(telling_mutex_);
    Snapshot after, before;
    std::vector<std::pair<std::uint64_t, Listener>> listeners;
    {
      std::lock_guard lock(snapshot_mutex_);
      if (told_ == snapshot_) return;
      after = snapshot_;
      before = std::exchange(told_, after);
      listeners = listeners_;
    }
    for (auto& [id, listener] : listeners) listener(before, after);
  }

  SiteStoreOptions options_;
  std::mutex mutex_;  // of the database
  std::unique_ptr<SqliteDatabase> database_;
  NodeKey key_;
  std::shared_ptr<SitePart> part_;
  bool has_part_news_ = false;  // under mutex_
  std::int64_t data_version_ = 0;
  std::mutex telling_mutex_;
  mutable std::mutex snapshot_mutex_;
  Snapshot snapshot_;
  Snapshot told_;  // the last one listeners know
  std::vector<std::pair<std::uint64_t, Listener>> listeners_;
  std::uint64_t next_listener_ = 1;
};

Outcome<> make_private_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return Done{};
  return Fault{FaultCode::refused, "state_dir " + path, std::string("cannot be made: ") + std::strerror(errno), "make it, owned by the service user"};
}

// The store belongs to a role: a C started on E's store would otherwise see zones that mean something else.
void claim_role(SqliteDatabase& database, config::Role role) {
  SqliteTransaction transaction(database);
  SqliteStatement statement = database.prepare("SELECT role FROM site");
  if (!statement.step()) {
    database.prepare("INSERT INTO site (id, role, revision) VALUES (1, ?, 0)").bind(1, std::string_view(config::name_of(role))).run();
    return transaction.commit();
  }
  if (statement.text(0) == config::name_of(role)) return;
  throw SqliteFailure{{FaultCode::conflict, "store " + database.path(), "belongs to a node of role " + statement.text(0) + ", this node is " + config::name_of(role),
                       "give each node a state_dir of its own"}};
}

}  // namespace

Outcome<std::unique_ptr<SiteStore>> SiteStore::open(const SiteStoreOptions& options) {
  if (auto folder = make_private_folder(options.state_dir); !folder) return folder.fault();
  return guarded([&]() -> Outcome<std::unique_ptr<SiteStore>> {
    auto database = std::make_unique<SqliteDatabase>(options.state_dir + "/site.db");
    migrate(*database, site_schema_steps());
    claim_role(*database, options.role);
    Outcome<NodeKey> key = NodeKey::load(options.state_dir + "/node.key", !has_sealed_rows(*database));
    if (!key) return key.fault();
    auto store = std::make_unique<SqliteSiteStore>(options, std::move(database), std::move(*key));
    if (auto started = store->start(); !started) return started.fault();
    return std::unique_ptr<SiteStore>(std::move(store));
  });
}

}  // namespace sallyport::store
