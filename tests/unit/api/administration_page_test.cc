// SPDX-License-Identifier: Apache-2.0
// The administration page as it is served: what strangers get and what they do not, and what browsers are told about it.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "controlplane/web/web_file.h"
#include "tests/unit/api/running_administration.h"

namespace sallyport::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string field_of(const HttpsAnswer& answer, const std::string& name) {
  const std::size_t at = answer.head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return answer.head.substr(begin, answer.head.find("\r\n", begin) - begin);
}

const web::WebFile& file_named(std::string_view name) {
  for (const web::WebFile& file : web::web_files())
    if (file.path.ends_with(name)) return file;
  ADD_FAILURE() << "no file " << name;
  return web::web_files().front();
}

TEST(AdministrationPage, A09EveryFileOfTheFolderIsServedAsItStandsThere) {
  RunningAdministration server;
  const std::filesystem::path folder = std::filesystem::path(SALLYPORT_SOURCE_DIR) / "controlplane/web/page";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    ++files;
    if (name == "index.html") continue;
    const HttpsAnswer answer = server.ask("GET", std::string(file_named("/" + name).path));
    std::ifstream file(entry.path(), std::ios::binary);
    EXPECT_EQ(answer.status, 200u) << name;
    EXPECT_EQ(answer.body, std::string(std::istreambuf_iterator<char>(file), {})) << name;
  }
  EXPECT_EQ(files, web::web_files().size());
}

TEST(AdministrationPage, ThePageNamesFilesThatAreServedAndNothingElse) {
  RunningAdministration server;
  const HttpsAnswer page = server.ask("GET", "/");
  EXPECT_EQ(page.status, 200u);
  EXPECT_THAT(page.head, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  const std::regex reference("(?:src|href)=\"([^\"]+)\"");
  std::size_t found = 0;
  for (std::sregex_iterator at(page.body.begin(), page.body.end(), reference), end; at != end; ++at, ++found) EXPECT_EQ(server.ask("GET", (*at)[1]).status, 200u) << (*at)[1];
  EXPECT_GE(found, 3u);
  // Inline code would not run under the policy, and markup out of text is what it is against.
  for (const web::WebFile& file : web::web_files()) {
    const std::string body(file.body);
    for (const char* word : {"<style", " style=", " onclick=", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://cdn"})
      if (!(file.path.ends_with(".svg") && std::string_view(word) == "http://")) EXPECT_THAT(body, Not(HasSubstr(word))) << file.path;
    EXPECT_FALSE(std::regex_search(body, std::regex("<script(?![^>]*src=)"))) << file.path;
  }
}

TEST(AdministrationPage, ScriptsImportFilesThatThereAre) {
  const std::regex import_from("from \"\\./([a-z_]+\\.js)\"");
  for (const web::WebFile& file : web::web_files()) {
    const std::string body(file.body);
    for (std::sregex_iterator at(body.begin(), body.end(), import_from), end; at != end; ++at)
      EXPECT_TRUE(file_named("/" + std::string((*at)[1])).path.ends_with(".js")) << file.path << " imports " << (*at)[1];
  }
}

TEST(AdministrationPage, EachAnswerForbidsInlineCodeFramesGuessesAndOtherOrigins) {
  RunningAdministration server;
  for (const web::WebFile& file : web::web_files()) {
    const HttpsAnswer answer = server.ask("GET", std::string(file.path));
    EXPECT_EQ(field_of(answer, "X-Content-Type-Options"), "nosniff") << file.path;
    EXPECT_EQ(field_of(answer, "Content-Type"), file.content_type);
    EXPECT_EQ(field_of(answer, "Strict-Transport-Security"), "max-age=31536000");
    EXPECT_EQ(field_of(answer, "Referrer-Policy"), "no-referrer");
    EXPECT_EQ(field_of(answer, "Cross-Origin-Opener-Policy"), "same-origin");
    EXPECT_THAT(field_of(answer, "Content-Security-Policy"), AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'self';"), HasSubstr("style-src 'self';"), HasSubstr("frame-ancestors 'none'"), HasSubstr("base-uri 'none'"), HasSubstr("form-action 'none'"),
                                                                  HasSubstr("require-trusted-types-for 'script'"), Not(HasSubstr("unsafe"))));
    EXPECT_EQ(answer.head.find("Set-Cookie"), std::string::npos);
  }
}

TEST(AdministrationPage, FilesAreKeptForGoodAndThePageIsAskedForEachTime) {
  RunningAdministration server;
  for (const web::WebFile& file : web::web_files()) {
    const std::string path(file.path);
    const HttpsAnswer first = server.ask("GET", path);
    const std::string etag = field_of(first, "ETag");
    EXPECT_EQ(field_of(first, "Cache-Control"), path == "/" ? "no-cache" : "private, max-age=31536000, immutable");
    for (const std::string& known : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
      const HttpsAnswer again = server.ask("GET", path, "", "If-None-Match: " + known + "\r\n");
      EXPECT_EQ(again.status, 304u) << path << " " << known;
      EXPECT_EQ(again.body, "");
      EXPECT_EQ(field_of(again, "ETag"), etag);
    }
    EXPECT_EQ(server.ask("GET", path, "", "If-None-Match: \"other\"\r\n").status, 200u);
  }
}

TEST(AdministrationPage, HeadTellsTheLengthAndSendsNoBody) {
  RunningAdministration server;
  const HttpsAnswer answer = server.ask("HEAD", "/");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(field_of(answer, "Content-Length"), std::to_string(file_named("/").body.size()));
}

TEST(AdministrationPage, NoOtherPathLeadsToAFileNorOutOfTheFolder) {
  RunningAdministration server;
  const std::string assets(file_named("/main.js").path.substr(0, file_named("/main.js").path.rfind('/')));
  std::set<std::string> bodies;
  for (const std::string& path : {"/index.html", "/main.js", "/web/", "/web/main.js", "/web/0000000000000000/main.js", "/./", "//", "/?x=1"}) {
    const HttpsAnswer answer = server.ask("GET", path);
    EXPECT_EQ(answer.status, 401u) << path;
    bodies.insert(answer.body);
  }
  for (const std::string& path : {assets, assets + "/", assets + "/../main.js", assets + "/../../v1/status", assets + "/%2e%2e/%2e%2e/etc/passwd", assets + "/..%2f..%2fetc/passwd", assets + "/main.js%00", assets + "/MAIN.JS", assets + "/index.html"})
    EXPECT_NE(server.ask("GET", path).status, 200u) << path;
  EXPECT_EQ(bodies.size(), 1u);
}

TEST(AdministrationPage, OnlyLookingAtItIsFree) {
  RunningAdministration server;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) EXPECT_EQ(server.ask(method, "/").status, 401u) << method;
  EXPECT_EQ(server.ask("GET", "/", "", "Content-Length: 5\r\n").status, 401u);
  EXPECT_EQ(answer_of(server.say("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")).status, 421u);
}

TEST(AdministrationPage, AConnectionServesABrowserAndEndsBeforeItIsAFlood) {
  RunningAdministration server;
  std::string asked;
  for (int request = 0; request < 300; ++request) asked += server.text_of("HEAD", "/", "", "", true);
  // What HEAD is asked with has no body; text_of() gives all but GET a length.
  const std::string told = server.say(asked);
  std::size_t answers = 0;
  for (std::size_t at = told.find("HTTP/1.1 200"); at != std::string::npos; at = told.find("HTTP/1.1 200", at + 1)) ++answers;
  EXPECT_EQ(answers, 100u);
  EXPECT_GE(answers, 2 * web::web_files().size());
  EXPECT_THAT(told, HasSubstr("Connection: close\r\n"));
}

TEST(AdministrationPage, WhoIsLoggedInGetsPageAndAnswersOverOneConnection) {
  RunningAdministration server;
  server.add_account("anna", accounts::Role::read);
  Browser anna(server, "anna");
  const std::string told = server.say(server.text_of("GET", "/", "", anna.fields(), true) + server.text_of("GET", "/v1/status", "", anna.fields()));
  EXPECT_THAT(told, AllOf(HasSubstr("<!doctype html>"), HasSubstr("\"node\":\"e1\"")));
}

}  // namespace
}  // namespace sallyport::api
