// SPDX-License-Identifier: Apache-2.0
#pragma once
// RevocationFinding: what an authority said of one certificate, by OCSP or by a CRL, once its word was verified. Plain value.

#include <openssl/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::revocation {

enum class RevocationState : std::uint8_t { unchecked, good, revoked, unknown };
inline constexpr std::size_t revocation_states = 4;
const char* name_of(RevocationState state);  // "good"
RevocationState revocation_state_from(std::string_view name);

struct RevocationFinding {
  RevocationState state = RevocationState::unchecked;
  std::int64_t this_update_s = 0;
  std::int64_t next_update_s = 0;  // 0: it does not say until when it holds
  std::int64_t revoked_s = 0;
  std::string reason;  // of a revocation: "keyCompromise"; empty: none was given
  bool operator==(const RevocationFinding&) const = default;
};

// How far the authority's clock and ours may differ.
inline constexpr std::int64_t clock_slack_s = 300;

std::int64_t unix_time(const ASN1_TIME* time);  // 0: it cannot be read
// What is wrong with these times at `now_s`; empty: nothing.
std::string time_objection(std::int64_t this_update_s, std::int64_t next_update_s, std::int64_t now_s);
std::string reason_text(int crl_reason);  // RFC 5280 5.3.1; -1: ""

}  // namespace sallyport::revocation
