// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/login_throttle.h"

#include <algorithm>

namespace sallyport::accounts {
namespace {

constexpr std::chrono::hours known_for{24 * 30};

std::string pair_of(const std::string& account, const std::string& source) { return account + '\n' + source; }

}  // namespace

LoginThrottle::Failures& LoginThrottle::entry(Table& table, const std::string& key, Time now) {
  const auto found = table.find(key);
  if (found != table.end()) return found->second;
  if (table.size() >= options_.max_entries) {
    std::erase_if(table, [&](const auto& each) { return now - each.second.last >= options_.forgotten_after; });
    if (table.size() >= options_.max_entries) table.erase(std::min_element(table.begin(), table.end(), [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
  }
  return table[key];
}

std::chrono::seconds LoginThrottle::wait_of(const Table& table, const std::string& key, Time now) const {
  const auto found = table.find(key);
  if (found == table.end() || found->second.next <= now) return std::chrono::seconds(0);
  return std::chrono::ceil<std::chrono::seconds>(found->second.next - now);
}

void LoginThrottle::fail(Failures& failures, std::chrono::seconds longest, Time now) {
  if (failures.count > 0 && now - failures.last >= options_.forgotten_after) failures = {};
  failures.last = now;
  if (++failures.count <= options_.free_tries) return;
  const std::uint32_t doublings = std::min(failures.count - options_.free_tries - 1, 20u);
  failures.next = now + std::min(longest, options_.first_wait * (std::int64_t{1} << doublings));
}

bool LoginThrottle::is_known(const std::string& account, const std::string& source, Time now) const {
  const auto known = known_.find(pair_of(account, source));
  return known != known_.end() && now - known->second.last < known_for;
}

std::chrono::seconds LoginThrottle::admit(const std::string& account, const std::string& source, Time now) {
  const bool trusts_source = is_known(account, source, now);
  const std::chrono::seconds wait = std::max(wait_of(sources_, source, now), trusts_source ? std::chrono::seconds(0) : wait_of(accounts_, account, now));
  if (wait.count() > 0) return wait;
  fail(entry(sources_, source, now), options_.longest_wait_of_source, now);
  // What a known source gets wrong is its own affair: its own wait covers it.
  if (!trusts_source) fail(entry(accounts_, account, now), options_.longest_wait_of_account, now);
  return wait;
}

void LoginThrottle::undo(Table& table, const std::string& key) {
  const auto found = table.find(key);
  if (found == table.end()) return;
  // The wait that this try brought about goes with it.
  found->second.next = {};
  if (--found->second.count == 0) table.erase(found);
}

// A source keeps its other failures: else an account of one's own would make guessing at another free.
void LoginThrottle::succeeded(const std::string& account, const std::string& source, Time now) {
  undo(sources_, source);
  accounts_.erase(account);
  entry(known_, pair_of(account, source), now).last = now;
}

void LoginThrottle::take_back(const std::string& account, const std::string& source, Time now) {
  undo(sources_, source);
  if (!is_known(account, source, now)) undo(accounts_, account);
}

}  // namespace sallyport::accounts
