// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/pair.h"

#include <openssl/crypto.h>

#include <iostream>

#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/json_text.h"
#include "controlplane/cli/reply.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

constexpr std::uint32_t join_patience_s = 60;

std::string show_token(const json::value& value) {
  return "On C, before " + at(value, "expires") + ", once:\n\n  sallyport join " + at(value, "token") + "\n\nC has to reach " + at(value, "host") + " on TCP port " + at(value, "port") + ". Whoever has the token can join zone \"" +
         printable(at(value, "zone")) + "\": keep it out of mail and tickets. Withdraw it: sallyport pair withdraw " + at(value, "id") + "\n";
}

std::string show_pair(const json::value& value) {
  const bool is_e = at(value, "role") == "E";
  std::string text;
  if (is_e) text += at(value, "authority").empty() ? "no pair authority yet; it is made with the first token: sallyport pair\n" : "pair authority " + printable(at(value, "authority")) + ", until " + at(value, "authority_not_after") + "\n";
  TextTable own({is_e ? "OWN CERTIFICATE" : "PEER", "SERIAL", "NOT AFTER", "NEXT RENEWAL", "LAST FAILURE"});
  for (const json::value& each : items(member(value, "certificates"))) own.add({is_e ? "this node" : at(each, "peer"), at(each, "serial"), at(each, "not_after"), at(each, "next_renewal"), printable(at(each, "failure"))});
  if (!own.is_empty()) text += own.text();
  else if (!is_e) text += "this node has joined none; on E: sallyport pair\n";
  TextTable nodes({"NODE", "ZONE", "SERIAL", "JOINED", "LAST ISSUED", "NOT AFTER"});
  for (const json::value& each : items(member(value, "nodes"))) nodes.add({at(each, "fqdn"), printable(at(each, "zone")), at(each, "serial"), at(each, "joined"), at(each, "issued"), at(each, "not_after")});
  if (!nodes.is_empty()) text += nodes.text();
  TextTable tokens({"OPEN TOKEN", "ZONE", "UNTIL"});
  for (const json::value& each : items(member(value, "tokens"))) tokens.add({at(each, "id"), printable(at(each, "zone")), at(each, "expires")});
  if (!tokens.is_empty()) text += tokens.text();
  return text;
}

std::string show_joined(const json::value& value) {
  return "joined zone \"" + printable(at(value, "zone")) + "\" of " + at(value, "peer") + "; certificate serial " + at(value, "serial") + ", until " + at(value, "not_after") + ", renews itself\nnext: " + printable(at(value, "next")) + "\n";
}

}  // namespace

int run_pair(const Options& options) {
  json::object body{{"zone", options.pair.zone}, {"seconds", options.pair.seconds}, {"host", options.pair.host}};
  return print(ApiClient(options.endpoint).post("/v1/pair/tokens", json::serialize(body)), options, show_token);
}

int run_pair_list(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/pair"), options, show_pair); }

int run_pair_withdraw(const Options& options) {
  return print(ApiClient(options.endpoint).erase("/v1/pair/tokens" + query({{"id", options.pair.id}})), options, [](const json::value& value) { return "token " + at(value, "id") + " can no longer be used\n"; });
}

int run_pair_renew(const Options& options) {
  return print(ApiClient(options.endpoint).post("/v1/pair/renewals", json::serialize(json::object{{"peer", options.pair.node}})), options, [](const json::value&) { return std::string("renewal begun; see sallyport pair list\n"); });
}

int run_pair_remove(const Options& options) {
  if (!is_confirmed(options, "Certificates of " + options.pair.node + " are refused from its next handshake on; a connection that stands goes on. Remove it?")) return complain("nothing was changed", exit_negative);
  return print(ApiClient(options.endpoint).erase("/v1/pair" + query({{"node", options.pair.node}})), options, [](const json::value& value) { return at(value, "node") + " is paired no more\n"; });
}

int run_join(const Options& options) {
  std::string password, token = options.pair.token;
  if (token == "-" && !read_secret("-", token)) return complain_unreadable("standard input");
  if (!options.pair.password_file.empty() && !read_secret(options.pair.password_file, password)) return complain_unreadable(options.pair.password_file);
  std::string body = json::serialize(json::object{{"token", token}, {"password", password}});
  OPENSSL_cleanse(password.data(), password.size());
  const int code = print(ApiClient(options.endpoint).post("/v1/pair/join", body, join_patience_s), options, show_joined);
  OPENSSL_cleanse(body.data(), body.size());
  return code;
}

}  // namespace sallyport::cli
