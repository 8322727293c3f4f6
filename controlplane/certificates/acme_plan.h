// SPDX-License-Identifier: Apache-2.0
#pragma once
// AcmePlan: what a site document changes of ACME: authorities, settings, and the slots that are kept. What is as it was is not judged anew,
// so that an export can always be applied. Within the transaction of the SiteStore; throws SqliteFailure.

#include <set>
#include <string>
#include <vector>

#include "controlplane/certificates/acme_store.h"
#include "controlplane/certificates/plan_notes.h"

namespace sallyport::certificates {

class AcmePlan {
 public:
  // domains: those that exist once the document is applied.
  AcmePlan(const PlanNotes& notes, const std::set<std::string, std::less<>>& domains);
  void run();
  void write();
  // Sections of a document that say what is stored; secrets stand as { keep = true }.
  static std::string document(store::SqliteDatabase& database);

 private:
  struct PlannedAuthority {
    AcmeAuthority authority;
    const store::Secret* new_hmac_key = nullptr;
    bool is_new_account = false;
  };
  void plan_authorities();
  void plan_authority(const store::AcmeAuthorityDraft& draft);
  bool has_hmac_key(const store::AcmeAuthorityDraft& draft, const AcmeAuthority* former, PlannedAuthority& planned);
  void compare_authority(const AcmeAuthority* former, const PlannedAuthority& planned);
  void plan_settings();
  void plan_slots();

  const PlanNotes notes_;
  const store::AcmeDraft& draft_;
  const std::set<std::string, std::less<>>& domains_;
  const AcmeConfig stored_;
  std::vector<PlannedAuthority> authorities_;
  std::vector<std::pair<std::string, std::string>> settings_;  // those that change
  const store::Secret* new_dns_key_ = nullptr;
  bool drops_dns_key_ = false, changes_authorities_ = false;
  std::string challenge_;
  std::vector<std::string> slots_on_, slots_off_;
};

}  // namespace sallyport::certificates
