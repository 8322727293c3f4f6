// SPDX-License-Identifier: Apache-2.0
#pragma once
// How C gets its certificate for the traversal link from E's pair authority: over a TLS 1.3 connection to E's port of the stream multiplex, with the
// ALPN protocol "sallyport-pair/1", C sends one JSON object in one line, E answers with one, and both close. To join, C proves itself by a
// token's secret and knows E by the authority's key in that token; to renew, both show certificates of that authority. PairServer is E's end,
// ask_pair() C's. One thread; a line is at most 32 kB, and all of an exchange takes at most 15 s.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/tls/dial.h"
#include "controlplane/tls/stream.h"
#include "dataplane/abi/fault.h"

namespace sallyport::zones {

inline constexpr std::string_view pair_protocol = "sallyport-pair/1";
inline constexpr std::chrono::milliseconds pair_deadline{15'000};  // of a whole exchange

struct PairRequest {
  std::string token_id, secret;  // hex; both empty: renewal
  std::string fqdn;              // of C
  std::string request_pem;       // PKCS#10, with C's new public key
};

struct PairAnswer {
  std::string certificates_pem;  // C's, then the authority's
  // The zone it is for, as C needs it to join.
  std::string zone, user;
  std::uint16_t zone_port = 0;
  std::vector<std::string> sip_domains;
};

std::string format_pair_request(const PairRequest& request);  // with the line's end
Outcome<PairRequest> parse_pair_request(std::string_view line);
std::string format_pair_answer(const Outcome<PairAnswer>& answer);
Outcome<PairAnswer> parse_pair_answer(std::string_view line);  // what E refused comes back as that Fault

// options: as of dial(), with a client policy for the protocol. The Fault names the layer, or is E's.
boost::asio::awaitable<Outcome<PairAnswer>> ask_pair(tls::StreamEngine& engine, dns::Resolver& resolver, std::string host, std::uint16_t port, tls::ConnectOptions options, PairRequest request);

class PairServer {
 public:
  using Answer = std::function<Outcome<PairAnswer>(const PairRequest& request, const tls::TlsFacts& facts, const tls::SocketAddress& source)>;

  PairServer(boost::asio::io_context& io, Answer answer, std::chrono::milliseconds deadline = pair_deadline) : io_(io), answer_(std::move(answer)), deadline_(deadline) {}
  void on_stream(tls::StreamPtr stream);

 private:
  static boost::asio::awaitable<void> serve(tls::StreamPtr stream, std::shared_ptr<const Answer> answer, std::chrono::milliseconds deadline);
  boost::asio::io_context& io_;
  Answer answer_;
  const std::chrono::milliseconds deadline_;
};

}  // namespace sallyport::zones
