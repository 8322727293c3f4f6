// SPDX-License-Identifier: Apache-2.0
// The client against servers that mean it badly.
#include "controlplane/http/http_client.h"

#include <gmock/gmock.h>

#include "tests/unit/acme/scripted_server.h"

namespace sallyport::acme_test {
namespace {

class HttpClientTest : public AcmeTest {
 public:
  HttpClientOptions options() {
    HttpClientOptions made;
    made.tls = trust(certificates.ca());
    made.deadline = 20s;
    return made;
  }
  awaitable<Outcome<HttpMessage>> get(HttpClientOptions with, std::string url) {
    HttpClient client(*engine, *resolver, std::move(with));
    HttpRequest request;
    request.url = std::move(url);
    co_return co_await client.ask(std::move(request));
  }
  // The Fault that an answer leads to.
  std::string fault_of(const std::string& answer, std::function<void(HttpClientOptions&)> change = {}) {
    ScriptedServer server(*this, [&](const HttpMessage&) { return answer; });
    std::string text = "no fault";
    HttpClientOptions with = options();
    if (change) change(with);
    const std::string url = server.url();
    run([&]() -> awaitable<void> {
      const auto got = co_await get(std::move(with), url);
      if (!got) text = got.fault().text();
    }());
    EXPECT_EQ(server.requests().size(), 1u);
    return text;
  }
};

using ::testing::HasSubstr;

TEST_F(HttpClientTest, AnswerComesWithFieldsAndBody) {
  ScriptedServer server(*this, [](const HttpMessage&) { return http("201 Created", "Application/JSON; charset=utf-8", "{}", "Replay-Nonce: abc\r\n"); });
  run([&]() -> awaitable<void> {
    HttpClientOptions with = options();
    const std::string url = server.url("/a?b=c");
    const auto got = co_await get(std::move(with), url);
    EXPECT_TRUE(got) << got.fault().text();
    EXPECT_EQ(got->status, 201u);
    EXPECT_EQ(got->media_type(), "application/json");
    EXPECT_EQ(*got->find("replay-nonce"), "abc");
    EXPECT_EQ(got->body, "{}");
  }());
  EXPECT_EQ(server.requests().front().target, "/a?b=c");
  EXPECT_NE(server.requests().front().find("user-agent"), nullptr);
}

TEST_F(HttpClientTest, ChunkedAnswerIsPutTogether) {
  ScriptedServer server(*this, [](const HttpMessage&) { return std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"); });
  run([&]() -> awaitable<void> {
    HttpClientOptions with = options();
    const std::string url = server.url();
    const auto got = co_await get(std::move(with), url);
    EXPECT_TRUE(got);
    EXPECT_EQ(got->body, "abcde");
  }());
}

TEST_F(HttpClientTest, HugeBodyIsRefusedBeforeItIsRead) {
  EXPECT_THAT(fault_of("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), HasSubstr("its body is longer than 1048576 bytes"));
  EXPECT_THAT(fault_of("HTTP/1.1 200 OK\r\n\r\n" + std::string(2 << 20, 'x')), HasSubstr("its body is longer than"));
}

TEST_F(HttpClientTest, EndlessHeaderIsRefused) {
  EXPECT_THAT(fault_of("HTTP/1.1 200 OK\r\nX: " + std::string(100000, 'x')), HasSubstr("its header is longer than"));
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 5000; ++i) many += "X: y\r\n";
  EXPECT_THAT(fault_of(many), HasSubstr("its header is longer than"));
}

TEST_F(HttpClientTest, CutShortAnswerIsNoAnswer) {
  EXPECT_THAT(fault_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), HasSubstr("it ends in the middle"));
  EXPECT_THAT(fault_of("HTTP/1.1 200 OK\r\nContent-"), HasSubstr("it ends in the middle"));
}

TEST_F(HttpClientTest, WhatIsNoHttpIsRefused) {
  EXPECT_THAT(fault_of("220 mail.example ESMTP\r\n"), HasSubstr("HTTP"));
  EXPECT_NE(fault_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "no fault");
  EXPECT_NE(fault_of("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "no fault");
}

TEST_F(HttpClientTest, SilentServerMeetsTheDeadline) {
  EXPECT_THAT(fault_of("", [](HttpClientOptions& with) { with.deadline = 200ms; }), HasSubstr("no whole answer within 200 ms"));
}

TEST_F(HttpClientTest, RedirectIsAnAnswerUnlessItIsToBeFollowed) {
  ScriptedServer server(*this, [](const HttpMessage& request) { return request.target == "/" ? http("302 Found", "text/plain", "", "Location: /there\r\n") : http("200 OK", "text/plain", "here"); });
  run([&]() -> awaitable<void> {
    HttpClientOptions with = options();
    const std::string url = server.url();
    const auto kept = co_await get(std::move(with), url);
    EXPECT_TRUE(kept);
    EXPECT_EQ(kept->status, 302u);
    with = options();
    with.redirects = 2;
    const auto followed = co_await get(std::move(with), url);
    EXPECT_TRUE(followed);
    EXPECT_EQ(followed->body, "here");
  }());
}

TEST_F(HttpClientTest, RedirectAwayFromHttpsOrInACircleIsRefused) {
  const auto follow = [](HttpClientOptions& with) { with.redirects = 3; };
  EXPECT_THAT(fault_of(http("302 Found", "text/plain", "", "Location: http://127.0.0.1/\r\n"), follow), HasSubstr("does not begin with https://"));
  ScriptedServer server(*this, [](const HttpMessage&) { return http("302 Found", "text/plain", "", "Location: /\r\n"); });
  run([&]() -> awaitable<void> {
    HttpClientOptions with = options();
    with.redirects = 3;
    const std::string url = server.url();
    const auto got = co_await get(std::move(with), url);
    EXPECT_FALSE(got);
    EXPECT_THAT(got.fault().text(), HasSubstr("more redirects than are followed"));
  }());
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST_F(HttpClientTest, ServerOfAnotherAuthorityIsNotTrusted) {
  ScriptedServer server(*this, [](const HttpMessage&) { return json_answer("{}"); });
  run([&]() -> awaitable<void> {
    HttpClientOptions with = options();
    with.tls = trust(certificates.ca("another"));
    const std::string url = server.url();
    const auto got = co_await get(std::move(with), url);
    EXPECT_FALSE(got);
    EXPECT_THAT(got.fault().text(), HasSubstr("TLS with 127.0.0.1"));
  }());
  EXPECT_TRUE(server.requests().empty());
}

TEST(HttpUrlTest, TakesApartWhatIsHttps) {
  const auto url = parse_https_url("HTTPS://CA.Example:14000/dir?x=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "ca.example");
  EXPECT_EQ(url->port, 14000);
  EXPECT_EQ(url->target, "/dir?x=1");
  EXPECT_EQ(url->host_field(), "ca.example:14000");
  EXPECT_EQ(parse_https_url("https://[2001:db8::1]/a")->host, "2001:db8::1");
  EXPECT_EQ(parse_https_url("https://ca.example")->target, "/");
  EXPECT_EQ(*resolve_url(*url, "/b"), "https://ca.example:14000/b");
}

TEST(HttpUrlTest, RefusesWhatCouldBreakARequest) {
  for (const char* text : {"", "http://a.example/", "https://", "https://a@b.example/", "https://a.example/ b", "https://a.example/\r\nX: y", "https://a.example/#f", "https://a.example:0/", "https://a.example:70000/",
                           "https://a.example:/", "https://[::1/", "https://[zz]/", "https://a.exa\xc3\xa4mple/", "ftp://a.example/"}) {
    EXPECT_FALSE(parse_https_url(text)) << text;
  }
  EXPECT_FALSE(parse_https_url("https://a.example/" + std::string(3000, 'a')));
  const auto base = parse_https_url("https://a.example/x");
  EXPECT_FALSE(resolve_url(*base, "//b.example/"));
  EXPECT_FALSE(resolve_url(*base, "relative"));
}

}  // namespace
}  // namespace sallyport::acme_test
