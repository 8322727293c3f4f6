// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/acme_schedule.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "controlplane/acme/jws.h"
#include "controlplane/acme/timestamp.h"

namespace sallyport::acme {
namespace {

constexpr double renewal_share = 2.0 / 3, renewal_spread = 0.053;  // to 72 % of the life
constexpr int64_t shortest_advice_s = 60, usual_advice_s = 6 * 3600, longest_advice_s = 86400;
constexpr int64_t attempts_left = 8;
constexpr int64_t shortest_urgent_s = 300;

int64_t share_of(int64_t seconds, double share) { return static_cast<int64_t>(std::llround(static_cast<double>(seconds) * share)); }

DomainStatus failed_with(DomainStatus status, std::string reason, FailedAttempt attempt, int64_t now_s, double draw) {
  status.state = DomainState::failed;
  status.reason = std::move(reason);
  attempt.failures = ++status.failures;
  attempt.not_after_s = status.valid_until_s;
  status.next_attempt_s = retry_time_s(now_s, attempt, draw);
  return status;
}

}  // namespace

double draw_of(std::string_view seed) {
  const std::string digest = sha256(seed);
  uint64_t bits = 0;
  for (size_t i = 0; i < 6; ++i) bits = bits << 8 | static_cast<unsigned char>(digest[i]);
  return static_cast<double>(bits) / static_cast<double>(uint64_t{1} << 48);
}

int64_t renewal_time_s(const CertificateLife& life, const std::optional<RenewalInfo>& advice, double draw) {
  if (advice && advice->end_s > advice->start_s) return advice->start_s + share_of(advice->end_s - advice->start_s, draw);
  const int64_t whole_s = std::max<int64_t>(life.not_after_s - life.not_before_s, 0);
  return life.not_before_s + share_of(whole_s, renewal_share + renewal_spread * draw);
}

int64_t advice_time_s(int64_t now_s, std::optional<int64_t> ask_again_after_s) {
  return now_s + (ask_again_after_s ? std::clamp(*ask_again_after_s, shortest_advice_s, longest_advice_s) : usual_advice_s);
}

int64_t retry_time_s(int64_t now_s, const FailedAttempt& attempt, double draw) {
  const unsigned doublings = std::min(attempt.failures == 0 ? 0 : attempt.failures - 1, 20u);
  int64_t delay_s = std::min(first_retry_s << doublings, longest_retry_s);
  if (attempt.not_after_s) {
    const int64_t left_s = std::max<int64_t>(*attempt.not_after_s - now_s, 0);
    delay_s = std::min(delay_s, std::max(left_s / attempts_left, shortest_urgent_s));
  }
  delay_s += share_of(delay_s, draw / 4);
  int64_t allowed_s = attempt.retry_after_s ? std::min(*attempt.retry_after_s, longest_wish_s) : 0;
  if (attempt.is_rate_limited && !attempt.retry_after_s) allowed_s = rate_limit_retry_s;
  return now_s + std::max(delay_s, allowed_s);
}

int64_t left_alone_until_s(int64_t now_s, const Refusal& refusal) {
  const bool is_limit = refusal.type == "rateLimited" || refusal.status == 429 || refusal.status == 503;
  if (!is_limit) return 0;
  return now_s + (refusal.retry_after_s ? std::min(*refusal.retry_after_s, longest_wish_s) : refusal.status == 503 ? 0 : rate_limit_retry_s);
}

const char* name_of(DomainState state) {
  static constexpr std::array names = {"off", "pending", "ready", "deployed", "failed"};
  return names[static_cast<size_t>(state)];
}

std::string DomainStatus::text() const {
  const std::string validity = valid_until_s ? "valid until " + date_text(*valid_until_s) : "no certificate yet";
  switch (state) {
    case DomainState::off: return valid_until_s ? "off; " + validity : "off";
    case DomainState::pending: return "pending" + (reason.empty() ? "" : ": " + reason) + (valid_until_s ? "; " + validity : "");
    case DomainState::ready: return "ready" + (valid_until_s ? "; old certificate " + validity : std::string());
    case DomainState::deployed: return validity + (next_attempt_s ? "; renewed " + date_text(*next_attempt_s) : "");
    case DomainState::failed: return "failed: " + reason + "; " + validity + (next_attempt_s ? "; next attempt " + date_text(*next_attempt_s) : "");
  }
  return "";
}

DomainStatus begun(DomainStatus status, std::string what) {
  status.state = DomainState::pending;
  status.reason = std::move(what);
  status.next_attempt_s.reset();
  return status;
}

DomainStatus issued(DomainStatus status, std::string authority) {
  status.state = DomainState::ready;
  status.reason.clear();
  status.authority = std::move(authority);
  return status;
}

DomainStatus deployed(DomainStatus status, const CertificateLife& life, int64_t next_attempt_s) {
  status.state = DomainState::deployed;
  status.reason.clear();
  status.failures = 0;
  status.valid_until_s = life.not_after_s;
  status.next_attempt_s = next_attempt_s;
  return status;
}

DomainStatus failed(DomainStatus status, const OrderReport& report, int64_t now_s, double draw) {
  FailedAttempt attempt;
  attempt.retry_after_s = report.retry_after_s();
  attempt.is_rate_limited = report.is_rate_limited();
  return failed_with(std::move(status), report.fault().text(), attempt, now_s, draw);
}

DomainStatus failed(DomainStatus status, const Fault& fault, int64_t now_s, double draw) {
  return failed_with(std::move(status), fault.text(), {}, now_s, draw);
}

DomainStatus switched_off(DomainStatus status) {
  status.state = DomainState::off;
  status.reason.clear();
  status.failures = 0;
  status.next_attempt_s.reset();
  return status;
}

}  // namespace sallyport::acme
