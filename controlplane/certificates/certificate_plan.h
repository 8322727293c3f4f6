// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificatePlan: what a site document changes of domains, trust and the settings by which certificates are judged. What is as it was is
// not judged anew, so that an export can always be applied. Within the transaction of the SiteStore; throws SqliteFailure.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/certificates/certificate_set.h"
#include "controlplane/certificates/plan_notes.h"

namespace sallyport::certificates {

// What is connected now by the word of that authority alone: "zone Traversal zone, peer e1.example.com".
using Dependants = std::function<std::vector<std::string>(TrustPurpose purpose, const std::string& fingerprint)>;

class CertificatePlan {
 public:
  // stored: as the transaction reads it.
  CertificatePlan(const PlanNotes& notes, CertificateSet stored, Dependants dependants);
  void run();
  void write(std::int64_t now_s);
  const std::set<std::string, std::less<>>& domains() const { return domains_; }  // once it is applied
  static std::string document(const CertificateSet& set);

 private:
  void plan_settings();
  void plan_domains();
  void note_removed_domains();
  void plan_trust();
  void plan_trust_section(const store::TrustDraft& draft);
  const std::string* text_of(const store::TrustDraft& draft, std::string& key);
  void trust(TrustPurpose purpose, const CertificatePtr& certificate, store::Place place, const std::string& key, const std::string& subject);
  void note_removed_trust();
  std::string effect_without(const TrustedAuthority& authority) const;

  const PlanNotes notes_;
  const store::CertificateDraft& draft_;
  const CertificateSet stored_;
  const Dependants dependants_;
  CertificateSet planned_;  // settings and trust
  std::vector<std::pair<std::string, std::string>> settings_;
  std::set<std::string, std::less<>> domains_;
  std::vector<std::string> new_domains_, old_domains_;
  std::map<std::pair<TrustPurpose, std::string>, const TrustedAuthority*> stored_trust_;
  std::set<std::pair<TrustPurpose, std::string>> trusted_;
  std::vector<const TrustedAuthority*> old_trust_;
  std::vector<std::pair<TrustPurpose, CertificatePtr>> new_trust_;
};

}  // namespace sallyport::certificates
