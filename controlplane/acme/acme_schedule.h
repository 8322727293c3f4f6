// SPDX-License-Identifier: Apache-2.0
#pragma once
// When a certificate is renewed, when a failed attempt is made again, and what is said of it meanwhile (C29). Pure functions on
// plain values: time and chance are arguments, so that every rule can be tested and every node of a cluster has its own hour.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/acme/acme_order.h"

namespace sallyport::acme {

struct CertificateLife {
  int64_t not_before_s = 0, not_after_s = 0;
};

// In [0, 1), the same for the same seed on every run: a restart does not move the hour. Seed: node name and serial, say.
double draw_of(std::string_view seed);

// Within the authority's window if it suggests one (RFC 9773 4.2), else between two thirds and 72 % of the life. May lie in the past:
// then at once.
int64_t renewal_time_s(const CertificateLife& life, const std::optional<RenewalInfo>& advice, double draw);

// When the authority's renewal information is to be read again: as it says, between a minute and a day; else in six hours.
int64_t advice_time_s(int64_t now_s, std::optional<int64_t> ask_again_after_s);

inline constexpr int64_t first_retry_s = 60;
inline constexpr int64_t longest_retry_s = 6 * 3600;
inline constexpr int64_t rate_limit_retry_s = 3600;  // when a limit is met and no time is named
inline constexpr int64_t longest_wish_s = 8 * 86400;  // how far an authority may put a retry off

struct FailedAttempt {
  unsigned failures = 1;  // in a row, this one counted
  std::optional<int64_t> retry_after_s;
  bool is_rate_limited = false;
  std::optional<int64_t> not_after_s;  // of the certificate in use
};

// A minute, doubled with each failure up to six hours, a quarter of it by chance; never before the authority allows; near the end
// of the old certificate at least eight attempts are left.
int64_t retry_time_s(int64_t now_s, const FailedAttempt& attempt, double draw);

// Until when an authority is to be passed over (Authority::not_before_s) after it refused so; 0: it set no time.
int64_t left_alone_until_s(int64_t now_s, const Refusal& refusal);

enum class DomainState : uint8_t { off, pending, ready, deployed, failed };
const char* name_of(DomainState state);

struct DomainStatus {
  DomainState state = DomainState::off;
  std::string reason;      // of a failure, or what is being done
  std::string authority;   // that issued what is in use
  unsigned failures = 0;   // in a row
  std::optional<int64_t> valid_until_s;   // of the certificate in use; also while renewing or failing
  std::optional<int64_t> next_attempt_s;  // off and pending: none

  // "valid until 2026-12-01 08:00:00 UTC", "failed: REASON; next attempt 2026-...".
  std::string text() const;
};

DomainStatus begun(DomainStatus status, std::string what);
// The chain is here and fits, but not yet served.
DomainStatus issued(DomainStatus status, std::string authority);
DomainStatus deployed(DomainStatus status, const CertificateLife& life, int64_t next_attempt_s);
// Counts the failure and sets the next attempt.
DomainStatus failed(DomainStatus status, const OrderReport& report, int64_t now_s, double draw);
DomainStatus failed(DomainStatus status, const Fault& fault, int64_t now_s, double draw);
DomainStatus switched_off(DomainStatus status);

}  // namespace sallyport::acme
