// SPDX-License-Identifier: Apache-2.0
#pragma once
// Doorkeeper: decides who comes in at the HTTPS administration address, and what they may do there. Logging in is answered alike, and with
// the same work, whether the account does not exist or the password is wrong; a session is good as long as its account stays and keeps
// its password, and has the account's role of this moment. Counts what it decides. On the node's thread; must go before its io_context.

#include <array>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/accounts/account_store.h"
#include "controlplane/accounts/login_throttle.h"
#include "controlplane/accounts/password_worker.h"
#include "controlplane/accounts/session_table.h"

namespace sallyport::accounts {

struct DoorkeeperOptions {
  SessionLimits sessions;
  ThrottleOptions throttle;
  PasswordWorkerOptions passwords;
};

enum class LoginVerdict : std::uint8_t { accepted, refused, too_fast, overloaded };
inline constexpr const char* login_verdicts[] = {"accepted", "refused", "too_fast", "overloaded"};

struct Login {
  LoginVerdict verdict = LoginVerdict::refused;
  std::string token;  // accepted
  std::chrono::seconds wait{0};  // too_fast, overloaded: until it may be tried again
};

enum class Judgement : std::uint8_t { admitted, no_session, too_fast, csrf, role };
inline constexpr const char* judgements[] = {"admitted", "no_session", "too_fast", "csrf", "role"};

// What a request brings along.
struct Visit {
  std::string_view token, csrf;
  bool changes = false;  // anything but looking
  Role needs = Role::administer;
};

struct Visitor {
  Judgement judgement = Judgement::no_session;
  std::string account, session;  // known unless there is no session
  Role role = Role::read;
};

struct DoorkeeperCounters {
  std::array<std::uint64_t, std::size(login_verdicts)> logins{};
  std::array<std::uint64_t, std::size(judgements)> requests{};
};

class Doorkeeper {
 public:
  Doorkeeper(AccountStore& accounts, DoorkeeperOptions options, SessionTable::Clock clock = {});

  // source: "192.0.2.7:40312" for lists; source_key: what counts as one source.
  boost::asio::awaitable<Login> log_in(std::string account, std::shared_ptr<const store::Secret> password, std::string source, std::string source_key);
  Visitor judge(const Visit& visit);
  // What was begun by an admitted request and lasts: whether its session is still good for it. Counts as using it.
  bool may_go_on(std::string_view token, Role needs);
  // Of an account that is logged in and changes its own password: the other sessions end, this one stays. Fault refused: the old one is wrong.
  boost::asio::awaitable<Outcome<>> change_password(std::string session, std::shared_ptr<const store::Secret> old_password, std::shared_ptr<const store::Secret> password, std::string source_key);

  AccountStore& accounts() { return accounts_; }
  SessionTable& sessions() { return sessions_; }
  PasswordWorker& passwords() { return passwords_; }
  const DoorkeeperCounters& counters() const { return counters_; }

 private:
  Login count(Login login);
  Visitor look_at(const Visit& visit);
  // Null: the account is gone or has another password, and the session with it. Belongs to the snapshot.
  const Account* account_of(const AccountStore::Accounts& accounts, const Session& session);
  AccountStore& accounts_;
  SessionTable sessions_;
  LoginThrottle throttle_;
  PasswordWorker passwords_;
  SessionTable::Clock clock_;
  DoorkeeperCounters counters_;
};

}  // namespace sallyport::accounts
