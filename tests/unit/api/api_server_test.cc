// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_server.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/unit/api/fake_node.h"
#include "tests/unit/api/raw_client.h"

namespace sallyport::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Answer {
  std::string head, body;
};

Answer ask(const std::string& socket, const std::string& request) {
  RawClient client(socket);
  EXPECT_TRUE(client.is_connected());
  client.send(request);
  std::string text = client.read_to_end();
  std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return {text, ""};
  return {text.substr(0, end), text.substr(end + 4)};
}

Answer get(RunningApi& api, const std::string& target, const std::string& method = "GET") { return ask(api.socket(), get_request(target, method)); }

Answer post(RunningApi& api, const std::string& target, const std::string& body) {
  return ask(api.socket(), "POST " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

constexpr const char* site = R"([[zone]]
name = "Traversal zone"
type = "uc_traversal"
user = "exampleauth"
password = "s3cret"
peers = ["e1.example.com"]
)";

TEST(ApiServer, AnswersEachViewAsJson) {
  RunningApi api;
  for (auto [target, expected] : {std::pair("/v1/status", "\"node\":\"e1\""), std::pair("/v1/zones", "\"state\":\"failed\""), std::pair("/v1/registrations", "sip:user2@example.com"),
                                  std::pair("/v1/calls", "486 Busy Here"), std::pair("/v1/calls/7", "\"suite\":\"opaque\""), std::pair("/v1/flows", "\"verbs\":\"relay\""),
                                  std::pair("/v1/counters", "\"sallyport_dataplane_drops_total\",\"labels\":{\"worker\":\"0\",\"stage\":\"open\",\"reason\":\"replay\"}"), std::pair("/v1/history", "create flow key")}) {
    Answer answer = get(api, target);
    EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 200 ")) << target;
    EXPECT_THAT(answer.head, HasSubstr("application/json")) << target;
    EXPECT_THAT(answer.body, HasSubstr(expected)) << target;
    boost::system::error_code error;
    boost::json::parse(answer.body, error);
    EXPECT_FALSE(error) << target;
  }
}

TEST(ApiServer, LimitsAndFiltersComeFromTheQuery) {
  RunningApi api;
  EXPECT_EQ(boost::json::parse(get(api, "/v1/registrations?limit=2").body).as_array().size(), 2u);
  EXPECT_EQ(boost::json::parse(get(api, "/v1/calls").body).as_array().size(), 2u);
  EXPECT_EQ(boost::json::parse(get(api, "/v1/calls?active=1").body).as_array().size(), 1u);
}

TEST(ApiServer, MetricsAreThoseOfTheRegistryAndOfTheNode) {
  RunningApi api;
  Answer answer = get(api, "/metrics");
  EXPECT_THAT(answer.head, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(answer.body, HasSubstr("# HELP sallyport_dataplane_drops_total Packets dropped.\n# TYPE sallyport_dataplane_drops_total counter\nsallyport_dataplane_drops_total{worker=\"0\",stage=\"open\",reason=\"replay\"} 5\n"));
  EXPECT_THAT(answer.body, HasSubstr("sallyport_api_requests_total{outcome=\"answered\"}"));
}

TEST(ApiServer, MetricsOverTcpServeNothingElse) {
  RunningApi api({.metrics_listen = "127.0.0.1:0"});
  ASSERT_NE(api.metrics_port, 0);
  RawClient metrics(api.metrics_port), status(api.metrics_port);
  metrics.send(get_request("/metrics"));
  EXPECT_THAT(metrics.read_to_end(), HasSubstr("sallyport_api_requests_total"));
  status.send(get_request("/v1/status"));
  std::string text = status.read_to_end();
  EXPECT_THAT(text, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(text, HasSubstr("is not served over TCP"));
}

TEST(ApiServer, FaultsNameSubjectCauseAndRemedy) {
  RunningApi api;
  Answer unknown = get(api, "/v1/calls/99");
  EXPECT_THAT(unknown.head, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(unknown.body, HasSubstr("call 99: is not known; list the calls"));
  EXPECT_THAT(get(api, "/v1/nonsense").head, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get(api, "/v1/calls/7/legs").head, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get(api, "/v1/apply").head, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(get(api, "/v1/status", "DELETE").head, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(get(api, "/v1/calls/%zz").head, StartsWith("HTTP/1.1 400 "));
}

TEST(ApiServer, CaptureStreamsUntilItHasEndedAndIsLogged) {
  RunningApi api;
  Answer answer = post(api, "/v1/calls/7/capture?packets=3&seconds=5", "");
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer.head, HasSubstr("application/x-pcapng"));
  EXPECT_THAT(answer.body, HasSubstr("done"));
  EXPECT_TRUE(answer.body.ends_with("0\r\n\r\n"));
  std::string events;
  for (const LogLine& line : api.log->lines_after(0, 100)) events += line.kind + " " + line.text + "\n";
  std::string who = "security uid " + std::to_string(::getuid());
  EXPECT_THAT(events, HasSubstr(who + " captures call 7 for 5 s at most\n"));
  EXPECT_THAT(events, HasSubstr(who + " ends the capture of call 7: 3 packets\n"));
}

TEST(ApiServer, CaptureEndsWhenItsReaderGoes) {
  RunningApi api;
  {
    RawClient reader(api.socket());
    reader.send("POST /v1/calls/7/capture HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(reader.read_until("pppp"), HasSubstr("pppp"));
  }
  // The last line of the log tells that its coroutine is done with it.
  for (int i = 0; i < 1000 && api.log->newest_sequence() < 2; ++i) ::usleep(10'000);
  EXPECT_EQ(api.log->newest_sequence(), 2u);
  api.stop();
  EXPECT_EQ(api.node.captures, 0);
}

TEST(ApiServer, CaptureRefusesNumbersItDoesNotUnderstand) {
  RunningApi api;
  for (const char* query : {"seconds=0", "seconds=3601", "seconds=ten", "packets=-1", "packets="}) {
    Answer answer = post(api, std::string("/v1/calls/7/capture?") + query, "");
    EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 400 ")) << query;
    EXPECT_THAT(answer.body, HasSubstr("is no number from 1 to")) << query;
  }
  EXPECT_THAT(post(api, "/v1/calls/9/capture", "").head, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(post(api, "/v1/calls/7/capture?decrypted=1", "").head, StartsWith("HTTP/1.1 403 "));
}

TEST(ApiServer, TraversalTestTakesAZone) {
  RunningApi api;
  EXPECT_THAT(post(api, "/v1/traversal/test", "").body, HasSubstr("\"passed\":true"));
  EXPECT_THAT(post(api, "/v1/traversal/test?zone=broken", "").body, HasSubstr("edge.example.com cannot be reached"));
  EXPECT_THAT(post(api, "/v1/traversal/test?zone=nowhere", "").head, StartsWith("HTTP/1.1 404 "));
}

TEST(ApiServer, ApplyPlansAppliesAndExports) {
  RunningApi api;
  Answer dry = post(api, "/v1/apply?dry_run=1&file=a%20b.toml", site);
  EXPECT_THAT(dry.head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(dry.body, HasSubstr("\"applied\":false"));
  EXPECT_TRUE(api.site->snapshot()->zones.empty());
  Answer done = post(api, "/v1/apply?file=site.toml", site);
  EXPECT_THAT(done.body, HasSubstr("\"applied\":true"));
  EXPECT_EQ(api.site->snapshot()->zones.size(), 1u);
  Answer exported = get(api, "/v1/export");
  EXPECT_THAT(exported.body, testing::AllOf(HasSubstr("keep = true"), testing::Not(HasSubstr("s3cret"))));
  EXPECT_THAT(post(api, "/v1/apply", exported.body).body, HasSubstr("\"lines\":[]"));
  EXPECT_THAT(get(api, "/v1/history").body, HasSubstr("uid " + std::to_string(::getuid()) + " by apply"));
  EXPECT_THAT(get(api, "/v1/logs").body, HasSubstr("create zone"));
}

TEST(ApiServer, ARefusedDocumentNamesFileLineAndColumn) {
  RunningApi api;
  Answer broken = post(api, "/v1/apply?file=site.toml", "[[zone]]\nname = 5\n");
  EXPECT_THAT(broken.head, StartsWith("HTTP/1.1 422 "));
  EXPECT_THAT(broken.body, HasSubstr("site.toml:2:8: zone.name: must be a string"));
  Answer conflict = post(api, "/v1/apply", std::string(site) + "[[zone]]\nname = \"Second\"\ntype = \"uc_traversal\"\nuser = \"u\"\npassword = \"p\"\npeers = [\"a.b\"]\n");
  EXPECT_THAT(conflict.head, StartsWith("HTTP/1.1 409 "));
  EXPECT_TRUE(api.site->snapshot()->zones.empty());
}

TEST(ApiServer, OneConnectionServesManyRequests) {
  RunningApi api;
  RawClient client(api.socket());
  std::string request = "GET /v1/calls/7 HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(request + request);
  client.send(get_request("/v1/calls/7"));
  std::string text = client.read_to_end();
  std::size_t answers = 0;
  for (std::size_t at = 0; (at = text.find("HTTP/1.1 200 ", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 3u);
}

TEST(ApiServer, OversizedHeadersAndBodiesAreRefused) {
  RunningApi api({.max_body_bytes = 4096});
  EXPECT_THAT(ask(api.socket(), "GET / HTTP/1.1\r\nX: " + std::string(20000, 'a') + "\r\n\r\n").head, StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(post(api, "/v1/apply", std::string(5000, '#')).head, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask(api.socket(), "\x16\x03\x01 garbage\r\n\r\n").head, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(get(api, "/v1/status").head, StartsWith("HTTP/1.1 200 "));
}

TEST(ApiServer, ConnectionsAboveTheLimitAreClosedAndCounted) {
  RunningApi api({.max_connections = 2});
  RawClient one(api.socket()), two(api.socket());
  std::string request = "GET /v1/calls/7 HTTP/1.1\r\nHost: x\r\n\r\n";
  one.send(request);
  two.send(request);
  one.read_until("\"legs\"");
  two.read_until("\"legs\"");
  EXPECT_EQ(get(api, "/v1/status").head, "");
  one.send(get_request("/metrics"));
  EXPECT_THAT(one.read_to_end(), HasSubstr("sallyport_api_connections_refused_total 1\n"));
}

TEST(ApiServer, AnIdleConnectionIsClosed) {
  RunningApi api({.idle_timeout_s = 1});
  RawClient client(api.socket());
  client.send("GET /v1/sta");
  EXPECT_EQ(client.read_to_end(), "");  // the peer closed; the deadline of the client is ten times as long
  EXPECT_THAT(get(api, "/v1/status").head, StartsWith("HTTP/1.1 200 "));
}

TEST(ApiServer, ANodeThatDoesNotAnswerIsGivenUp) {
  RunningApi api({.answer_timeout_s = 1});
  api.node.hangs = true;
  Answer answer = get(api, "/v1/status");
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(answer.body, HasSubstr("took longer than 1 s"));
}

TEST(ApiServer, LogStreamShowsOldLinesThenNewOnesUntilTheServerStops) {
  RunningApi api;
  for (const char* text : {"one", "two", "three"}) api.log->info("kind", text);
  RawClient client(api.socket());
  client.send(get_request("/v1/logs?follow=1&lines=2"));
  std::string text = client.read_until("\"three\"");
  EXPECT_THAT(text, testing::AllOf(HasSubstr("Transfer-Encoding: chunked"), HasSubstr("\"two\""), testing::Not(HasSubstr("\"one\""))));
  api.log->warn("kind", "four");
  EXPECT_THAT(client.read_until("\"four\""), HasSubstr("\"four\""));
  api.stop();
  client.read_to_end();
}

TEST(ApiServer, SocketIsForOwnerAndGroupAndGoneAfterwards) {
  RunningApi api;
  struct stat status {};
  ASSERT_EQ(::stat(api.socket().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  api.stop();
  EXPECT_NE(::stat(api.socket().c_str(), &status), 0);
}

TEST(ApiServer, RefusesASocketThatIsInUseAndTakesOneThatWasLeftBehind) {
  RunningApi api;
  boost::asio::io_context io;
  MetricRegistry other_metrics;
  auto second = ApiServer::start(io.get_executor(), {.socket_path = api.socket()}, api.parts(other_metrics));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.fault().text(), HasSubstr("is in use by a running control plane"));
  std::ofstream(api.folder() + "/file") << "x";
  MetricRegistry third_metrics;
  EXPECT_THAT(ApiServer::start(io.get_executor(), {.socket_path = api.folder() + "/file"}, api.parts(third_metrics)).fault().text(), HasSubstr("is not a socket"));
  // What a killed process leaves: a bound socket without a listener.
  std::string left = api.folder() + "/left.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, left.c_str(), sizeof address.sun_path - 1);
  int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(descriptor);
  MetricRegistry fourth_metrics;
  auto taken = ApiServer::start(io.get_executor(), {.socket_path = left}, api.parts(fourth_metrics));
  EXPECT_TRUE(taken) << taken.fault().text();
  if (taken) (*taken)->stop();
  io.run();
}

}  // namespace
}  // namespace sallyport::api
