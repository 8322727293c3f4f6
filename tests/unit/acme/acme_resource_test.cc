// SPDX-License-Identifier: Apache-2.0
// Answers of an authority, good ones and hostile ones.
#include "controlplane/acme/acme_resource.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace sallyport::acme {
namespace {

using ::testing::HasSubstr;
const std::string subject = "authority le";

template <class Read>
std::string fault_of(Read read, std::string_view body) {
  const auto outcome = read(subject, body);
  return outcome ? "no fault" : outcome.fault().text();
}

constexpr const char* directory = R"({"newNonce":"https://a.example/n","newAccount":"https://a.example/a","newOrder":"https://a.example/o","revokeCert":"https://a.example/r","keyChange":"https://a.example/k",
  "renewalInfo":"https://a.example/ari","meta":{"termsOfService":"https://a.example/terms","externalAccountRequired":true,"profiles":{"classic":"x","shortlived":"y"}},"random":["x"]})";

TEST(AcmeResource, DirectoryIsRead) {
  const auto read = read_directory(subject, directory);
  ASSERT_TRUE(read) << read.fault().text();
  EXPECT_EQ(read->new_order, "https://a.example/o");
  EXPECT_EQ(read->renewal_info, "https://a.example/ari");
  EXPECT_TRUE(read->external_account_required);
  EXPECT_EQ(read->profiles, (std::vector<std::string>{"classic", "shortlived"}));
}

TEST(AcmeResource, WhatIsNoDirectorySaysWhy) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "its answer is no JSON"},
      {"<html>", "its answer is no JSON"},
      {"[]", "is no JSON object"},
      {"{}", "\"newNonce\" is missing"},
      {R"({"newNonce":7})", "\"newNonce\" is not text"},
      {R"({"newNonce":"http://a.example/"})", "\"newNonce\" does not begin with https://"},
      {R"({"newNonce":"https://a.example/n","newAccount":"https://a.example/a","newOrder":"https://a.example/o","meta":[]})", "\"meta\" is no object"},
      {R"({"newNonce":"https://a.example/n","newAccount":"https://a.example/a","newOrder":"https://a.example/o","meta":{"externalAccountRequired":"yes"}})", "is neither true nor false"},
      {std::string(100000, '['), "its answer is no JSON"},
  };
  for (const auto& [body, cause] : rows) EXPECT_THAT(fault_of(read_directory, body), HasSubstr(cause)) << body.substr(0, 80);
}

TEST(AcmeResource, OrderIsReadWithItsError) {
  const auto read = read_order(subject, R"({"status":"invalid","authorizations":["https://a.example/1"],"finalize":"https://a.example/f",
    "error":{"type":"urn:ietf:params:acme:error:compound","detail":"several","subproblems":[{"type":"urn:ietf:params:acme:error:caa","detail":"forbidden","identifier":{"type":"dns","value":"b.example"}}]}})");
  ASSERT_TRUE(read) << read.fault().text();
  EXPECT_EQ(read->status, ResourceStatus::invalid);
  ASSERT_TRUE(read->error);
  const Fault fault = read->error->fault("order");
  EXPECT_EQ(fault.text(), "order: the authority refuses: several (compound); b.example: forbidden (caa); let the domain's CAA records allow this authority, or remove them");
}

TEST(AcmeResource, WhatIsNoOrderSaysWhy) {
  EXPECT_THAT(fault_of(read_order, R"({"status":"good"})"), HasSubstr("\"status\" is \"good\", which is unknown"));
  EXPECT_THAT(fault_of(read_order, R"({"status":"pending","authorizations":{}})"), HasSubstr("\"authorizations\" is no list"));
  EXPECT_THAT(fault_of(read_order, R"({"status":"pending","authorizations":[1]})"), HasSubstr("names what is no URL"));
  std::string many = R"({"status":"pending","authorizations":["https://a.example/1")";
  for (int i = 0; i < 200; ++i) many += R"(,"https://a.example/1")";
  EXPECT_THAT(fault_of(read_order, many + "]}"), HasSubstr("has more than 100 entries"));
}

TEST(AcmeResource, AuthorizationKeepsOnlyTheChallengesKnownHere) {
  const auto read = read_authorization(subject, R"({"status":"pending","identifier":{"type":"dns","value":"A.Example"},"wildcard":true,"challenges":[
    {"type":"dns-account-01","url":"https://a.example/0","token":"t0","status":"pending"},{"type":"dns-01","url":"https://a.example/1","token":"abc-_9","status":"pending"}]})");
  ASSERT_TRUE(read) << read.fault().text();
  EXPECT_EQ(read->domain, "a.example");
  EXPECT_TRUE(read->is_wildcard);
  ASSERT_EQ(read->challenges.size(), 1u);
  EXPECT_EQ(read->challenges[0].kind, ChallengeKind::dns01);
  EXPECT_EQ(read->challenges[0].token, "abc-_9");
}

TEST(AcmeResource, TokenThatCouldLeaveItsPlaceIsRefused) {
  for (const char* token : {"../../etc/passwd", "a b", "a/b", "", "a\\r\\n", "a.b"}) {
    const std::string body = std::string(R"({"status":"pending","identifier":{"type":"dns","value":"a.example"},"challenges":[{"type":"http-01","url":"https://a.example/1","status":"pending","token":")") + token + "\"}]}";
    EXPECT_THAT(fault_of(read_authorization, body), HasSubstr("\"token\"")) << token;
  }
  EXPECT_THAT(fault_of(read_authorization, R"({"status":"pending","identifier":{"type":"ip","value":"192.0.2.1"},"challenges":[]})"), HasSubstr("not dns"));
  EXPECT_THAT(fault_of(read_authorization, R"({"status":"pending","identifier":{"type":"dns","value":"a example"},"challenges":[]})"), HasSubstr("is no domain name"));
}

TEST(AcmeResource, RenewalWindowIsRead) {
  const auto read = read_renewal_info(subject, R"({"suggestedWindow":{"start":"2026-11-28T10:00:00Z","end":"2026-11-29T10:00:00Z"},"explanationURL":"https://a.example/why"})");
  ASSERT_TRUE(read) << read.fault().text();
  EXPECT_EQ(read->end_s - read->start_s, 86400);
  EXPECT_THAT(fault_of(read_renewal_info, R"({"suggestedWindow":{"start":"2026-11-28T10:00:00Z","end":"2026-11-27T10:00:00Z"}})"), HasSubstr("ends before it begins"));
  EXPECT_THAT(fault_of(read_renewal_info, R"({"suggestedWindow":{"start":"soon","end":"later"}})"), HasSubstr("no dates"));
}

TEST(Problem, AuthoritysWordsAreShownPrintableAndBounded) {
  const Problem problem = problem_of(429, "application/problem+json", R"({"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many\nnew orders \u001b[31m"})");
  EXPECT_EQ(problem.text(), "the authority refuses: too many new orders  [31m (rateLimited, HTTP 429)");
  EXPECT_EQ(problem.fault("order").code, FaultCode::exhausted);
  const Problem endless = problem_of(400, "application/problem+json", "{\"detail\":\"" + std::string(100000, 'x') + "\"}");
  EXPECT_LT(endless.text().size(), 600u);
  EXPECT_EQ(shown("\xc3\xa4\xc3\xa4", 3), "\xc3\xa4") << "no half character";
}

TEST(Problem, PageInsteadOfAProblemIsNamed) {
  EXPECT_EQ(problem_of(502, "text/html", "<html>Bad gateway</html>").text(), "the authority refuses: no problem document, but \"text/html\" content (HTTP 502)");
  EXPECT_EQ(problem_of(500, "", "").fault("x").code, FaultCode::unreachable);
  EXPECT_EQ(problem_of(400, "application/json", "[1]").status, 400u);
  EXPECT_EQ(problem_of(400, "application/json", R"({"type":5,"detail":[],"status":"x","subproblems":[1,{"identifier":7}]})").text(), "the authority refuses: HTTP 400");
}

}  // namespace
}  // namespace sallyport::acme
