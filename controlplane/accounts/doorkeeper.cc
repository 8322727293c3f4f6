// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/doorkeeper.h"

#include <algorithm>

namespace sallyport::accounts {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds overload_wait{2};

}  // namespace

Doorkeeper::Doorkeeper(AccountStore& accounts, DoorkeeperOptions options, SessionTable::Clock clock)
    : accounts_(accounts), sessions_(options.sessions, clock), throttle_(options.throttle), passwords_(options.passwords), clock_(std::move(clock)) {
  if (!clock_) clock_ = [] { return std::chrono::steady_clock::now(); };
}

Login Doorkeeper::count(Login login) {
  ++counters_.logins[static_cast<std::size_t>(login.verdict)];
  return login;
}

asio::awaitable<Login> Doorkeeper::log_in(std::string name, std::shared_ptr<const store::Secret> password, std::string source, std::string source_key) {
  // Names that can be nobody's share one entry of the throttle.
  if (!judge_account_name(name)) name = "?";
  Login login;
  login.wait = throttle_.admit(name, source_key, clock_());
  if (login.wait.count() > 0) {
    login.verdict = LoginVerdict::too_fast;
    co_return count(login);
  }
  const auto before = accounts_.snapshot();
  const Account* account = accounts_.find(*before, name);
  PasswordHash stored = account == nullptr ? passwords_.decoy() : account->password;
  const auto fits = co_await passwords_.check(password, std::move(stored));
  if (!fits) {
    throttle_.take_back(name, source_key, clock_());
    login.verdict = LoginVerdict::overloaded;
    login.wait = overload_wait;
    co_return count(login);
  }
  // Meanwhile it may have been removed, or have another password.
  const auto now = accounts_.snapshot();
  const bool is_valid = *fits && account != nullptr && accounts_.find(*now, account->id, account->revision) != nullptr;
  if (!is_valid) co_return count(login);
  throttle_.succeeded(name, source_key, clock_());
  auto opened = sessions_.open(account->id, account->revision, account->name, source);
  login.verdict = opened ? LoginVerdict::accepted : LoginVerdict::overloaded;
  if (opened) login.token = std::move(*opened);
  else login.wait = overload_wait;
  co_return count(login);
}

const Account* Doorkeeper::account_of(const AccountStore::Accounts& accounts, const Session& session) {
  const Account* account = accounts_.find(accounts, session.account_id, session.account_revision);
  if (account == nullptr) sessions_.close(std::string(session.id));
  return account;
}

bool Doorkeeper::may_go_on(std::string_view token, Role needs) {
  const auto session = sessions_.find(token);
  if (session == nullptr) return false;
  const auto accounts = accounts_.snapshot();
  const Account* account = account_of(*accounts, *session);
  return account != nullptr && includes(account->role, needs);
}

Visitor Doorkeeper::look_at(const Visit& visit) {
  Visitor visitor;
  const auto session = sessions_.find(visit.token);
  if (session == nullptr) return visitor;
  const auto accounts = accounts_.snapshot();
  const Account* account = account_of(*accounts, *session);
  if (account == nullptr) return visitor;
  visitor.account = account->name;
  visitor.session = session->id;
  visitor.role = account->role;
  if (!sessions_.may_ask(*session)) visitor.judgement = Judgement::too_fast;
  else if (visit.changes && !sessions_.is_csrf_token(visit.token, visit.csrf)) visitor.judgement = Judgement::csrf;
  else visitor.judgement = includes(account->role, visit.needs) ? Judgement::admitted : Judgement::role;
  return visitor;
}

Visitor Doorkeeper::judge(const Visit& visit) {
  Visitor visitor = look_at(visit);
  ++counters_.requests[static_cast<std::size_t>(visitor.judgement)];
  return visitor;
}

asio::awaitable<Outcome<>> Doorkeeper::change_password(std::string session, std::shared_ptr<const store::Secret> old_password, std::shared_ptr<const store::Secret> password, std::string source_key) {
  const Fault gone{FaultCode::refused, "session", "has ended meanwhile", "log in again"};
  const auto find = [this, &session]() -> std::shared_ptr<const Session> {
    const auto all = sessions_.list();
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each->id == session; });
    return found == all.end() ? nullptr : *found;
  };
  const auto own = find();
  const auto before = accounts_.snapshot();
  const Account* account = own == nullptr ? nullptr : accounts_.find(*before, own->account_id, own->account_revision);
  if (account == nullptr) co_return gone;
  const std::string name = account->name;
  // Who found an open session must not guess here as fast as he likes.
  const auto wait = throttle_.admit(name, source_key, clock_());
  if (wait.count() > 0) co_return Fault{FaultCode::exhausted, "password", "was tried too often", "try again in " + std::to_string(wait.count()) + " s"};
  PasswordHash stored = account->password;
  const auto fits = co_await passwords_.check(old_password, std::move(stored));
  if (!fits) {
    throttle_.take_back(name, source_key, clock_());
    co_return fits.fault();
  }
  if (!*fits) co_return Fault{FaultCode::refused, "password", "the old one is another", "type it again"};
  throttle_.succeeded(name, source_key, clock_());
  const auto made = co_await passwords_.hash(password);
  if (!made) co_return made.fault();
  const auto now = accounts_.snapshot();
  if (accounts_.find(*now, account->id, account->revision) == nullptr) co_return gone;
  if (const Outcome<> changed = accounts_.set_password(name, *made); !changed) co_return changed.fault();
  sessions_.close_if([&](const Session& each) { return each.account_id == account->id && each.id != session; });
  sessions_.renew(session, account->revision + 1);
  co_return Done{};
}

}  // namespace sallyport::accounts
