// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_schedule.h"

#include <algorithm>

namespace sallyport::revocation {
namespace {

std::int64_t share_of(std::int64_t whole_s, double share) { return static_cast<std::int64_t>(static_cast<double>(whole_s) * share); }

}  // namespace

std::int64_t next_check_s(const RevocationFinding& finding, std::int64_t now_s, double draw) {
  const double share = 0.5 + 0.1 * draw;
  std::int64_t wait_s = wait_without_end_s + share_of(wait_without_end_s, draw / 4);
  if (finding.next_update_s != 0) {
    wait_s = finding.this_update_s + share_of(finding.next_update_s - finding.this_update_s, share) - now_s;
    if (wait_s <= 0) wait_s = share_of(finding.next_update_s - now_s, share);
  }
  const std::int64_t longest_s = finding.state == RevocationState::unknown ? wait_of_unknown_s : longest_wait_s;
  return now_s + std::clamp(wait_s, shortest_wait_s, longest_s - share_of(longest_s, draw / 4));
}

std::int64_t retry_s(unsigned failures, std::int64_t now_s, double draw) {
  std::int64_t wait_s = first_retry_s;
  for (unsigned i = 1; i < failures && wait_s < longest_retry_s; ++i) wait_s *= 2;
  wait_s = std::min(wait_s, longest_retry_s);
  return now_s + wait_s + share_of(wait_s, draw / 4);
}

}  // namespace sallyport::revocation
