// SPDX-License-Identifier: Apache-2.0
#pragma once
// RevocationStore: the last word of the authorities on this node's certificates, in the node's store (site.db), so that a restart
// staples at once and asks nobody before its time. Not part of the site's history: operators change nothing of it. Blocks on the disk;
// one thread. Open it after the SiteStore, which makes the table.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controlplane/revocation/revocation_finding.h"
#include "dataplane/abi/fault.h"

namespace sallyport::revocation {

struct RevocationRecord {
  std::string fingerprint;  // SHA-256 of the certificate, hex
  RevocationFinding finding;
  std::string staple;             // OCSP answer, DER; empty: none that may be stapled
  std::int64_t staple_until_s = 0;
};

class RevocationStore {
 public:
  static Outcome<std::unique_ptr<RevocationStore>> open(const std::string& state_dir);
  virtual ~RevocationStore() = default;

  virtual Outcome<std::vector<RevocationRecord>> load() = 0;
  // In the place of what was there for these certificates, in one transaction.
  virtual Outcome<> keep(const std::vector<RevocationRecord>& records) = 0;
  virtual Outcome<> forget_all_but(const std::set<std::string>& fingerprints) = 0;
};

}  // namespace sallyport::revocation
