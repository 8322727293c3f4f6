// SPDX-License-Identifier: Apache-2.0
// What port 80 answers while it is open, to friends and to strangers.
#include "controlplane/acme/http01_solver.h"

#include <gmock/gmock.h>

#include "tests/unit/acme/acme_fixture.h"
#include "tests/unit/acme/child_process.h"

namespace sallyport::acme_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Http01SolverTest : public AcmeTest {
 public:
  std::unique_ptr<Http01Solver> make(std::chrono::milliseconds deadline = 10s) {
    Http01Options options;
    options.addresses = {*tls::SocketAddress::parse("127.0.0.1", 0)};
    options.request_deadline = deadline;
    options.connections = 8;
    options.connections_per_source = 4;
    return std::make_unique<Http01Solver>(*engine, options);
  }
  static ChallengeTask task(const std::string& token) {
    ChallengeTask made;
    made.domain = "a.example.test";
    made.token = token;
    made.key_authorization = token + ".thumbprint";
    return made;
  }
  awaitable<tls::StreamPtr> dial(tls::SocketAddress address) {
    tls::ConnectOptions options;
    options.remote = address;
    const auto connected = co_await tls::connect(*engine, options);
    EXPECT_TRUE(connected);
    co_return connected.stream;
  }
  // Everything that comes back.
  awaitable<std::string> ask(tls::SocketAddress address, std::string text) {
    const tls::StreamPtr stream = co_await dial(address);
    stream->send(text);
    std::string all;
    for (;;) {
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) break;
      all += *bytes;
    }
    co_return all;
  }
};

TEST_F(Http01SolverTest, ServesItsTokensAndNothingElse) {
  const auto solver = make();
  run([&]() -> awaitable<void> {
    ChallengeTask one = task("one"), two = task("two");
    const auto presented = co_await solver->present(std::move(one));
    EXPECT_TRUE(presented) << presented.fault().text();
    const auto presented_two = co_await solver->present(std::move(two));
    EXPECT_TRUE(presented_two);
    const tls::SocketAddress address = solver->listening().front();
    const std::string good = "GET /.well-known/acme-challenge/one HTTP/1.1\r\nHost: a.example.test\r\n\r\n";
    std::string answer = co_await ask(address, good);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_TRUE(answer.ends_with("\r\n\r\none.thumbprint")) << answer;
    for (const char* line : {"GET / HTTP/1.1", "GET /.well-known/acme-challenge/ HTTP/1.1", "GET /.well-known/acme-challenge/three HTTP/1.1", "GET /.well-known/acme-challenge/../one HTTP/1.1", "GET /.well-known/acme-challenge/one/ HTTP/1.1",
                             "POST /.well-known/acme-challenge/one HTTP/1.1"}) {
      const std::string request = std::string(line) + "\r\nHost: a\r\n\r\n";
      answer = co_await ask(address, request);
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\n")) << line;
    }
    one = task("one");
    const auto cleaned = co_await solver->cleanup(std::move(one));
    EXPECT_TRUE(cleaned);
    EXPECT_TRUE(solver->is_open()) << "the other token is still presented";
    answer = co_await ask(address, good);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404"));
    two = task("two");
    const auto cleaned_two = co_await solver->cleanup(std::move(two));
    EXPECT_TRUE(cleaned_two);
    EXPECT_FALSE(answers_tcp(address.port()));
  }());
}

TEST_F(Http01SolverTest, EndlessAndForeignRequestsAreCutOff) {
  const auto solver = make();
  run([&]() -> awaitable<void> {
    ChallengeTask one = task("one");
    const auto presented = co_await solver->present(std::move(one));
    EXPECT_TRUE(presented);
    const tls::SocketAddress address = solver->listening().front();
    for (const std::string& text : {"GET /" + std::string(100000, 'a') + " HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX: " + std::string(100000, 'a'), std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), std::string("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")}) {
      const std::string request = text;
      const std::string answer = co_await ask(address, request);
      EXPECT_EQ(answer, "") << text.substr(0, 40);
    }
    EXPECT_EQ(solver->counters().broken, 4u);
  }());
}

TEST_F(Http01SolverTest, SlowAndManyStrangersAreBounded) {
  const auto solver = make(300ms);
  run([&]() -> awaitable<void> {
    ChallengeTask one = task("one");
    const auto presented = co_await solver->present(std::move(one));
    EXPECT_TRUE(presented);
    const tls::SocketAddress address = solver->listening().front();
    std::vector<tls::StreamPtr> idle;
    for (int i = 0; i < 10; ++i) {
      const tls::StreamPtr stream = co_await dial(address);
      idle.push_back(stream);
    }
    // Four of one source may stay, and these only until the deadline.
    for (const tls::StreamPtr& stream : idle) {
      const auto end = co_await stream->receive();
      EXPECT_TRUE(!end || end->empty());
    }
    const std::string good = "GET /.well-known/acme-challenge/one HTTP/1.1\r\n\r\n";
    const std::string answer = co_await ask(address, good);
    EXPECT_THAT(answer, HasSubstr("one.thumbprint"));
  }());
}

TEST_F(Http01SolverTest, WithoutAnAddressItSaysSo) {
  Http01Solver solver(*engine, {});
  run([&]() -> awaitable<void> {
    ChallengeTask one = task("one");
    const auto presented = co_await solver.present(std::move(one));
    EXPECT_EQ(presented.fault().text(), "http-01 challenge: no address of this node is given for it; name the address whose port 80 the authority reaches");
  }());
}

}  // namespace
}  // namespace sallyport::acme_test
