// SPDX-License-Identifier: Apache-2.0
#pragma once
// LoginThrottle: how soon a source may try to log in again, and how soon anybody may for an account: some tries are free, then each wait is
// twice the one before. A try counts as failed when it is let in, so that many at once gain nothing, and is taken back when it succeeds.
// Strangers who keep an account's wait up do not keep out a source from which it logged in lately. Accounts are counted whether they exist
// or not. Bounded tables: of those that are full, who failed longest ago is forgotten. One thread.

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace sallyport::accounts {

struct ThrottleOptions {
  std::uint32_t free_tries = 5;
  std::chrono::seconds first_wait{1}, longest_wait_of_source{900}, longest_wait_of_account{60};
  std::chrono::seconds forgotten_after{3600};  // without a failure
  std::size_t max_entries = 4096;              // of each table
};

class LoginThrottle {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit LoginThrottle(ThrottleOptions options = {}) : options_(options) {}

  // Zero: it may try, and counts as failed until succeeded(). Else after how long it may.
  std::chrono::seconds admit(const std::string& account, const std::string& source, Time now);
  void succeeded(const std::string& account, const std::string& source, Time now);
  // It was not judged, for want of room: as if it had not been tried.
  void take_back(const std::string& account, const std::string& source, Time now);

 private:
  struct Failures {
    std::uint32_t count = 0;
    Time last{};
    Time next{};  // may try again
  };
  using Table = std::unordered_map<std::string, Failures>;
  bool is_known(const std::string& account, const std::string& source, Time now) const;
  Failures& entry(Table& table, const std::string& key, Time now);
  std::chrono::seconds wait_of(const Table& table, const std::string& key, Time now) const;
  void fail(Failures& failures, std::chrono::seconds longest, Time now);
  static void undo(Table& table, const std::string& key);

  ThrottleOptions options_;
  Table sources_, accounts_;
  Table known_;  // account and source that belong together; only `last` is used
};

}  // namespace sallyport::accounts
