// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an authority answers, read from its JSON: directory, order, authorization, renewal information (RFC 8555 7.1, RFC 9773).
// Hostile input: members of the wrong type, foreign URLs and endless lists end in a Fault that names the member. Plain values;
// pure functions; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/acme/problem.h"
#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct Directory {
  std::string new_nonce, new_account, new_order, revoke_certificate, key_change;
  std::string renewal_info;  // empty: the authority offers none
  std::string terms_of_service, website;
  bool external_account_required = false;
  std::vector<std::string> profiles;  // names; empty: it has none
};

enum class ResourceStatus : uint8_t { pending, processing, ready, valid, invalid, deactivated, expired, revoked };
const char* name_of(ResourceStatus status);

struct Order {
  ResourceStatus status = ResourceStatus::pending;
  std::vector<std::string> authorizations;  // URLs
  std::string finalize;
  std::string certificate;  // URL, once valid
  std::optional<Problem> error;
};

enum class ChallengeKind : uint8_t { http01, tls_alpn01, dns01 };
const char* name_of(ChallengeKind kind);  // "http-01"

struct Challenge {
  ChallengeKind kind = ChallengeKind::http01;
  ResourceStatus status = ResourceStatus::pending;
  std::string url, token;
  std::optional<Problem> error;
};

struct Authorization {
  std::string domain;  // without "*."
  bool is_wildcard = false;
  ResourceStatus status = ResourceStatus::pending;
  std::vector<Challenge> challenges;  // of the kinds known here
};

struct RenewalInfo {
  int64_t start_s = 0, end_s = 0;  // renew within
  std::string explanation_url;
};

// subject begins every Fault: "authority le".
Outcome<Directory> read_directory(const std::string& subject, std::string_view body);
Outcome<Order> read_order(const std::string& subject, std::string_view body);
Outcome<Authorization> read_authorization(const std::string& subject, std::string_view body);
Outcome<RenewalInfo> read_renewal_info(const std::string& subject, std::string_view body);

}  // namespace sallyport::acme
