// SPDX-License-Identifier: Apache-2.0
#pragma once
// SiteStore: the node's SQLite file (WAL, synchronous=FULL) with zones, credentials, flow-token keys and the history of changes.
// A change is one transaction: it is durable and published, or nothing happened. Several processes may open one file; refresh()
// takes in what another wrote. snapshot() from any thread; everything else blocks on the disk and is serialised by a mutex.
// Listeners run on the thread that made the change, after it is durable; they may read from the store but not change it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/finding.h"
#include "controlplane/store/secret.h"
#include "controlplane/store/site_config.h"
#include "controlplane/store/site_plan.h"
#include "dataplane/abi/fault.h"

namespace sallyport::store {

class SitePart;

struct SiteStoreOptions {
  std::string state_dir;  // made with mode 0700 if missing; holds site.db and node.key (0600)
  config::Role role = config::Role::edge;
  std::string node_name;                          // goes into history
  std::uint16_t first_zone_port = default_zone_port;  // E: [traversal] port
};

// Who applies a document over the network does not choose which program of the machine is run.
enum class DocumentOrigin : std::uint8_t { node, network };

struct HistoryEntry {
  std::uint64_t revision = 0;
  std::string at;      // UTC, RFC 3339
  std::string actor;   // "uid 0 by apply", "node start"
  std::string change;  // a line of the plan
};

class SiteStore {
 public:
  using Listener = std::function<void(std::shared_ptr<const SiteConfig> before, std::shared_ptr<const SiteConfig> after)>;

  static Outcome<std::unique_ptr<SiteStore>> open(const SiteStoreOptions& options);
  virtual ~SiteStore() = default;

  virtual std::shared_ptr<const SiteConfig> snapshot() const = 0;
  // Returns an id for remove_listener.
  virtual std::uint64_t add_listener(Listener listener) = 0;
  virtual void remove_listener(std::uint64_t id) = 0;

  // Who keeps what documents of format 2 say beyond zones and credentials; before the first plan. Without one documents are of format 1.
  virtual void set_part(std::shared_ptr<SitePart> part) = 0;

  // What applying this site document would do; changes nothing. Findings go into the plan, a Fault is about the store itself.
  virtual Outcome<SitePlan> plan(std::string_view document, const std::string& file_name, DocumentOrigin origin = DocumentOrigin::node) = 0;
  // Plans and applies in one transaction. Refusals: nothing was changed. An empty plan makes no new revision.
  virtual Outcome<SitePlan> apply(std::string_view document, const std::string& file_name, const std::string& actor, DocumentOrigin origin = DocumentOrigin::node) = 0;
  // The site as a document which apply() takes with an empty plan; passwords stand as { keep = true }.
  virtual Outcome<std::string> export_document() = 0;

  // C: opens the sealed password of a zone. Fault: no such zone, no password, or the node key does not fit.
  virtual Outcome<Secret> zone_password(const std::string& zone_name) = 0;

  // Makes a new generation; the former stays valid for verifying until the next rotation.
  virtual Outcome<> rotate_flow_key(const std::string& actor) = 0;
  // Takes in what another process committed; true if there was something.
  virtual Outcome<bool> refresh() = 0;
  virtual Outcome<std::vector<HistoryEntry>> history(std::size_t newest) = 0;
};

}  // namespace sallyport::store
