// SPDX-License-Identifier: Apache-2.0
#pragma once
// open_store(): how the stores beside the certificates are opened: the node's database, its sealing key, and the first snapshot. Any thread.

#include <memory>
#include <string>
#include <utility>

#include "controlplane/store/node_key.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::certificates {

// Made: a Store with a constructor (path, NodeKey, further...) and Outcome<> start(). After the SiteStore, which makes the tables.
template <class Store, class Made, class... Further>
Outcome<std::unique_ptr<Store>> open_store(const std::string& state_dir, Further&&... further) {
  return store::guarded([&]() -> Outcome<std::unique_ptr<Store>> {
    auto key = store::NodeKey::load(state_dir + "/node.key", false);
    if (!key) return key.fault();
    auto made = std::make_unique<Made>(state_dir + "/site.db", std::move(*key), std::forward<Further>(further)...);
    if (const Outcome<> started = made->start(); !started) return started.fault();
    return std::unique_ptr<Store>(std::move(made));
  });
}

}  // namespace sallyport::certificates
