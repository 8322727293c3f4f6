// SPDX-License-Identifier: Apache-2.0
// The description of the administration interface is held against the server.
#include "controlplane/api/openapi.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "controlplane/api/api_accounts.h"
#include "controlplane/api/api_routes.h"
#include "tests/unit/api/fake_node.h"
#include "tests/unit/api/raw_client.h"

namespace sallyport::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

std::string ask(RunningApi& api, const std::string& method, const std::string& target, const std::string& body = "") {
  RawClient client(api.socket());
  client.send(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  // A capture goes on until its reader has had enough.
  return target.ends_with("/capture") ? client.read_until("\r\n\r\n") : client.read_to_end();
}

// Calls each operation that the document describes with it.
template <class Look>
void for_each_operation(Look look) {
  const json::value document = json::parse(openapi_document());
  for (const auto& [path, operations] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : operations.as_object()) {
      std::string verb(method), target(path);
      for (char& c : verb) c = static_cast<char>(c - 32);
      if (const std::size_t id = target.find("{id}"); id != std::string::npos) target.replace(id, 4, "7");
      look(verb, target, operation);
    }
  }
}

TEST(OpenApi, TheDocumentInDocsIsCurrent) {
  std::ifstream file(SALLYPORT_SOURCE_DIR "/docs/openapi.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(text, openapi_document()) << "sallyport-controlplane --print-openapi > docs/openapi.json";
}

TEST(OpenApi, EveryOperationIsServedAndNoOther) {
  RunningApi api;
  int operations = 0;
  for_each_operation([&](const std::string& method, const std::string& target, const json::value&) {
    ++operations;
    const std::string answer = ask(api, method, target);
    EXPECT_THAT(answer, Not(HasSubstr("there is no such path"))) << method << " " << target;
    EXPECT_THAT(answer, Not(testing::StartsWith("HTTP/1.1 405"))) << method << " " << target;
    EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 ")) << method << " " << target;
  });
  EXPECT_EQ(operations, static_cast<int>(route_list().size()));
  EXPECT_THAT(ask(api, "PUT", "/v1/domains"), testing::StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(ask(api, "GET", "/v1/nothing"), HasSubstr("there is no such path"));
}

TEST(OpenApi, EachOperationTellsItsRoleAndWhatOfASessionItNeeds) {
  const json::value schemes = json::parse(openapi_document()).at("components").at("securitySchemes");
  EXPECT_EQ(schemes.at("session").at("name").as_string(), session_cookie);
  EXPECT_EQ(schemes.at("csrf").at("name").as_string(), csrf_field);
  for_each_operation([&](const std::string& method, const std::string& target, const json::value& operation) {
    const json::array& security = operation.at("security").as_array();
    if (is_login(method, target)) {
      EXPECT_TRUE(security.empty());
      return;
    }
    const RouteMatch match = find_route(method, target);
    ASSERT_NE(match.route, nullptr) << method << " " << target;
    EXPECT_EQ(operation.at("x-sallyport-role").as_string(), accounts::name_of(match.route->role)) << method << " " << target;
    ASSERT_EQ(security.size(), 1u) << method << " " << target;
    EXPECT_TRUE(security[0].as_object().contains("session"));
    EXPECT_EQ(security[0].as_object().contains("csrf"), method != "GET") << method << " " << target;
  });
}

TEST(OpenApi, AParameterOrMemberThatIsNotDescribedIsRefusedAndThoseThatAreAreNamed) {
  RunningApi api;
  for_each_operation([&](const std::string& method, const std::string& target, const json::value& operation) {
    if (target.ends_with("/capture")) return;
    std::string known;
    for (const json::value& parameter : operation.at("parameters").as_array())
      if (parameter.at("in") == "query") known += (known.empty() ? "" : ",") + std::string(parameter.at("name").as_string());
    EXPECT_THAT(ask(api, method, target + "?mispelt=1"), HasSubstr(known.empty() ? "it takes none" : "it knows: " + known)) << method << " " << target;
    const json::value* body = operation.as_object().if_contains("requestBody");
    if (body == nullptr || !body->at("content").as_object().contains("application/json")) return;
    std::string members;
    for (const auto& [name, schema] : body->at("content").at("application/json").at("schema").at("properties").as_object()) members += (members.empty() ? "" : ", ") + std::string(name);
    EXPECT_THAT(ask(api, method, target, R"({"mispelt":1})"), HasSubstr("it knows: " + members)) << method << " " << target;
    EXPECT_THAT(ask(api, method, target, "[]"), HasSubstr("no JSON object")) << method << " " << target;
  });
}

}  // namespace
}  // namespace sallyport::api
