// SPDX-License-Identifier: Apache-2.0
#pragma once
// SitePart: what a site document of format 2 says of things that another store keeps, in the same database. The SiteStore has it plan and
// write within its own transaction, so that a document is applied whole or not at all. Functions throw SqliteFailure; take() must not.

#include <functional>
#include <string>

#include "controlplane/config/node_config.h"
#include "controlplane/store/node_key.h"
#include "controlplane/store/site_document.h"
#include "controlplane/store/site_plan.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::store {

// What it refers to outlives the plan and what writes it.
struct SitePartContext {
  SqliteDatabase& database;
  const NodeKey& key;
  const SiteDraft& draft;
  config::Role role = config::Role::edge;
  bool had_zones = false;
  bool is_local = true;  // who applies it stands on the node
};

class SitePart {
 public:
  using Write = std::function<void()>;
  virtual ~SitePart() = default;

  // Judges and compares: lines, refusals and warnings go into the plan. Changes nothing; what it returns does, if nothing was refused.
  virtual Write plan(const SitePartContext& context, SitePlan& plan) = 0;
  // Its sections, appended to the document.
  virtual void write_document(SqliteDatabase& database, std::string& document) = 0;
  // What was written is durable: takes it into service. On the thread that applied it, with no lock held.
  virtual void take() = 0;
};

}  // namespace sallyport::store
