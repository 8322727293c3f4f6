// SPDX-License-Identifier: Apache-2.0
#pragma once
// SessionTable: who is logged in at the HTTPS administration address. A session is known by a token of 256 random bits, of which only the
// SHA-256 is kept; it ends by itself when it was not used for a while, and at the latest after its whole lifetime. Requests of a session
// are policed. The CSRF token of a session is a MAC of its token by a key of this process, so that it can be given again and need not be
// kept. In memory only: a new process knows no session. Bounded. One thread.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::accounts {

struct SessionLimits {
  std::chrono::seconds idle{900}, lifetime{28800};
  std::size_t sessions = 64, of_an_account = 8;
  double requests_per_s = 20, burst = 60;
};

struct Session {
  std::string id;  // for lists; says nothing of the token
  std::int64_t account_id = 0, account_revision = 0;
  std::string account, source;
  std::int64_t opened_s = 0;  // UTC
  std::chrono::steady_clock::time_point opened{}, used{};
  double tokens = 0;  // of the policer
  std::chrono::steady_clock::time_point filled{};
};

class SessionTable {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // clock: for tests; empty takes the steady clock.
  explicit SessionTable(SessionLimits limits, Clock clock = {});
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  // The token, which is nowhere else. An account's oldest gives way to one more of it. Fault exhausted: there are too many.
  Outcome<std::string> open(std::int64_t account_id, std::int64_t account_revision, const std::string& account, const std::string& source);
  // Null: there is none, or its time is over. Using it puts off its end.
  std::shared_ptr<Session> find(std::string_view token);
  // False: the session asks too fast.
  bool may_ask(Session& session);
  std::string csrf_token(std::string_view token) const;
  bool is_csrf_token(std::string_view token, std::string_view presented) const;

  // It stays although its account's password is another now.
  void renew(std::string_view id, std::int64_t account_revision);
  bool close(std::string_view id);  // false: there is none
  // Those for which it is true.
  void close_if(const std::function<bool(const Session&)>& ends);
  std::vector<std::shared_ptr<const Session>> list();  // newest first
  const SessionLimits& limits() const { return limits_; }

 private:
  bool is_over(const Session& session) const;
  void sweep();
  SessionLimits limits_;
  Clock clock_;
  std::array<unsigned char, 32> csrf_key_{};
  std::unordered_map<std::string, std::shared_ptr<Session>> sessions_;  // by SHA-256 of the token
};

}  // namespace sallyport::accounts
