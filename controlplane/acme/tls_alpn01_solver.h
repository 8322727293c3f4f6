// SPDX-License-Identifier: Apache-2.0
#pragma once
// TlsAlpn01Solver: proves a name within a TLS handshake on port 443 (RFC 8737), so that port 80 stays shut. It puts the certificate
// into a ChallengeResponder, which the policy of the node's own HTTPS listener may share; where nothing of the node listens on 443,
// it opens that port itself, only while a challenge runs. On the engine's thread; must go before the engine.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controlplane/acme/challenge.h"
#include "controlplane/tls/listener.h"

namespace sallyport::acme {

struct TlsAlpn01Options {
  std::shared_ptr<tls::ChallengeResponder> responder;  // shared with the listener on 443; null: one of its own
  std::vector<tls::SocketAddress> addresses;           // to open while a challenge runs; empty: another listener answers
  std::chrono::milliseconds handshake_deadline{10000};
  uint32_t connections = 64, connections_per_source = 16;
  bool freebind = false;
};

class TlsAlpn01Solver final : public Solver {
 public:
  TlsAlpn01Solver(tls::StreamEngine& engine, TlsAlpn01Options options);
  ~TlsAlpn01Solver() override;

  ChallengeKind kind() const override { return ChallengeKind::tls_alpn01; }
  boost::asio::awaitable<Outcome<>> present(ChallengeTask task) override;
  boost::asio::awaitable<Outcome<>> cleanup(ChallengeTask task) override;

  bool is_open() const { return !listeners_.empty(); }
  std::vector<tls::SocketAddress> listening() const;

 private:
  Outcome<> open();
  tls::StreamEngine& engine_;
  TlsAlpn01Options options_;
  std::set<std::string> presented_;
  std::vector<std::unique_ptr<tls::Listener>> listeners_;
};

}  // namespace sallyport::acme
