// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/accounts.h"

#include <openssl/crypto.h>

#include <boost/json.hpp>

#include "controlplane/cli/reply.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/json_text.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

// exit_done: password holds what was typed twice alike, or stood in the file.
int take_new_password(const AccountOptions& wish, std::string& password) {
  if (!wish.password_file.empty()) return read_secret(wish.password_file, password) ? exit_done : complain_unreadable(wish.password_file);
  std::string again;
  if (!ask_secret("new password of " + wish.name, password)) return complain("no password was typed, or there is no terminal; give --new-password-file FILE", exit_usage);
  const bool is_same = ask_secret("once more", again) && again == password;
  OPENSSL_cleanse(again.data(), again.size());
  return is_same ? exit_done : complain("they are not the same; nothing was changed", exit_negative);
}

int post_with_password(const Options& options, const std::string& target, json::object body, const std::function<std::string(const json::value&)>& show) {
  std::string password;
  if (const int code = take_new_password(options.account, password); code != exit_done) return code;
  body["password"] = password;
  std::string text = json::serialize(body);
  const auto reply = ApiClient(options.endpoint).post(target, text);
  OPENSSL_cleanse(password.data(), password.size());
  OPENSSL_cleanse(text.data(), text.size());
  return print(reply, options, show);
}

std::string show_accounts(const json::value& list) {
  TextTable table({"NAME", "ROLE", "MADE", "PASSWORD SINCE", "SESSIONS"});
  for (const json::value& each : items(list)) table.add({at(each, "name"), at(each, "role"), at(each, "made"), at(each, "password_since"), at(each, "sessions")});
  return table.is_empty() ? std::string("no accounts: nobody can log in over HTTPS\n") : table.text();
}

std::string show_sessions(const json::value& list) {
  TextTable table({"ID", "ACCOUNT", "FROM", "SINCE", "ENDS IN s", "ENDS UNUSED IN s"});
  for (const json::value& each : items(list)) table.add({at(each, "id"), at(each, "account"), at(each, "source"), at(each, "opened"), at(each, "ends_in_s"), at(each, "ends_unused_in_s")});
  return table.is_empty() ? std::string("nobody is logged in\n") : table.text();
}

std::string show_audit(const json::value& value) {
  TextTable table({"NUMBER", "AT", "WHO", "FROM", "WHAT", "OBJECT", "STATUS", "MORE"});
  for (const json::value& each : items(member(value, "entries"))) {
    table.add({at(each, "id"), at(each, "at"), at(each, "actor"), at(each, "source"), at(each, "method") + " " + at(each, "path"), at(each, "object"), at(each, "status"), at(each, "more") == "0" ? "" : at(each, "more")});
  }
  if (table.is_empty()) return "nothing\n";
  const std::string next = at(value, "next");
  return table.text() + (next.empty() ? "" : "older ones: --before " + next + "\n");
}

}  // namespace

int run_accounts(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/accounts"), options, show_accounts); }

int run_add_account(const Options& options) {
  const AccountOptions& wish = options.account;
  return post_with_password(options, "/v1/accounts", {{"name", wish.name}, {"role", wish.role}}, [](const json::value& value) { return "account " + at(value, "name") + " made, role " + at(value, "role") + "\n"; });
}

int run_account_password(const Options& options) {
  return post_with_password(options, "/v1/accounts/password", {{"name", options.account.name}}, [](const json::value& value) { return "password of " + at(value, "name") + " changed; its sessions have ended\n"; });
}

int run_account_role(const Options& options) {
  const AccountOptions& wish = options.account;
  return print(ApiClient(options.endpoint).post("/v1/accounts/role", json::serialize(json::object{{"name", wish.name}, {"role", wish.role}})), options,
               [](const json::value& value) { return "role of " + at(value, "name") + " is " + at(value, "role") + " from now on\n"; });
}

int run_remove_account(const Options& options) {
  const std::string& name = options.account.name;
  if (!options.json && !is_confirmed(options, "remove account " + name + " and end its sessions?")) return complain("nothing was changed", exit_negative);
  return print(ApiClient(options.endpoint).erase("/v1/accounts" + query({{"name", name}})), options, [&](const json::value&) { return "account " + name + " removed; its sessions have ended\n"; });
}

int run_sessions(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/sessions"), options, show_sessions); }

int run_end_session(const Options& options) {
  const std::string& id = options.account.session;
  return print(ApiClient(options.endpoint).erase("/v1/sessions" + query({{"id", id}})), options, [&](const json::value&) { return "session " + id + " ended\n"; });
}

int run_audit(const Options& options) {
  const AccountOptions& wish = options.account;
  const std::string limit = std::to_string(std::min(options.limit, 1000u)), before = wish.before == 0 ? "" : std::to_string(wish.before);
  return print(ApiClient(options.endpoint).get("/v1/audit" + query({{"limit", limit}, {"before", before}, {"actor", wish.actor}, {"path", wish.path}, {"since", wish.since}, {"until", wish.until}, {"outcome", wish.outcome}})), options, show_audit);
}

}  // namespace sallyport::cli
