// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/administration_server.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "controlplane/api/api_accounts.h"
#include "tests/unit/api/raw_client.h"
#include "tests/unit/api/running_administration.h"

namespace sallyport::api {
namespace {

namespace json = boost::json;
using accounts::Role;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string local(RunningAdministration& server, const std::string& method, const std::string& target, const std::string& body = "") {
  RawClient client(server.api.socket());
  client.send(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return client.read_to_end();
}

TEST(AdministrationServer, ALoginGivesACookieForThisHostAloneAndATokenAgainstForgedRequests) {
  RunningAdministration server;
  server.add_account("anna", Role::operate);
  const HttpsAnswer in = server.log_in("anna");
  EXPECT_EQ(in.status, 201u) << in.body;
  EXPECT_THAT(in.head, testing::ContainsRegex("Set-Cookie: __Host-sallyport=[0-9a-f]{64}; Path=/; Secure; HttpOnly; SameSite=Strict\r\n"));
  const json::value told = json::parse(in.body);
  EXPECT_EQ(told.at("role").as_string(), "operate");
  Browser anna(server, "anna");
  const HttpsAnswer own = anna.get("/v1/session");
  EXPECT_EQ(own.status, 200u);
  EXPECT_EQ(json::parse(own.body).at("csrf_token").as_string(), std::string_view(anna.csrf));
  EXPECT_EQ(json::parse(anna.get("/v1/sessions").body).as_array().size(), 2u);
  EXPECT_THAT(anna.get("/v1/status").body, HasSubstr("\"node\":\"e1\""));
  const HttpsAnswer out = anna.ask("DELETE", "/v1/session");
  EXPECT_THAT(out.head, HasSubstr("Set-Cookie: __Host-sallyport=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0\r\n"));
  EXPECT_EQ(anna.get("/v1/status").status, 401u);
}

TEST(AdministrationServer, EveryAnswerForbidsCachesFramesAndGuesses) {
  RunningAdministration server;
  server.add_account("anna", Role::read);
  Browser anna(server, "anna");
  for (const HttpsAnswer& answer : {anna.get("/v1/status"), server.ask("GET", "/v1/status"), anna.get("/v1/nothing"), answer_of(server.say("GET\r\n\r\n"))}) {
    for (const char* field : {"Strict-Transport-Security: max-age=31536000", "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Content-Security-Policy: default-src 'none'", "frame-ancestors 'none'", "Referrer-Policy: no-referrer"})
      EXPECT_THAT(answer.head, HasSubstr(field)) << answer.status;
  }
}

TEST(AdministrationServer, StrangersAreToldNothingNotEvenWhichPathsThereAre) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  std::set<std::string> bodies;
  for (const auto& [method, target] : {std::pair("GET", "/v1/status"), std::pair("GET", "/v1/nothing"), std::pair("POST", "/v1/apply"), std::pair("DELETE", "/v1/accounts?name=anna"), std::pair("GET", "/index.html"), std::pair("PUT", "/v1/session"),
                                       std::pair("GET", "/metrics"), std::pair("GET", "/v1/openapi"), std::pair("GET", "/v1/logs?follow=1"), std::pair("POST", "/v1/calls/7/capture")}) {
    for (const char* cookie : {"", "Cookie: __Host-sallyport=0000000000000000000000000000000000000000000000000000000000000000\r\n", "Cookie: sallyport=x; other\r\n"}) {
      const HttpsAnswer answer = server.ask(method, target, "", cookie);
      EXPECT_EQ(answer.status, 401u) << method << " " << target;
      bodies.insert(answer.body);
    }
  }
  EXPECT_EQ(bodies.size(), 1u);
  // One answer, then the connection is over: guessing costs a handshake each time.
  EXPECT_EQ(answer_of(server.say(server.text_of("GET", "/v1/status", "", "", true) + server.text_of("GET", "/v1/status"))).status, 401u);
}

TEST(AdministrationServer, AWrongPasswordAndAnUnknownAccountAreAnsweredAlike) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  const HttpsAnswer wrong = server.log_in("anna", "correct horse batterz"), unknown = server.log_in("nobody", good_password);
  EXPECT_EQ(wrong.status, 401u);
  EXPECT_EQ(wrong.head, unknown.head);
  EXPECT_EQ(wrong.body, unknown.body);
}

// What each role may, written down a second time: a route whose role is changed must be changed here too.
TEST(AdministrationServer, EachRouteIsForItsRoleAndThoseAboveAndForNoOther) {
  const std::set<std::string> operate = {"POST /v1/traversal/test", "POST /v1/discovery/test", "POST /v1/trust/probe", "POST /v1/acme/renewals", "POST /v1/certificates/checks", "POST /v1/pair/renewals", "POST /v1/xmpp/discovery", "POST /v1/calls/{id}/capture"};
  const std::set<std::string> read = {"DELETE /v1/session", "POST /v1/session/password", "DELETE /v1/sessions", "POST /v1/session"};
  const std::set<std::string> views_for_administrators = {"GET /v1/accounts", "GET /v1/audit"};
  RunningAdministration server;
  for (const Role role : {Role::read, Role::operate, Role::administer}) {
    server.add_account(std::string("with-") + accounts::name_of(role), role);
    auto browser = std::make_unique<Browser>(server, std::string("with-") + accounts::name_of(role));
    for (const RouteInfo& route : route_list()) {
      const std::string name = std::string(route.method) + " " + std::string(route.path);
      Role needed = route.method == "GET" ? Role::read : Role::administer;
      if (operate.contains(name)) needed = Role::operate;
      if (read.contains(name)) needed = Role::read;
      if (views_for_administrators.contains(name)) needed = Role::administer;
      EXPECT_EQ(route.role, needed) << name;
      std::string target(route.path);
      if (target.ends_with('/')) target += "7";
      if (const std::size_t id = target.find("{id}"); id != std::string::npos) target.replace(id, 4, "no-such-call");
      const HttpsAnswer answer = browser->ask(std::string(route.method), target, "{}");
      const bool is_refused = answer.status == 403 && answer.body.find("is not for role") != std::string::npos;
      EXPECT_EQ(is_refused, !accounts::includes(role, needed)) << accounts::name_of(role) << ": " << name << ": " << answer.status << " " << answer.body;
      EXPECT_NE(answer.status, name == "POST /v1/session" ? 0u : 401u) << name;
      if (name == "DELETE /v1/session") browser = std::make_unique<Browser>(server, std::string("with-") + accounts::name_of(role));
    }
  }
}

TEST(AdministrationServer, WhatIsSaidInACallAndWhichProgramRunsIsNotForEverybody) {
  RunningAdministration server;
  server.add_account("ben", Role::operate);
  server.add_account("anna", Role::administer);
  Browser ben(server, "ben"), anna(server, "anna");
  EXPECT_THAT(ben.ask("POST", "/v1/calls/7/capture?decrypted=1").body, HasSubstr("is for who administers"));
  const HttpsAnswer capture = ben.ask("POST", "/v1/calls/7/capture?packets=3&seconds=5");
  EXPECT_EQ(capture.status, 200u);
  EXPECT_THAT(capture.head, AllOf(HasSubstr("application/x-pcapng"), HasSubstr("nosniff")));
  EXPECT_TRUE(capture.body.ends_with("0\r\n\r\n"));
  EXPECT_THAT(anna.ask("POST", "/v1/upgrade?binary=/bin/sh").body, HasSubstr("takes no program over HTTPS"));
  EXPECT_THAT(anna.ask("POST", "/v1/acme/settings", R"({"name":"dns_hook","value":"/bin/sh"})").body, HasSubstr("cannot be done over HTTPS"));
  EXPECT_THAT(local(server, "POST", "/v1/acme/settings", R"({"name":"dns_hook","value":"/bin/sh"})"), StartsWith("HTTP/1.1 200"));
}

TEST(AdministrationServer, ADocumentAppliedOverHttpsIsForWhoAdministersNamesNoProgramAndIsWrittenDown) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  server.add_account("ben", Role::operate);
  Browser anna(server, "anna"), ben(server, "ben");
  const std::string document = "format = 2\n[certificates]\ndomains = [\"a.example.com\"]\n[acme]\ndns_zone = \"example.com\"\n";
  EXPECT_EQ(ben.ask("POST", "/v1/apply", document).status, 403u);
  const HttpsAnswer planned = anna.ask("POST", "/v1/apply?dry_run=1", document);
  EXPECT_THAT(planned.body, AllOf(HasSubstr("create domain \\\"a.example.com\\\""), HasSubstr(R"("effect":"none: takes effect with the next order")")));
  EXPECT_TRUE(server.api.vault->snapshot()->domains.empty());
  EXPECT_EQ(anna.ask("POST", "/v1/apply", document).status, 200u);
  EXPECT_EQ(server.api.vault->snapshot()->domains.size(), 1u);
  const HttpsAnswer hook = anna.ask("POST", "/v1/apply?file=hook.toml", document + "dns_hook = \"/bin/sh\"\n");
  EXPECT_EQ(hook.status, 422u);
  EXPECT_THAT(hook.body, HasSubstr("hook.toml:6:12: acme.dns_hook: names a program, which cannot be changed over HTTPS"));
  EXPECT_EQ(server.api.acme->snapshot()->dns_hook, "");
  EXPECT_EQ(anna.ask("POST", "/v1/apply", anna.get("/v1/export").body).status, 200u);
  EXPECT_THAT(anna.get("/v1/audit").body, AllOf(HasSubstr(R"("path":"/v1/apply")"), HasSubstr("hook.toml")));
  EXPECT_THAT(anna.get("/v1/history").body, HasSubstr("account anna by apply"));
}

TEST(AdministrationServer, AForgedRequestIsRefused) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  Browser anna(server, "anna"), other(server, "anna");
  const std::string body = R"({"name":"tenant.example.com"})", cookie = "Cookie: " + anna.cookie + "\r\n";
  const std::string with_token = anna.fields();
  for (const std::string& fields : {cookie, cookie + "X-CSRF-Token: \r\n", cookie + "X-CSRF-Token: " + other.csrf + "\r\n", with_token + "Origin: https://evil.example\r\n", with_token + "Origin: null\r\n",
                                    with_token + "Origin: http://" + server.host() + "\r\n", with_token + "Sec-Fetch-Site: cross-site\r\n", with_token + "Sec-Fetch-Site: same-site\r\n"}) {
    const HttpsAnswer answer = server.ask("POST", "/v1/domains", body, fields);
    EXPECT_EQ(answer.status, 403u) << fields;
  }
  EXPECT_TRUE(server.api.vault->snapshot()->domains.empty());
  // Looking needs no token, and a page of our own may ask.
  EXPECT_EQ(server.ask("GET", "/v1/status", "", cookie).status, 200u);
  EXPECT_EQ(server.ask("POST", "/v1/domains", body, with_token + "Origin: " + server.url() + "\r\nSec-Fetch-Site: same-origin\r\n").status, 201u);
  // Nor may a foreign page log somebody in.
  EXPECT_EQ(server.ask("POST", "/v1/session", R"({"name":"anna","password":"correct horse battery"})", "Origin: https://evil.example\r\n").status, 403u);
}

TEST(AdministrationServer, OnlyItsOwnNamesAreServed) {
  RunningAdministration server;
  server.add_account("anna", Role::read);
  Browser anna(server, "anna");
  const std::string port = std::to_string(server.port);
  const auto with_host = [&](const std::string& host) { return answer_of(server.say("GET /v1/status HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + anna.fields() + "\r\n")).status; };
  for (const std::string& host : {"edge.example.com:" + port, std::string("EDGE.example.com"), "127.0.0.1:" + port, std::string("127.0.0.1")}) EXPECT_EQ(with_host(host), 200u) << host;
  for (const std::string& host : {std::string("evil.example"), "evil.example:" + port, std::string("edge.example.com:1"), std::string("edge.example.com.evil.example"), std::string(""), std::string("edge.example.com:"), std::string("[::1")}) EXPECT_EQ(with_host(host), 421u) << host;
}

// RFC 9112 11.2: what two programs may read in two ways is not read at all.
TEST(AdministrationServer, WhatCouldBeReadInTwoWaysIsRefusedAndEndsTheConnection) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  Browser anna(server, "anna");
  const std::string host = "Host: " + server.host() + "\r\n", own = host + anna.fields();
  struct Row {
    std::string request;
    unsigned status;
  };
  for (const Row& row : {Row{"GET /v1/status HTTP/1.0\r\n" + own + "\r\n", 505}, Row{"GET /v1/status HTTP/1.1\r\n" + own + "X: a\r\n b\r\n\r\n", 400}, Row{"GET /v1/status HTTP/1.1\r\n" + own + "X: a\n\r\n\r\n", 400},
                         Row{"GET /v1/status HTTP/1.1\r\n" + own + "X : a\r\n\r\n", 400}, Row{"GET /v1/status HTTP/1.1\r\n" + own + host + "\r\n", 400}, Row{"GET /v1/status HTTP/1.1\r\n" + anna.fields() + "\r\n", 400},
                         Row{"POST /v1/domains HTTP/1.1\r\n" + own + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501}, Row{"POST /v1/domains HTTP/1.1\r\n" + own + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400},
                         Row{"POST /v1/domains HTTP/1.1\r\n" + own + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400}, Row{"POST /v1/domains HTTP/1.1\r\n" + own + "Content-Length: 2, 2\r\n\r\n{}", 400},
                         Row{"POST /v1/domains HTTP/1.1\r\n" + own + "Content-Length: +2\r\n\r\n{}", 400}, Row{"GET https://" + server.host() + "/v1/status HTTP/1.1\r\n" + own + "\r\n", 400}, Row{"OPTIONS * HTTP/1.1\r\n" + own + "\r\n", 400},
                         Row{"GET /v1/status HTTP/1.1\r\n" + own + "Expect: wonders\r\n\r\n", 417}, Row{"\r\nGET /v1/status HTTP/1.1\r\n" + own + "\r\n", 400}, Row{"\x16\x03\x01 garbage\r\n\r\n", 400}, Row{"GET /%00 HTTP/1.1\r\n" + own + "\r\n", 400}}) {
    const std::string text = server.say(row.request + server.text_of("GET", "/v1/status", "", anna.fields()));
    EXPECT_EQ(answer_of(text).status, row.status) << row.request << text;
    EXPECT_THAT(text, AllOf(HasSubstr("Connection: close"), Not(HasSubstr("HTTP/1.1 200")))) << row.request;
  }
  // In two cookies of one name nobody knows which is ours.
  EXPECT_EQ(server.ask("GET", "/v1/status", "", "Cookie: " + anna.cookie + "; " + anna.cookie + "\r\n").status, 401u);
}

TEST(AdministrationServer, OneConnectionServesManyRequestsOneAfterTheOther) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  Browser anna(server, "anna");
  TlsClient client(server.port, server.ca());
  const std::string one = server.text_of("POST", "/v1/domains", R"({"name":"a.example.com"})", anna.fields() + "Expect: 100-continue\r\n", true);
  client.send(one);
  client.read_until("201 Created");
  client.forget();
  client.send(server.text_of("GET", "/v1/domains", "", anna.fields(), true) + server.text_of("GET", "/v1/domains", "", anna.fields(), true) + server.text_of("GET", "/v1/domains", "", anna.fields()));
  const std::string text = client.read_to_end();
  std::size_t answers = 0;
  for (std::size_t at = 0; (at = text.find("HTTP/1.1 200 OK", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 3u);
  // Also after one that was refused, whose body nobody wanted.
  TlsClient other(server.port, server.ca());
  other.send(server.text_of("POST", "/v1/domains", R"({"name":"b.example.com"})", "Cookie: " + anna.cookie + "\r\n", true) + server.text_of("GET", "/v1/status", "", anna.fields()));
  EXPECT_THAT(other.read_to_end(), AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("HTTP/1.1 200 OK")));
}

TEST(AdministrationServer, HeadBodyTimeAndConnectionsAreBounded) {
  AdministrationOptions options;
  options.max_body_bytes = 10000;
  options.idle_timeout_s = 1;
  options.request_timeout_s = 1;
  options.connections_per_source = 3;
  RunningAdministration server(options);
  server.add_account("anna", Role::administer);
  Browser anna(server, "anna");
  EXPECT_EQ(answer_of(server.say("GET / HTTP/1.1\r\nX: " + std::string(20000, 'a') + "\r\n\r\n")).status, 431u);
  EXPECT_EQ(anna.ask("POST", "/v1/apply", std::string(10001, '#')).status, 413u);
  EXPECT_EQ(anna.ask("POST", "/v1/apply?dry_run=1", std::string(9000, '#')).status, 200u);
  EXPECT_EQ(server.ask("POST", "/v1/session", std::string(5000, ' ')).status, 413u);
  for (const std::string& begun : {std::string(), std::string("GET /v1/sta"), "POST /v1/session HTTP/1.1\r\nHost: " + server.host() + "\r\nContent-Length: 100\r\n\r\n{"}) {
    TlsClient slow(server.port, server.ca());
    slow.send(begun);
    EXPECT_EQ(slow.read_to_end(), "") << begun;
  }
  TlsClient one(server.port, server.ca()), two(server.port, server.ca()), three(server.port, server.ca()), four(server.port, server.ca());
  EXPECT_TRUE(one.is_secured() && two.is_secured() && three.is_secured());
  EXPECT_FALSE(four.is_secured());
}

TEST(AdministrationServer, SpeaksTls13Only) {
  RunningAdministration server;
  EXPECT_TRUE(TlsClient(server.port, server.ca()).is_secured());
  EXPECT_FALSE(TlsClient(server.port, server.ca(), TLS1_2_VERSION).is_secured());
}

TEST(AdministrationServer, GuessingAndHasteAreToldWhenToComeAgain) {
  accounts::DoorkeeperOptions door = RunningApi::cheap_door();
  door.sessions.requests_per_s = 0.001;
  door.sessions.burst = 4;
  RunningAdministration server({}, door);
  server.add_account("anna", Role::administer);
  Browser anna(server, "anna");
  HttpsAnswer answer;
  for (int count = 0; count < 4; ++count) EXPECT_EQ(anna.get("/v1/status").status, 200u);
  answer = anna.get("/v1/status");
  EXPECT_EQ(answer.status, 429u);
  EXPECT_THAT(answer.head, HasSubstr("Retry-After: 1\r\n"));
  for (int count = 0; count < 8; ++count) answer = server.log_in("anna", "wrong but long enough");
  EXPECT_EQ(answer.status, 429u);
  EXPECT_THAT(answer.head, testing::ContainsRegex("Retry-After: [0-9]+\r\n"));
}

TEST(AdministrationServer, AccountsAreManagedAndTheLastAdministratorStays) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  Browser anna(server, "anna");
  EXPECT_EQ(anna.ask("POST", "/v1/accounts", R"({"name":"ben","role":"operate","password":"another long passphrase"})").status, 201u);
  EXPECT_EQ(anna.ask("POST", "/v1/accounts", R"({"name":"ben","role":"operate","password":"another long passphrase"})").status, 409u);
  EXPECT_THAT(anna.ask("POST", "/v1/accounts", R"({"name":"carl","role":"operate","password":"short"})").body, HasSubstr("is shorter than 12 characters"));
  EXPECT_THAT(anna.ask("POST", "/v1/accounts", R"({"name":"carl","role":"king","password":"another long passphrase"})").body, HasSubstr("give read, operate or administer"));
  EXPECT_THAT(anna.get("/v1/accounts").body, AllOf(HasSubstr("\"name\":\"ben\""), Not(HasSubstr("passphrase"))));
  Browser ben(server, "ben", "another long passphrase");
  EXPECT_THAT(anna.ask("DELETE", "/v1/accounts?name=anna").body, HasSubstr("is the last one that administers"));
  EXPECT_EQ(anna.ask("POST", "/v1/accounts/role", R"({"name":"anna","role":"read"})").status, 403u);
  // The role of this moment counts, in sessions that are open too.
  EXPECT_EQ(ben.get("/v1/accounts").status, 403u);
  EXPECT_EQ(anna.ask("POST", "/v1/accounts/role", R"({"name":"ben","role":"administer"})").status, 200u);
  EXPECT_EQ(ben.get("/v1/accounts").status, 200u);
  EXPECT_EQ(anna.ask("POST", "/v1/accounts/password", R"({"name":"ben","password":"yet another passphrase"})").status, 200u);
  EXPECT_EQ(ben.get("/v1/status").status, 401u);
  EXPECT_EQ(anna.ask("DELETE", "/v1/accounts?name=ben").status, 200u);
  EXPECT_EQ(server.log_in("ben", "yet another passphrase").status, 401u);
  EXPECT_EQ(anna.ask("POST", "/v1/session/password", R"({"old_password":"wrong","password":"yet another passphrase"})").status, 403u);
  EXPECT_EQ(anna.ask("POST", "/v1/session/password", R"({"old_password":"correct horse battery","password":"yet another passphrase"})").status, 200u);
  EXPECT_EQ(anna.get("/v1/status").status, 200u);
  EXPECT_EQ(server.log_in("anna").status, 401u);
  // On the node itself even the last one can go.
  EXPECT_THAT(local(server, "DELETE", "/v1/accounts?name=anna"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(anna.get("/v1/status").status, 401u);
  EXPECT_THAT(local(server, "POST", "/v1/session", R"({"name":"a","password":"b"})"), HasSubstr("the Unix socket has no sessions"));
}

TEST(AdministrationServer, ASessionIsEndedByItsOwnerAndByWhoAdministers) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  server.add_account("ben", Role::read);
  server.add_account("carl", Role::read);
  Browser anna(server, "anna"), ben(server, "ben"), carl(server, "carl");
  const auto id_of = [](Browser& browser) { return std::string(json::parse(browser.get("/v1/session").body).at("session").at("id").as_string()); };
  EXPECT_EQ(ben.ask("DELETE", "/v1/sessions?id=" + id_of(carl)).status, 404u);
  EXPECT_EQ(json::parse(ben.get("/v1/sessions").body).as_array().size(), 1u);
  EXPECT_EQ(json::parse(anna.get("/v1/sessions").body).as_array().size(), 3u);
  EXPECT_EQ(anna.ask("DELETE", "/v1/sessions?id=" + id_of(carl)).status, 200u);
  EXPECT_EQ(carl.get("/v1/status").status, 401u);
  EXPECT_EQ(ben.ask("DELETE", "/v1/sessions?id=" + id_of(ben)).status, 200u);
  EXPECT_EQ(ben.get("/v1/status").status, 401u);
}

TEST(AdministrationServer, EachChangeOverEitherSocketIsWrittenDownAlsoWhenRefusedAndNeverWithASecret) {
  RunningAdministration server;
  server.add_account("anna", Role::administer);
  server.add_account("ben", Role::read);
  Browser anna(server, "anna"), ben(server, "ben");
  server.log_in("anna", "wrong-secret-one");
  server.log_in("typed-secret-two-here", "x");
  ben.ask("POST", "/v1/domains", R"({"name":"b.example.com"})");
  anna.ask("POST", "/v1/domains", R"({"name":"a.example.com"})");
  anna.ask("POST", "/v1/backup", R"({"passphrase":"secret-three-and-more"})");
  anna.ask("POST", "/v1/accounts", R"({"name":"carl","role":"read","password":"secret-four-and-more"})");
  server.ask("DELETE", "/v1/domains?name=a.example.com&password=secret-five");
  local(server, "DELETE", "/v1/domains?name=a.example.com");
  local(server, "GET", "/v1/status");
  const json::value told = json::parse(anna.get("/v1/audit").body);
  std::vector<std::string> lines;
  for (const json::value& entry : told.at("entries").as_array()) {
    const std::string source(entry.at("source").as_string());
    lines.push_back(std::string(entry.at("actor").as_string()) + (source == "unix socket" ? " here" : source.starts_with("127.0.0.1:") ? " there" : source) + " " + std::string(entry.at("method").as_string()) + " " + std::string(entry.at("path").as_string()) + " " + std::string(entry.at("object").as_string()) + " " +
                    std::to_string(entry.at("status").as_int64()));
  }
  const std::string uid = "uid " + std::to_string(::getuid());
  EXPECT_THAT(lines, testing::ElementsAre(uid + " here DELETE /v1/domains name=a.example.com 200", "stranger there DELETE /v1/domains name=a.example.com 401", "account anna there POST /v1/accounts name=carl, role=read 201", "account anna there POST /v1/backup  200",
                                          "account anna there POST /v1/domains name=a.example.com 201", "account ben there POST /v1/domains  403", "stranger there POST /v1/session name=(unknown) 401", "stranger there POST /v1/session name=anna 401",
                                          "account ben there POST /v1/session name=ben 201", "account anna there POST /v1/session name=anna 201"));
  EXPECT_EQ(json::parse(anna.get("/v1/audit?outcome=refused&actor=account%20ben").body).at("entries").as_array().size(), 1u);
  const json::value page = json::parse(anna.get("/v1/audit?limit=4").body);
  EXPECT_EQ(json::parse(anna.get("/v1/audit?limit=100&before=" + std::to_string(page.at("next").as_int64())).body).at("entries").as_array().size(), 6u);
  EXPECT_THAT(anna.get("/v1/audit?limit=0").body, HasSubstr("is no number from 1 to 1000"));
  const std::string events = file_text(server.api.folder() + "/events.log");
  EXPECT_THAT(events, HasSubstr("audit account ben from 127.0.0.1:"));
  EXPECT_THAT(events, HasSubstr(": POST /v1/domains: 403"));
  std::string all = events;
  for (const char* name : {"/state/site.db", "/state/site.db-wal"}) all += file_text(server.api.folder() + name);
  for (const char* secret : {"secret-one", "secret-two", "secret-three", "secret-four", "secret-five", good_password, anna.csrf.c_str(), anna.cookie.c_str() + std::string(session_cookie).size() + 1}) EXPECT_THAT(all, Not(HasSubstr(secret)));
}

TEST(AdministrationServer, AFloodOfStrangersIsSummedUp) {
  RunningAdministration server;
  for (int count = 0; count < 120; ++count) server.ask("POST", "/v1/apply");
  const std::string metrics = local(server, "GET", "/metrics");
  EXPECT_THAT(metrics, testing::ContainsRegex("audit_entries_total.outcome=\"summed_up\". [1-9]"));
  EXPECT_LT(json::parse(local(server, "GET", "/v1/audit?limit=1000").substr(local(server, "GET", "/v1/audit?limit=1000").find("\r\n\r\n") + 4)).at("entries").as_array().size(), 120u);
}

TEST(AdministrationServer, ANewCertificateServesTheNextHandshakeAndEndsNothing) {
  RunningAdministration server;
  server.add_account("anna", Role::read);
  Browser anna(server, "anna");
  TlsClient before(server.port, server.ca());
  const std::string request = server.text_of("GET", "/v1/session", "", anna.fields(), true);
  before.send(request);
  before.read_until("ends_in_s");
  before.forget();
  server.certificates.leaf("server", RunningAdministration::leaf_wish());
  ASSERT_TRUE(server.credentials->reload());
  TlsClient after(server.port, server.ca());
  EXPECT_NE(after.serial(), before.serial());
  before.send(request);
  EXPECT_THAT(before.read_until("ends_in_s"), StartsWith("HTTP/1.1 200"));
  after.send(request);
  EXPECT_THAT(after.read_until("ends_in_s"), StartsWith("HTTP/1.1 200"));
}

TEST(AdministrationServer, WhoFollowsTheLogSeesItUntilTheSessionEnds) {
  RunningAdministration server;
  server.add_account("anna", Role::read);
  Browser anna(server, "anna");
  for (const char* text : {"one", "two", "three"}) server.api.log->info("kind", text);
  TlsClient client(server.port, server.ca());
  client.send(server.text_of("GET", "/v1/logs?follow=1&lines=2", "", anna.fields()));
  EXPECT_THAT(client.read_until("\"three\""), AllOf(HasSubstr("application/x-ndjson"), HasSubstr("\"two\""), Not(HasSubstr("\"one\""))));
  server.api.log->warn("kind", "four");
  EXPECT_THAT(client.read_until("\"four\""), HasSubstr("\"four\""));
  EXPECT_EQ(anna.ask("DELETE", "/v1/session").status, 200u);
  client.read_to_end();
  EXPECT_TRUE(client.has_ended_well());
}

TEST(AdministrationServer, LargeAnswersArriveWhole) {
  RunningAdministration server;
  server.add_account("anna", Role::read);
  for (int count = 0; count < 1900; ++count) server.api.log->info("kind" + std::to_string(count % 900), std::string(900, 'x'));
  Browser anna(server, "anna");
  const HttpsAnswer answer = anna.get("/v1/logs?lines=1800");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_GT(answer.body.size(), std::size_t{1} << 20);
  EXPECT_EQ(json::parse(answer.body).as_array().size(), 1800u);
  EXPECT_THAT(answer.head, HasSubstr("Content-Length: " + std::to_string(answer.body.size()) + "\r\n"));
}

TEST(AdministrationServer, StoppingItEndsWhatIsOpen) {
  RunningAdministration server;
  server.add_account("anna", Role::read);
  Browser anna(server, "anna");
  TlsClient idle(server.port, server.ca()), following(server.port, server.ca());
  following.send(server.text_of("GET", "/v1/logs?follow=1", "", anna.fields()));
  following.read_until("ndjson");
  server.stop();
  EXPECT_EQ(idle.read_to_end(), "");
  following.read_to_end();
  EXPECT_FALSE(TlsClient(server.port, server.ca()).is_secured());
}

}  // namespace
}  // namespace sallyport::api
