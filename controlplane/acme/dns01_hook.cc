// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/dns01_hook.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/acme/jws.h"
#include "controlplane/acme/program_run.h"

namespace sallyport::acme {

namespace asio = boost::asio;

std::string challenge_record_name(const std::string& domain) { return "_acme-challenge." + domain; }
std::string challenge_record_text(const std::string& key_authorization) { return base64url(sha256(key_authorization)); }

namespace {

asio::awaitable<Outcome<>> call(const Dns01HookOptions& options, const char* verb, const ChallengeTask& task) {
  if (options.program.empty() || options.program.front() != '/') {
    co_return Fault{FaultCode::invalid, "dns-01 hook \"" + options.program + "\"", "is not an absolute path", "give the whole path of the program"};
  }
  ProgramRun run;
  run.arguments = {options.program, verb, challenge_record_name(task.domain), challenge_record_text(task.key_authorization)};
  run.deadline = options.deadline;
  const auto said = co_await run_program(std::move(run));
  if (!said) co_return Fault{said.fault().code, "dns-01 hook for " + task.domain, said.fault().text(), ""};
  co_return Done{};
}

}  // namespace

asio::awaitable<Outcome<>> Dns01Hook::present(ChallengeTask task) {
  const auto called = co_await call(options_, "present", task);
  if (!called) co_return called.fault();
  if (options_.settle.count() == 0) co_return Done{};
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, options_.settle);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return Done{};
}

asio::awaitable<Outcome<>> Dns01Hook::cleanup(ChallengeTask task) { co_return co_await call(options_, "cleanup", task); }

}  // namespace sallyport::acme
