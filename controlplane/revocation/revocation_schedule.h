// SPDX-License-Identifier: Apache-2.0
#pragma once
// When an authority is asked again. Pure functions: time and chance (a draw in [0, 1)) are arguments.

#include "controlplane/revocation/revocation_finding.h"

namespace sallyport::revocation {

inline constexpr std::int64_t shortest_wait_s = 30;
inline constexpr std::int64_t longest_wait_s = 86400;   // a revocation is known within a day, whatever the answers' validity
inline constexpr std::int64_t wait_without_end_s = 3600;  // an answer that does not say how long it holds
inline constexpr std::int64_t wait_of_unknown_s = 600;    // a responder often learns of a new certificate minutes after its issue
inline constexpr std::int64_t first_retry_s = 60, longest_retry_s = 3600;

// At half of the answer's validity, up to a tenth of it later by chance; where that is past already, at half of what is left. What the responder does
// not know yet is asked for sooner.
std::int64_t next_check_s(const RevocationFinding& finding, std::int64_t now_s, double draw);
// After so many failures in a row: a minute, doubled up to an hour, a quarter more by chance.
std::int64_t retry_s(unsigned failures, std::int64_t now_s, double draw);

}  // namespace sallyport::revocation
