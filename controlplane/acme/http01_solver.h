// SPDX-License-Identifier: Apache-2.0
#pragma once
// Http01Solver: answers /.well-known/acme-challenge/TOKEN on port 80 (RFC 8555 8.3). The port is open only while a token is
// presented, serves these tokens and nothing else, and bounds connections, header and time: it faces the Internet in clear.
// On the engine's thread; must go before the engine.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/acme/challenge.h"
#include "controlplane/tls/listener.h"

namespace sallyport::acme {

struct Http01Options {
  std::vector<tls::SocketAddress> addresses;  // each with its port, 80
  std::chrono::milliseconds request_deadline{10000};
  uint32_t connections = 64, connections_per_source = 16;
  bool freebind = false;
};

struct Http01Counters {
  uint64_t answered = 0, unknown = 0, broken = 0;
};

class Http01Solver final : public Solver {
 public:
  Http01Solver(tls::StreamEngine& engine, Http01Options options);
  ~Http01Solver() override;

  ChallengeKind kind() const override { return ChallengeKind::http01; }
  boost::asio::awaitable<Outcome<>> present(ChallengeTask task) override;
  boost::asio::awaitable<Outcome<>> cleanup(ChallengeTask task) override;

  bool is_open() const;
  std::vector<tls::SocketAddress> listening() const;  // with the ports the kernel chose; empty while closed
  const Http01Counters& counters() const;

 private:
  struct State;
  Outcome<> open();
  tls::StreamEngine& engine_;
  std::shared_ptr<State> state_;  // a request under way holds it too
  std::vector<std::unique_ptr<tls::Listener>> listeners_;
};

}  // namespace sallyport::acme
