// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_accounts.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <set>

#include "controlplane/accounts/doorkeeper.h"
#include "controlplane/api/api_audit.h"
#include "controlplane/api/api_body.h"
#include "controlplane/config/utc.h"

namespace sallyport::api {
namespace {

namespace json = boost::json;
using accounts::Account;
using accounts::LastAdministrator;
using accounts::LoginVerdict;
using accounts::Role;
using config::utc;

constexpr std::size_t max_audit_rows = 1000;

Fault no_session(const ApiRequest& request) { return {FaultCode::invalid, request.path, "is for HTTPS: the Unix socket has no sessions, whoever may open it may administer", "use the address of [administration]"}; }

json::object of(const accounts::Session& session, const accounts::SessionLimits& limits) {
  const auto left = [](auto until) { return std::chrono::duration_cast<std::chrono::seconds>(until - std::chrono::steady_clock::now()).count(); };
  const auto end = std::min(session.used + limits.idle, session.opened + limits.lifetime);
  return {{"id", session.id}, {"account", session.account}, {"source", session.source}, {"opened", utc(session.opened_s)}, {"ends_unused_in_s", std::max<std::int64_t>(left(end), 0)},
          {"ends_in_s", std::max<std::int64_t>(left(session.opened + limits.lifetime), 0)}};
}

json::object of(const Account& account, std::size_t sessions) {
  return {{"name", account.name}, {"role", accounts::name_of(account.role)}, {"made", utc(account.made_s)}, {"password_since", utc(account.password_s)}, {"sessions", sessions}};
}

Outcome<Role> role_of(const std::string& name) {
  if (const auto role = accounts::role_from(name)) return *role;
  return Fault{FaultCode::invalid, "role \"" + name.substr(0, 32) + "\"", "is none", std::string("give ") + accounts::role_list};
}

LastAdministrator rule_of(const ApiRequest& request) { return request.is_local ? LastAdministrator::may_go : LastAdministrator::must_stay; }

void end_sessions(accounts::Doorkeeper& door, const std::string& account) {
  door.sessions().close_if([&](const accounts::Session& session) { return session.account == account; });
}

std::shared_ptr<const accounts::Session> own_session(const ApiRequest& request, ApiParts parts) {
  const auto all = parts.door.sessions().list();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& session) { return session->id == request.session; });
  return found == all.end() ? nullptr : *found;
}

ApiAnswer wait_answer(unsigned status, const Fault& fault, std::chrono::seconds wait) {
  ApiAnswer answer = answer_fault(fault);
  answer.status = status;
  answer.fields.emplace_back("Retry-After", std::to_string(wait.count()));
  return answer;
}

// What is too much for the moment says when to come again.
ApiAnswer answer_busy(const Fault& fault) { return fault.code == FaultCode::exhausted ? wait_answer(503, fault, std::chrono::seconds(2)) : answer_fault(fault); }

ApiAnswer answer_login(const ApiRequest& request, ApiParts parts, const accounts::Login& login) {
  switch (login.verdict) {
    case LoginVerdict::accepted: break;
    case LoginVerdict::refused: {
      ApiAnswer answer = answer_fault({FaultCode::refused, "login", "name or password is wrong", "type both again"});
      answer.status = 401;
      return answer;
    }
    case LoginVerdict::too_fast: return wait_answer(429, {FaultCode::exhausted, "login", "was tried too often", "try again in " + std::to_string(login.wait.count()) + " s"}, login.wait);
    case LoginVerdict::overloaded: return wait_answer(503, {FaultCode::exhausted, "login", "too many are under way at this moment", "try again in a few seconds"}, login.wait);
  }
  const auto accounts = parts.door.accounts().snapshot();
  const auto session = parts.door.sessions().find(login.token);
  const Account* account = session == nullptr ? nullptr : parts.door.accounts().find(*accounts, session->account_id, session->account_revision);
  if (account == nullptr) return answer_fault({FaultCode::conflict, request.path, "the account was changed at this moment", "log in again"});
  json::object value{{"account", account->name}, {"role", accounts::name_of(account->role)}, {"csrf_token", parts.door.sessions().csrf_token(login.token)}, {"session", of(*session, parts.door.sessions().limits())}};
  ApiAnswer answer = answer_json(value, 201);
  answer.fields.emplace_back("Set-Cookie", cookie_of(login.token));
  return answer;
}

Outcome<std::size_t> count_parameter(const ApiRequest& request, const std::string& name, std::size_t otherwise, std::size_t most) {
  const std::string text = parameter(request, name);
  if (text.empty()) return otherwise;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= most) return number;
  return Fault{FaultCode::invalid, name, "is no number from 1 to " + std::to_string(most) + ": " + text.substr(0, 32), "correct it or leave it out"};
}

}  // namespace

std::string cookie_of(std::string_view token) {
  return std::string(session_cookie) + "=" + std::string(token) + "; Path=/; Secure; HttpOnly; SameSite=Strict" + (token.empty() ? "; Max-Age=0" : "");
}

AccountAnswer post_session(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "password"});
  if (!body) co_return answer_fault(body.fault());
  if (request.is_local) co_return answer_fault(no_session(request));
  std::string name = body->text("name"), source = request.source, source_key = request.source_key;
  auto password = body->secret("password");
  boost::asio::awaitable<accounts::Login> trying = parts.door.log_in(std::move(name), std::move(password), std::move(source), std::move(source_key));
  const accounts::Login login = co_await std::move(trying);
  co_return answer_login(request, parts, login);
}

AccountAnswer get_session(const ApiRequest& request, ApiParts parts) {
  const auto session = own_session(request, parts);
  if (session == nullptr) co_return answer_fault(no_session(request));
  json::object value{{"account", request.account}, {"role", accounts::name_of(request.role)}, {"csrf_token", request.csrf}, {"session", of(*session, parts.door.sessions().limits())}};
  co_return answer_json(value);
}

AccountAnswer delete_session(const ApiRequest& request, ApiParts parts) {
  if (request.is_local) co_return answer_fault(no_session(request));
  parts.door.sessions().close(request.session);
  ApiAnswer answer = answer_json(json::object{{"ended", request.session}});
  answer.fields.emplace_back("Set-Cookie", cookie_of(""));
  co_return answer;
}

AccountAnswer post_session_password(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"old_password", "password"});
  if (!body) co_return answer_fault(body.fault());
  if (request.is_local) co_return answer_fault(no_session(request));
  auto old_password = body->secret("old_password"), password = body->secret("password");
  if (const auto fine = accounts::judge_password(request.account, password->reveal()); !fine) co_return answer_fault(fine.fault());
  std::string session = request.session, source_key = request.source_key;
  boost::asio::awaitable<Outcome<>> changing = parts.door.change_password(std::move(session), std::move(old_password), std::move(password), std::move(source_key));
  const auto changed = co_await std::move(changing);
  if (!changed) co_return answer_busy(changed.fault());
  co_return answer_json(json::object{{"changed", request.account}});
}

AccountAnswer get_sessions(const ApiRequest& request, ApiParts parts) {
  json::array list;
  for (const auto& session : parts.door.sessions().list()) {
    if (!accounts::includes(request.role, Role::administer) && session->account != request.account) continue;
    json::object value = of(*session, parts.door.sessions().limits());
    value["current"] = session->id == request.session;
    list.push_back(std::move(value));
  }
  co_return answer_json(list);
}

AccountAnswer delete_sessions(const ApiRequest& request, ApiParts parts) {
  const std::string id = parameter(request, "id");
  const auto all = parts.door.sessions().list();
  const bool may_end_any = accounts::includes(request.role, Role::administer);
  const bool is_there = std::any_of(all.begin(), all.end(), [&](const auto& session) { return session->id == id && (may_end_any || session->account == request.account); });
  if (!is_there) co_return answer_fault({FaultCode::missing, "session " + id.substr(0, 32), "there is none of that id", "see GET /v1/sessions"});
  parts.door.sessions().close(id);
  co_return answer_json(json::object{{"ended", id}});
}

AccountAnswer get_accounts(const ApiRequest&, ApiParts parts) {
  const auto all = parts.door.accounts().snapshot();
  const auto sessions = parts.door.sessions().list();
  json::array list;
  for (const Account& account : *all) {
    const auto open = std::count_if(sessions.begin(), sessions.end(), [&](const auto& session) { return session->account_id == account.id; });
    list.push_back(of(account, static_cast<std::size_t>(open)));
  }
  co_return answer_json(list);
}

AccountAnswer post_account(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "role", "password"});
  if (!body) co_return answer_fault(body.fault());
  const std::string name = body->text("name");
  const auto role = role_of(body->text("role"));
  if (const auto fine = accounts::judge_account_name(name); !fine) co_return answer_fault(fine.fault());
  if (!role) co_return answer_fault(role.fault());
  auto password = body->secret("password");
  if (const auto fine = accounts::judge_password(name, password->reveal()); !fine) co_return answer_fault(fine.fault());
  const auto made = co_await parts.door.passwords().hash(std::move(password));
  if (!made) co_return answer_busy(made.fault());
  if (const auto done = parts.door.accounts().add(name, *role, *made); !done) co_return answer_fault(done.fault());
  co_return answer_json(json::object{{"name", name}, {"role", accounts::name_of(*role)}}, 201);
}

AccountAnswer delete_account(const ApiRequest& request, ApiParts parts) {
  const std::string name = parameter(request, "name");
  if (const auto done = parts.door.accounts().remove(name, rule_of(request)); !done) co_return answer_fault(done.fault());
  end_sessions(parts.door, name);
  co_return answer_json(json::object{{"removed", name}});
}

AccountAnswer post_account_password(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "password"});
  if (!body) co_return answer_fault(body.fault());
  const std::string name = body->text("name");
  auto password = body->secret("password");
  if (const auto fine = accounts::judge_password(name, password->reveal()); !fine) co_return answer_fault(fine.fault());
  const auto made = co_await parts.door.passwords().hash(std::move(password));
  if (!made) co_return answer_busy(made.fault());
  if (const auto done = parts.door.accounts().set_password(name, *made); !done) co_return answer_fault(done.fault());
  end_sessions(parts.door, name);
  co_return answer_json(json::object{{"name", name}, {"changed", true}});
}

AccountAnswer post_account_role(const ApiRequest& request, ApiParts parts) {
  auto body = ApiBody::read(request, {"name", "role"});
  if (!body) co_return answer_fault(body.fault());
  const std::string name = body->text("name");
  const auto role = role_of(body->text("role"));
  if (!role) co_return answer_fault(role.fault());
  if (const auto done = parts.door.accounts().set_role(name, *role, rule_of(request)); !done) co_return answer_fault(done.fault());
  co_return answer_json(json::object{{"name", name}, {"role", accounts::name_of(*role)}});
}

AccountAnswer get_audit(const ApiRequest& request, ApiParts parts) {
  const auto limit = count_parameter(request, "limit", 100, max_audit_rows);
  if (!limit) co_return answer_fault(limit.fault());
  const auto before = count_parameter(request, "before", 0, std::size_t{1} << 62);
  if (!before) co_return answer_fault(before.fault());
  accounts::AuditQuery query{.limit = *limit, .before = static_cast<std::int64_t>(*before), .actor = parameter(request, "actor"), .path = parameter(request, "path"), .since = parameter(request, "since"), .until = parameter(request, "until")};
  const std::string outcome = parameter(request, "outcome");
  if (!outcome.empty() && outcome != "done" && outcome != "refused") co_return answer_fault({FaultCode::invalid, "outcome", "is none: " + outcome.substr(0, 32), "give done or refused, or leave it out"});
  if (!outcome.empty()) query.outcome = outcome == "done" ? accounts::AuditOutcome::done : accounts::AuditOutcome::refused;
  const auto entries = parts.audit.log().list(query);
  if (!entries) co_return answer_fault(entries.fault());
  json::array list;
  for (const accounts::AuditEntry& entry : *entries) {
    list.push_back(json::object{{"id", entry.id}, {"at", entry.at}, {"actor", entry.actor}, {"source", entry.source}, {"method", entry.method}, {"path", entry.path}, {"object", entry.object}, {"status", entry.status}, {"refused", accounts::is_refused(entry)}, {"more", entry.more}});
  }
  // The page after this one begins below its last row.
  const json::value next = entries->size() == *limit ? json::value(entries->back().id) : json::value(nullptr);
  co_return answer_json(json::object{{"entries", std::move(list)}, {"next", next}});
}

}  // namespace sallyport::api
