// SPDX-License-Identifier: Apache-2.0
// The keeper against `openssl ocsp`, and against servers that mean it badly.
#include "controlplane/node/revocation_keeper.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fstream>

#include "controlplane/tls/listener.h"
#include "tests/unit/acme/child_process.h"
#include "tests/unit/revocation/answers.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::node {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;
using certificates::test::Authority;
using certificates::test::Issued;
using certificates::test::Wish;
using revocation::RevocationState;
using revocation::test::AnswerWish;
using testing::HasSubstr;

std::string http_answer(const std::string& type, const std::string& body, const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class RevocationKeeperTest : public testing::Test {
 protected:
  using Script = std::function<std::string(const http::HttpMessage&)>;  // a whole answer

  void SetUp() override {
    site = folder.open(config::Role::edge);
    engine = std::move(*tls::StreamEngine::create(io));
    resolver = std::move(*dns::Resolver::create(io, {.servers = {"127.0.0.1:1"}}));
    certificates::VaultOptions options{.state_dir = folder.path(), .node_name = "e1", .node_fqdn = "edge.example.com"};
    vault = std::move(*certificates::CertificateVault::open(std::move(options)));
    settings.may_ask_this_host = true;
    settings.requests_per_min = 6000;
  }
  void TearDown() override {
    end_keeper();
    server.reset();
    engine.reset();
  }

  // Answers every request on a port of its own as the script says.
  std::string serve(Script script) {
    tls::ListenerOptions options;
    options.name = "scripted";
    options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    options.stream_limits.queue_limit_bytes = 64 << 20;
    auto opened = tls::Listener::open(*engine, std::move(options), [this, script](tls::StreamPtr stream) { boost::asio::co_spawn(io, answer(stream, script), boost::asio::detached); });
    EXPECT_TRUE(opened);
    server = std::move(*opened);
    return "http://" + server->address().text() + "/";
  }
  static awaitable<void> answer(tls::StreamPtr stream, Script script) {
    const http::HttpLimits limits;
    http::HttpReader reader(http::HttpReader::Kind::request, limits);
    for (bool done = false; !done;) {
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) co_return;
      const auto put = reader.put(*bytes);
      if (!put) co_return;
      done = *put;
    }
    const std::string text = script(reader.take());
    [[maybe_unused]] const auto written = co_await stream->write(text);
    stream->close_after_send();
  }

  Issued install(const std::string& slot, Wish wish) {
    const auto parsed = certificates::Slot::parse(slot);
    if (parsed->kind == certificates::SlotKind::domain) (void)vault->add_domain(parsed->domain, "test");
    if (wish.names.empty()) wish.names = "DNS:" + (parsed->domain.empty() ? "edge.example.com" : parsed->domain);
    const Issued issued = issuer.issue(wish);
    const std::string pem = issued.pem() + issuer.pem(), key = issued.key_pem();
    certificates::InstallWish upload;
    upload.slot = *parsed;
    upload.upload.certificate = pem;
    upload.upload.key = key;
    const auto installed = vault->install(upload, "test");
    EXPECT_TRUE(installed) << installed.fault().text();
    if (keeper != nullptr) keeper->look_again();
    return issued;
  }
  void start_keeper() {
    RevocationSurroundings surroundings;
    surroundings.files = [] { return std::vector<ServedFile>(); };
    surroundings.authorities = [this] { return vault->snapshot()->authorities(); };
    auto store = revocation::RevocationStore::open(folder.path());
    book = std::make_shared<tls::StapleBook>([this] { return std::time(nullptr) + later_s; });
    keeper = std::make_shared<RevocationKeeper>(io, *engine, *resolver, *vault, std::move(*store), book, std::move(surroundings), settings, [this](const std::string& line) { log.push_back(line); });
    boost::asio::co_spawn(io, RevocationKeeper::run(keeper), boost::asio::detached);
  }
  void end_keeper() {
    if (keeper == nullptr) return;
    keeper->stop();
    keeper.reset();
    io.restart();
    io.poll();
  }
  // Runs until it holds of the slot's certificate.
  RevocationStatus await(const std::string& slot, const std::function<bool(const RevocationStatus&)>& holds) {
    RevocationStatus last;
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    io.restart();
    for (bool found = false; !found && std::chrono::steady_clock::now() < deadline;) {
      io.run_one_for(100ms);
      keeper->each([&](const RevocationStatus& status) {
        if (status.slot != slot) return;
        last = status;
        found = holds(status);
      });
    }
    EXPECT_TRUE(holds(last)) << slot << ": " << last.text(std::time(nullptr));
    return last;
  }
  RevocationStatus await_state(const std::string& slot, RevocationState state) {
    return await(slot, [state](const RevocationStatus& status) { return status.finding.state == state; });
  }
  std::string await_problem(const std::string& slot) { return await(slot, [](const RevocationStatus& status) { return !status.problem.empty(); }).problem; }
  std::string stapled(const Issued& issued) {
    const auto staple = book->find(tls::fingerprint_of(issued.certificate.get()));
    return staple == nullptr ? "" : staple->response;
  }

  const store::StateFolder folder;
  boost::asio::io_context io{1};
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<tls::StreamEngine> engine;
  std::unique_ptr<dns::Resolver> resolver;
  std::unique_ptr<certificates::CertificateVault> vault;
  std::unique_ptr<tls::Listener> server;
  std::shared_ptr<tls::StapleBook> book;
  std::shared_ptr<RevocationKeeper> keeper;
  RevocationSettings settings;
  const Authority root{"Root"}, issuer{"Issuer", root}, stranger{"Stranger"};
  std::vector<std::string> log;
  int64_t later_s = 0;
};

// The command as responder; its index says what became of each certificate.
class OpensslResponder {
 public:
  OpensslResponder(const store::StateFolder& folder, const Authority& issuer) : folder_(folder), port_(acme_test::free_port()) {
    std::ofstream(folder.path("issuer.pem")) << issuer.pem();
    const Issued own{issuer.certificate(), issuer.key()};
    std::ofstream(folder.path("issuer.key")) << own.key_pem();
    std::ofstream(folder.path("index.txt.attr")) << "unique_subject = no\n";
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  // Of the next start: OpenSSL 3.0 looks whether its index changed only after the next question.
  void tell(const Issued& issued, bool is_revoked) {
    const std::string serial = tls::describe_certificate(issued.certificate.get()).serial;
    std::ofstream(folder_.path("index.txt")) << (is_revoked ? "R\t360101000000Z\t261127120000Z,keyCompromise\t" : "V\t360101000000Z\t\t") << serial << "\tunknown\t/CN=leaf\n";
  }
  void start() {
    const std::string log_path = folder_.path("responder" + std::to_string(++starts_) + ".log");
    ASSERT_TRUE(process_.start({acme_test::find_program("openssl"), "ocsp", "-index", folder_.path("index.txt"), "-port", std::to_string(port_), "-rsigner", folder_.path("issuer.pem"), "-rkey", folder_.path("issuer.key"), "-CA",
                                folder_.path("issuer.pem"), "-nmin", "60"}, {}, log_path));
    // Its log tells, not a connection: one that ends without a request makes OpenSSL 3.0's responder spin for ever.
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!is_waiting(log_path) && std::chrono::steady_clock::now() < deadline && process_.is_running()) usleep(1000);
    ASSERT_TRUE(is_waiting(log_path)) << "see " << log_path;
  }
  void stop() { process_.stop(); }

 private:
  const store::StateFolder& folder_;
  static bool is_waiting(const std::string& log_path) {
    std::ifstream log(log_path);
    const std::string text{std::istreambuf_iterator<char>(log), {}};
    return text.find("waiting for OCSP client connections") != std::string::npos;
  }

  const uint16_t port_;
  unsigned starts_ = 0;
  acme_test::ChildProcess process_;
};

TEST_F(RevocationKeeperTest, WhatOpensslSaysIsStapledOutlivesARestartAndARevocationEndsIt) {
  OpensslResponder responder(folder, issuer);
  const Issued issued = install("server", {.ocsp_url = responder.url()});
  responder.tell(issued, false);
  responder.start();
  start_keeper();
  const RevocationStatus good = await_state("server", RevocationState::good);
  EXPECT_STREQ(good.source(), "ocsp");
  EXPECT_THAT(good.text(std::time(nullptr)), HasSubstr("stapled until"));
  EXPECT_GT(good.next_check_s, std::time(nullptr) + 25 * 60);
  EXPECT_EQ(keeper->counters().good, 1u);
  const std::string staple = stapled(issued);
  EXPECT_TRUE(revocation::judge_ocsp_answer(staple, issued.certificate.get(), issuer.certificate().get(), std::time(nullptr)));

  responder.stop();
  end_keeper();
  start_keeper();
  EXPECT_EQ(stapled(issued), staple) << "before anybody was asked";
  const RevocationStatus kept = await_state("server", RevocationState::good);
  EXPECT_EQ(kept.finding, good.finding);
  EXPECT_EQ(keeper->counters().good, 0u) << "nobody is asked before the time";

  // Down: the last staple serves until it is stale.
  EXPECT_TRUE(keeper->check_now("server"));
  EXPECT_THAT(await_problem("server"), HasSubstr("refused"));
  EXPECT_EQ(stapled(issued), staple);
  later_s = 3601;
  EXPECT_EQ(stapled(issued), "");
  later_s = 0;

  responder.tell(issued, true);
  responder.start();
  EXPECT_TRUE(keeper->check_now("server"));
  const RevocationStatus revoked = await_state("server", RevocationState::revoked);
  EXPECT_EQ(revoked.finding.reason, "keyCompromise");
  EXPECT_THAT(revoked.text(std::time(nullptr)), HasSubstr("revoked on 2026-11-27 12:00:00 UTC, keyCompromise"));
  EXPECT_EQ(stapled(issued), "");
  EXPECT_THAT(log.back(), HasSubstr("server: certificate " + revoked.serial + " is revoked"));

  // The revocation is known after a restart too, and what replaces the certificate begins anew.
  end_keeper();
  start_keeper();
  await_state("server", RevocationState::revoked);
  responder.stop();
  const Issued next = install("server", {.ocsp_url = responder.url()});
  responder.tell(next, false);
  responder.start();
  EXPECT_EQ(await_state("server", RevocationState::good).serial, tls::describe_certificate(next.certificate.get()).serial);
  EXPECT_NE(stapled(next), "");
}

TEST_F(RevocationKeeperTest, UnknownIsToldAndNotStapled) {
  OpensslResponder responder(folder, issuer);
  const Issued issued = install("server", {.ocsp_url = responder.url()}), other = issuer.issue({});
  responder.tell(other, false);
  responder.start();
  start_keeper();
  await_state("server", RevocationState::unknown);
  EXPECT_EQ(stapled(issued), "");
}

TEST_F(RevocationKeeperTest, BadAnswersLeaveTheLastStapleInForce) {
  Script script;
  const std::string url = serve([&](const http::HttpMessage& request) { return script(request); });
  const Issued issued = install("domain/a.example", {.ocsp_url = url});
  X509* leaf = issued.certificate.get();
  std::string question;
  script = [&](const http::HttpMessage& request) {
    question = request.method + " " + *request.find("content-type");
    return http_answer("application/ocsp-response", revocation::test::ocsp_answer({}, leaf, issuer));
  };
  start_keeper();
  await_state("domain/a.example", RevocationState::good);
  EXPECT_EQ(question, "POST application/ocsp-request");
  const std::string staple = stapled(issued);
  const Issued delegate = stranger.issue({.extended_key_usage = "OCSPSigning"});
  AnswerWish late;
  late.this_update_s = -7200;
  AnswerWish old;
  old.this_update_s = -600;
  const std::pair<std::string, const char*> rows[] = {
      {http_answer("text/html", "<html>please log in</html>"), "answers with \"text/html\", not application/ocsp-response"},
      {http_answer("application/ocsp-response", "rubbish"), "cannot be read"},
      {http_answer("application/ocsp-response", std::string(17000, 'x')), "its body is longer than 16384 bytes"},
      {"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 99999999999\r\n\r\n", "its body is longer than 16384 bytes"},
      {http_answer("application/ocsp-response", revocation::test::ocsp_answer({}, leaf, issuer, delegate.certificate.get(), delegate.key.get())), "is not signed by the certificate's issuer"},
      {http_answer("application/ocsp-response", revocation::test::ocsp_refusal(OCSP_RESPONSE_STATUS_TRYLATER)), "trylater"},
      {http_answer("application/ocsp-response", "", "500 Internal Server Error"), "answers HTTP 500"},
      {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "answers HTTP 302"},
      {http_answer("application/ocsp-response", revocation::test::ocsp_answer(old, leaf, issuer)), "older than its last word"},
  };
  unsigned failures = 0;
  for (const auto& [text, told] : rows) {
    script = [&text](const http::HttpMessage&) { return text; };
    ++failures;
    EXPECT_TRUE(keeper->check_now("domain/a.example"));
    const auto status = await("domain/a.example", [&](const RevocationStatus& each) { return each.failures == failures; });
    EXPECT_THAT(status.problem, HasSubstr(told));
    EXPECT_EQ(status.finding.state, RevocationState::good);
    EXPECT_EQ(stapled(issued), staple) << told;
  }
  EXPECT_EQ(keeper->counters().failed, failures);
  EXPECT_FALSE(await("domain/a.example", [](const auto&) { return true; }).is_lost(std::time(nullptr))) << "its last word still holds";
  EXPECT_TRUE(await("domain/a.example", [](const auto&) { return true; }).is_lost(std::time(nullptr) + 3700));
}

TEST_F(RevocationKeeperTest, AGoodWordWithoutAnEndLeavesTheStapleOfBeforeAlsoOverARestart) {
  AnswerWish wish;
  X509* leaf = nullptr;
  const std::string url = serve([&](const http::HttpMessage&) { return http_answer("application/ocsp-response", revocation::test::ocsp_answer(wish, leaf, issuer)); });
  const Issued issued = install("server", {.ocsp_url = url});
  leaf = issued.certificate.get();
  start_keeper();
  await_state("server", RevocationState::good);
  const std::string staple = stapled(issued);
  ASSERT_NE(staple, "");
  wish.this_update_s = 0;
  wish.next_update_s = 0;
  EXPECT_TRUE(keeper->check_now("server"));
  await("server", [&](const RevocationStatus& status) { return status.finding.next_update_s == 0; });
  EXPECT_EQ(stapled(issued), staple);
  end_keeper();
  start_keeper();
  EXPECT_EQ(stapled(issued), staple);
  EXPECT_THAT(await_state("server", RevocationState::good).text(std::time(nullptr)), HasSubstr("stapled until"));
}

TEST_F(RevocationKeeperTest, WithoutAResponderTheRevocationListTellsOfAllThatNameIt) {
  std::vector<X509*> revoked;
  int fetched = 0;
  const std::string url = serve([&](const http::HttpMessage&) {
    ++fetched;
    return http_answer("application/pkix-crl", revocation::test::revocation_list({.revoked = revoked}, issuer));
  });
  const Issued first = install("domain/a.example", {.crl_url = url}), second = install("domain/b.example", {.crl_url = url});
  revoked = {second.certificate.get()};
  start_keeper();
  EXPECT_STREQ(await_state("domain/a.example", RevocationState::good).source(), "crl");
  EXPECT_EQ(await_state("domain/b.example", RevocationState::revoked).finding.reason, "keyCompromise");
  EXPECT_EQ(fetched, 1);
  EXPECT_EQ(keeper->counters().lists_read, 1u);
  EXPECT_EQ(stapled(first), "");
}

TEST_F(RevocationKeeperTest, ManyCertificatesAreAskedForAFewAtATimeAndThePlatformsFirst) {
  constexpr int domains = 40;
  std::vector<std::string> order;
  std::map<std::string, X509*> by_path;
  std::vector<Issued> all;
  const std::string url = serve([&](const http::HttpMessage& request) {
    order.push_back(request.target);
    return http_answer("application/ocsp-response", revocation::test::ocsp_answer({}, by_path.at(request.target), issuer));
  });
  for (int i = 0; i < domains; ++i) {
    all.push_back(install("domain/d" + std::to_string(i) + ".example", {.ocsp_url = url + std::to_string(i)}));
    by_path["/" + std::to_string(i)] = all.back().certificate.get();
  }
  all.push_back(install("server", {.ocsp_url = url + "server"}));
  by_path["/server"] = all.back().certificate.get();
  settings.requests_per_min = 600;  // four at once, then ten a second
  const auto begin = std::chrono::steady_clock::now();
  start_keeper();
  for (int i = 0; i < domains; ++i) await_state("domain/d" + std::to_string(i) + ".example", RevocationState::good);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(order.size(), size_t{domains + 1});
  EXPECT_EQ(order.front(), "/server");
  EXPECT_GE(took, std::chrono::milliseconds(100 * (domains - 4))) << "the pace was not kept";
  EXPECT_EQ(book->fresh(), size_t{domains + 1});
}

TEST_F(RevocationKeeperTest, WhatACertificateNamesDoesNotLeadIntoThisHost) {
  int asked = 0;
  const std::string url = serve([&](const http::HttpMessage&) {
    ++asked;
    return std::string();
  });
  settings.may_ask_this_host = false;
  install("domain/a.example", {.ocsp_url = url});
  install("domain/b.example", {.ocsp_url = "http://169.254.169.254/latest/"});
  start_keeper();
  EXPECT_THAT(await_problem("domain/a.example"), HasSubstr("this host's own or of its link"));
  EXPECT_THAT(await_problem("domain/b.example"), HasSubstr("this host's own or of its link"));
  EXPECT_EQ(asked, 0);
}

TEST_F(RevocationKeeperTest, WithoutAnIssuerNobodyIsAskedAndItIsToldWhy) {
  const Authority unknown("Unknown");
  const Issued issued = unknown.issue({.names = "DNS:edge.example.com", .ocsp_url = "http://127.0.0.1:1/"});
  const std::string pem = issued.pem(), key = issued.key_pem();
  certificates::InstallWish upload;
  upload.upload.certificate = pem;
  upload.upload.key = key;
  ASSERT_TRUE(vault->install(upload, "test"));
  start_keeper();
  EXPECT_THAT(await_problem("server"), HasSubstr("upload it with its intermediates"));
  // Once its authority is trusted for something, its answers can be verified.
  ASSERT_TRUE(vault->add_trust(certificates::TrustPurpose::guests, unknown.pem(), "unknown.pem", "test"));
  EXPECT_TRUE(keeper->check_now("server"));
  EXPECT_THAT(await("server", [](const RevocationStatus& status) { return status.failures == 2; }).problem, HasSubstr("127.0.0.1:1"));
}

TEST_F(RevocationKeeperTest, SwitchedOffNobodyIsAsked) {
  int asked = 0;
  const std::string url = serve([&](const http::HttpMessage&) {
    ++asked;
    return std::string();
  });
  settings.is_on = false;
  install("server", {.ocsp_url = url, .must_staple = true});
  install("domain/a.example", {});
  start_keeper();
  const auto status = await("server", [](const RevocationStatus& each) { return !each.serial.empty(); });
  EXPECT_TRUE(status.must_staple);
  const auto refused = keeper->check_now("server");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.fault().text(), HasSubstr("certificates.revocation"));
  settings.is_on = true;
  keeper->configure(settings);
  await_problem("server");
  EXPECT_GE(asked, 1);
  EXPECT_FALSE(keeper->check_now("domain/a.example")) << "it names nobody";
}

}  // namespace
}  // namespace sallyport::node
