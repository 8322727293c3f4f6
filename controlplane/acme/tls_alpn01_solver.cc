// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/tls_alpn01_solver.h"

#include "controlplane/acme/challenge_certificate.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;

// No certificate but the challenge's: whoever comes for anything else gets no handshake.
Outcome<std::shared_ptr<tls::TlsPolicy>> challenge_policy(std::shared_ptr<tls::ChallengeResponder> responder) {
  auto nobody = tls::CredentialStore::load({});
  if (!nobody) return nobody.fault();
  tls::TlsPolicyOptions options;
  options.role = tls::TlsRole::server;
  options.challenges = std::move(responder);
  return tls::TlsPolicy::create(std::move(options), *nobody);
}

}  // namespace

TlsAlpn01Solver::TlsAlpn01Solver(tls::StreamEngine& engine, TlsAlpn01Options options) : engine_(engine), options_(std::move(options)) {
  if (options_.responder == nullptr) options_.responder = std::make_shared<tls::ChallengeResponder>();
}

TlsAlpn01Solver::~TlsAlpn01Solver() {
  for (const std::string& domain : presented_) options_.responder->withdraw(domain);
}

std::vector<tls::SocketAddress> TlsAlpn01Solver::listening() const {
  std::vector<tls::SocketAddress> addresses;
  for (const auto& listener : listeners_) addresses.push_back(listener->address());
  return addresses;
}

Outcome<> TlsAlpn01Solver::open() {
  auto policy = challenge_policy(options_.responder);
  if (!policy) return policy.fault();
  tls::SourceLimitOptions limits;
  limits.connections_total = options_.connections;
  limits.connections_per_source = options_.connections_per_source;
  const auto shared_limits = std::make_shared<tls::SourceLimits>(limits);
  std::vector<std::unique_ptr<tls::Listener>> opened;
  for (const tls::SocketAddress& address : options_.addresses) {
    tls::ListenerOptions options;
    options.name = "tls-alpn-01 challenge";
    options.address = address;
    options.freebind = options_.freebind;
    options.backlog = 64;
    options.tls = *policy;
    options.handshake_deadline = options_.handshake_deadline;
    options.handshakes_at_once = options_.connections;
    options.limits = shared_limits;
    auto listener = tls::Listener::open(engine_, std::move(options), [](tls::StreamPtr stream) { stream->close("only challenges are answered here"); });
    if (!listener) return listener.fault();
    opened.push_back(std::move(*listener));
  }
  listeners_ = std::move(opened);
  return Done{};
}

asio::awaitable<Outcome<>> TlsAlpn01Solver::present(ChallengeTask task) {
  auto made = make_challenge_certificate(task.domain, task.key_authorization);
  if (!made) co_return made.fault();
  if (listeners_.empty()) {
    const auto opened = open();
    if (!opened) co_return opened.fault();
  }
  tls::ChallengeResponder::Answer answer;
  answer.certificate = std::move(made->certificate);
  answer.key = std::move(made->key);
  options_.responder->present(task.domain, std::move(answer));
  presented_.insert(task.domain);
  co_return Done{};
}

asio::awaitable<Outcome<>> TlsAlpn01Solver::cleanup(ChallengeTask task) {
  if (presented_.erase(task.domain) != 0) options_.responder->withdraw(task.domain);
  if (presented_.empty()) listeners_.clear();
  co_return Done{};
}

}  // namespace sallyport::acme
