// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/acme_order.h"

#include <algorithm>
#include <ctime>

#include "controlplane/acme/jws.h"
#include "controlplane/acme/timestamp.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;

// One name's challenge under way.
struct Step {
  std::string authorization_url, challenge_url;
  Solver* solver = nullptr;
  ChallengeTask task;
};

// One authority's part of a run.
class Attempt {
 public:
  Attempt(AcmeClient& client, const OrderJob& job, const Authority& authority, const CertificateRequest& request) : client_(client), job_(job), authority_(authority), request_(request) {}

  asio::awaitable<Outcome<CertificateChain>> run() {
    const auto opened = co_await client_.open();
    if (!opened) co_return opened.fault();
    if (client_.account_url().empty()) {
      const auto registered = co_await enrol();
      if (!registered) co_return registered.fault();
    }
    auto placed = co_await place();
    if (!placed) co_return placed.fault();
    const auto proven = co_await prove(placed->order);
    if (!proven) co_return proven.fault();
    co_return co_await collect(*placed);
  }

 private:
  void report(const std::string& what) const {
    if (job_.on_progress) job_.on_progress("authority " + authority_.name + ": " + what);
  }

  asio::awaitable<Outcome<>> enrol() {
    report("makes an account");
    AccountWish wish = authority_.account;
    const auto registered = co_await client_.register_account(std::move(wish));
    if (!registered) co_return registered.fault();
    if (job_.on_account) job_.on_account(authority_.name, client_.account_url());
    co_return Done{};
  }

  asio::awaitable<Outcome<PlacedOrder>> place() {
    report("places the order");
    OrderWish wish;
    wish.names = request_.names;
    wish.profile = authority_.profile;
    if (job_.replaces_authority == authority_.name) wish.replaces = job_.replaces;
    const OrderWish again = wish;
    auto placed = co_await client_.place_order(std::move(wish));
    if (placed || client_.last_refusal().type != "accountDoesNotExist") co_return placed;
    // The authority has forgotten the account, as one does that was set up anew.
    const auto registered = co_await enrol();
    if (!registered) co_return registered.fault();
    wish = again;
    co_return co_await client_.place_order(std::move(wish));
  }

  asio::awaitable<Outcome<>> prove(const Order& order) {
    if (order.status == ResourceStatus::invalid) co_return Fault{FaultCode::refused, "authority " + authority_.name, "the order is invalid at once", "ask the authority"};
    std::vector<Step> steps;
    const auto planned = co_await plan(order, steps);
    if (!planned) co_return planned.fault();
    size_t begun = 0;
    auto proven = co_await present(steps, begun);
    if (proven) proven = co_await validate(steps);
    co_await take_away(steps, begun);
    co_return proven;
  }

  asio::awaitable<Outcome<>> plan(const Order& order, std::vector<Step>& steps) {
    for (const std::string& url : order.authorizations) {
      const auto authorization = co_await client_.authorization(url);
      if (!authorization) co_return authorization.fault();
      if (authorization->status == ResourceStatus::valid) continue;
      auto step = choose(*authorization);
      if (!step) co_return step.fault();
      step->authorization_url = url;
      steps.push_back(std::move(*step));
    }
    co_return Done{};
  }

  Outcome<Step> choose(const Authorization& authorization) const {
    std::string offered;
    for (const Challenge& challenge : authorization.challenges) offered += (offered.empty() ? "" : ", ") + std::string(name_of(challenge.kind));
    for (Solver* solver : job_.solvers) {
      for (const Challenge& challenge : authorization.challenges) {
        if (challenge.kind != solver->kind() || challenge.status != ResourceStatus::pending) continue;
        Step step;
        step.challenge_url = challenge.url;
        step.solver = solver;
        step.task = {authorization.domain, challenge.token, key_authorization(challenge.token, authority_.key)};
        return step;
      }
    }
    const std::string cause = "offers for " + authorization.domain + (offered.empty() ? " no challenge known here" : " only " + offered) + (authorization.is_wildcard ? " (it is a wildcard)" : "");
    return Fault{FaultCode::refused, "authority " + authority_.name, cause, authorization.is_wildcard ? "configure dns-01, which is the one way to prove a wildcard" : "configure one of these challenges"};
  }

  asio::awaitable<Outcome<>> present(const std::vector<Step>& steps, size_t& begun) {
    for (const Step& step : steps) {
      report("proves " + step.task.domain + " by " + name_of(step.solver->kind()));
      ++begun;
      ChallengeTask task = step.task;
      const auto presented = co_await step.solver->present(std::move(task));
      if (!presented) co_return presented.fault();
    }
    co_return Done{};
  }

  asio::awaitable<Outcome<>> validate(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      const auto told = co_await client_.answer_challenge(step.challenge_url);
      if (!told) co_return told.fault();
    }
    co_return co_await wait(steps);
  }

  asio::awaitable<Outcome<>> wait(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      report("waits for the validation of " + step.task.domain);
      const auto decided = co_await client_.await_authorization(step.authorization_url);
      if (!decided) co_return decided.fault();
    }
    co_return Done{};
  }

  asio::awaitable<void> take_away(const std::vector<Step>& steps, size_t begun) {
    for (size_t i = 0; i < begun; ++i) {
      ChallengeTask task = steps[i].task;
      const auto cleaned = co_await steps[i].solver->cleanup(std::move(task));
      if (!cleaned) report("what proved " + steps[i].task.domain + " could not be taken away: " + cleaned.fault().text());
    }
  }

  asio::awaitable<Outcome<CertificateChain>> collect(const PlacedOrder& placed) {
    report("asks for the certificate");
    auto order = co_await client_.await_order(placed.url);
    if (!order) co_return order.fault();
    if (order->status == ResourceStatus::ready) {
      const std::string finalize_url = order->finalize, request = request_.der;
      order = co_await client_.finalize(finalize_url, request);
      if (!order) co_return order.fault();
    }
    if (order->status != ResourceStatus::valid) order = co_await client_.await_order(placed.url);
    if (!order) co_return order.fault();
    if (order->status != ResourceStatus::valid || order->certificate.empty()) {
      co_return Fault{FaultCode::invalid, "authority " + authority_.name, std::string("the order is ") + name_of(order->status) + " and names no certificate", "report it to the authority"};
    }
    const std::string certificate_url = order->certificate, preferred = authority_.preferred_root;
    auto chain = co_await client_.download(certificate_url, preferred);
    if (!chain) co_return chain.fault();
    const std::string objection = chain_objection(*chain, request_, std::time(nullptr));
    if (!objection.empty()) co_return Fault{FaultCode::invalid, "authority " + authority_.name, "its certificate is not used: " + objection, "report it to the authority; the old certificate stays in use"};
    co_return chain;
  }

  AcmeClient& client_;
  const OrderJob& job_;
  const Authority& authority_;
  const CertificateRequest& request_;
};

AcmeClientOptions client_options(const OrderJob& job, const Authority& authority) {
  AcmeClientOptions options;
  options.authority = authority.name;
  options.directory_url = authority.directory_url;
  options.tls = authority.tls;
  options.local = job.local;
  options.request_deadline = job.request_deadline;
  options.poll_min = job.poll_min;
  options.poll_max = job.poll_max;
  options.patience = job.patience;
  return options;
}

AuthorityFailure left_alone(const Authority& authority) {
  const Fault fault{FaultCode::exhausted, "authority " + authority.name, "asked to be left alone until " + date_text(authority.not_before_s), "wait; it is tried again by itself"};
  Refusal refusal;
  refusal.type = "rateLimited";
  refusal.retry_after_s = authority.not_before_s - std::time(nullptr);
  return {authority.name, fault, refusal};
}

}  // namespace

Fault OrderReport::fault() const {
  if (failures.empty()) return Fault{FaultCode::invalid, "ACME", "no authority is configured", "configure one"};
  Fault whole = failures.back().fault;
  // The last is what would have helped; the others are told so that the operator sees why they did not.
  for (size_t i = failures.size() - 1; i-- > 0;) whole.cause += "; before that " + failures[i].fault.text();
  return whole;
}

std::optional<int64_t> OrderReport::retry_after_s() const {
  std::optional<int64_t> shortest;
  for (const AuthorityFailure& failure : failures) {
    if (!failure.refusal.retry_after_s) return std::nullopt;
    shortest = shortest ? std::min(*shortest, *failure.refusal.retry_after_s) : *failure.refusal.retry_after_s;
  }
  return shortest;
}

bool OrderReport::is_rate_limited() const {
  const auto is_limit = [](const AuthorityFailure& failure) { return failure.refusal.type == "rateLimited" || failure.refusal.status == 429; };
  return !failures.empty() && std::all_of(failures.begin(), failures.end(), is_limit);
}

asio::awaitable<OrderReport> run_order(tls::StreamEngine& engine, dns::Resolver& resolver, OrderJob job) {
  OrderReport report;
  std::string der = job.request_der;
  const auto request = CertificateRequest::read(std::move(der));
  if (!request) {
    report.failures.push_back({"", request.fault(), {}});
    co_return report;
  }
  for (const Authority& authority : job.authorities) {
    if (authority.not_before_s > std::time(nullptr)) {
      report.failures.push_back(left_alone(authority));
      continue;
    }
    AcmeClient client(engine, resolver, client_options(job, authority), authority.key, authority.account_url);
    Attempt attempt(client, job, authority, *request);
    auto chain = co_await attempt.run();
    if (chain) {
      report.issued = IssuedCertificate{std::move(*chain), authority.name};
      co_return report;
    }
    report.failures.push_back({authority.name, chain.fault(), client.last_refusal()});
    if (job.on_progress) job.on_progress(chain.fault().text());
  }
  co_return report;
}

}  // namespace sallyport::acme
