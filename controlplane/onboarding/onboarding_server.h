// SPDX-License-Identifier: Apache-2.0
#pragma once
// OnboardingServer: E's end of activation-code onboarding (B37, A13): connections of phones whose certificates the listener's TLS policy has judged,
// one request over each (onboarding/est_message.h), and nothing else. Who asks for a certificate is answered by C. Bounded: head and body
// of a request, and all of it in 15 s; how many at once by the listener. One thread; `ask` may outlive the server.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/certificates/intake.h"
#include "controlplane/onboarding/est_message.h"
#include "controlplane/onboarding/onboarding_exchange.h"
#include "controlplane/tls/stream.h"

namespace sallyport::onboarding {

struct OnboardingCounters {
  std::uint64_t enrolled = 0, renewed = 0, told = 0;  // told: which authorities there are
  std::uint64_t refused = 0;                          // by C, or no code
  std::uint64_t invalid = 0;                          // no request that is served here
  std::uint64_t failed = 0;                           // C could not be asked
};

class OnboardingServer {
 public:
  // sni: what the phone asked for, which tells whose phone it is where there are several C.
  using Ask = std::function<boost::asio::awaitable<Outcome<std::string>>(OnboardingRequest request, std::string sni)>;
  using Authorities = std::function<std::vector<certificates::CertificatePtr>()>;

  OnboardingServer(boost::asio::io_context& io, Ask ask, Authorities authorities, std::function<void(const std::string&)> log);
  ~OnboardingServer();
  OnboardingServer(const OnboardingServer&) = delete;
  OnboardingServer& operator=(const OnboardingServer&) = delete;

  void on_stream(tls::StreamPtr stream);
  const OnboardingCounters& counters() const;

 private:
  struct State;
  static boost::asio::awaitable<void> serve(std::shared_ptr<State> state, tls::StreamPtr stream);
  static boost::asio::awaitable<std::string> answer(std::shared_ptr<State> state, tls::StreamPtr stream, EstRequest request);
  boost::asio::io_context& io_;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::onboarding
