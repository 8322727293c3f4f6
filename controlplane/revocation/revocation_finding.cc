// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_finding.h"

#include <openssl/asn1.h>
#include <openssl/ocsp.h>

#include <array>
#include <ctime>

#include "controlplane/tls/alert_text.h"

namespace sallyport::revocation {
namespace {

constexpr std::array<const char*, revocation_states> states = {"unchecked", "good", "revoked", "unknown"};

}  // namespace

const char* name_of(RevocationState state) { return states[static_cast<std::size_t>(state)]; }

RevocationState revocation_state_from(std::string_view name) {
  for (std::size_t at = 0; at < states.size(); ++at)
    if (name == states[at]) return static_cast<RevocationState>(at);
  return RevocationState::unchecked;
}

std::int64_t unix_time(const ASN1_TIME* time) {
  std::tm broken{};
  return time == nullptr || ASN1_TIME_to_tm(time, &broken) != 1 ? 0 : static_cast<std::int64_t>(timegm(&broken));
}

std::string time_objection(std::int64_t this_update_s, std::int64_t next_update_s, std::int64_t now_s) {
  if (this_update_s == 0) return "has no readable time";
  if (this_update_s > now_s + clock_slack_s) return "is of " + tls::date_text(this_update_s) + ", which has not come yet";
  if (next_update_s != 0 && next_update_s < this_update_s) return "ends before it begins";
  if (next_update_s != 0 && next_update_s < now_s - clock_slack_s) return "ended on " + tls::date_text(next_update_s);
  return {};
}

std::string reason_text(int crl_reason) { return crl_reason < 0 ? std::string() : OCSP_crl_reason_str(crl_reason); }

}  // namespace sallyport::revocation
