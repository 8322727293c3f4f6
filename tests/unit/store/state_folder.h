// SPDX-License-Identifier: Apache-2.0
#pragma once
// StateFolder: a fresh state_dir for one test, removed with everything in it at the end; and stores opened on it.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "controlplane/store/site_store.h"

namespace sallyport::store {

class StateFolder {
 public:
  StateFolder() {
    char pattern[] = "/tmp/sallyport-store-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~StateFolder() { std::filesystem::remove_all(path_); }
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  Outcome<std::unique_ptr<SiteStore>> try_open(config::Role role) const {
    return SiteStore::open({.state_dir = path_, .role = role, .node_name = "n1"});
  }
  std::unique_ptr<SiteStore> open(config::Role role) const {
    auto store = try_open(role);
    EXPECT_TRUE(store) << store.fault().text();
    return store ? std::move(*store) : nullptr;
  }

 private:
  std::string path_;
};

inline constexpr const char* core_site = R"([[zone]]
name = "Traversal zone"
type = "uc_traversal"
user = "exampleauth"
password = "s3cret"
peers = ["e1.example.com", "e2.example.com"]
sip_domains = ["example.com"]
)";

inline constexpr const char* edge_site = R"([[zone]]
name = "Traversal zone"
type = "uc_traversal"
user = "exampleauth"
tls_verify_subject_name = "c.example.com"
sip_domains = ["example.com"]

[[credential]]
name = "exampleauth"
password = "s3cret"
)";

}  // namespace sallyport::store
