// SPDX-License-Identifier: Apache-2.0
#pragma once
// AdministrationServer: the REST interface and the page over HTTPS, for accounts with a role, on an address of its own that is never a
// public one. TLS 1.3 by tls::Listener with the node's certificates, so a new one serves the next handshake; HTTP/1.1 as request_head.h
// has it. Before a session is known nothing is told but the page's own files (web/web_file.h) and little is read; connections, their
// source, time, head, body and rate are bounded, and the peer never blocks the thread. On the engine's thread; must go before the engine. What ApiParts names must outlive it and its requests.

#include <memory>
#include <string>
#include <vector>

#include "controlplane/api/api_exchange.h"
#include "controlplane/api/metrics.h"
#include "controlplane/tls/listener.h"

namespace sallyport::api {

struct AdministrationOptions {
  tls::SocketAddress address;
  std::vector<std::string> hosts;        // by which it is reached, lower case; its own address beside them
  std::shared_ptr<tls::TlsPolicy> tls;
  bool freebind = false;
  std::uint32_t connections = 64, connections_per_source = 16;
  double handshakes_per_source_per_s = 10;
  std::uint32_t max_header_bytes = 16384, max_body_bytes = 8 << 20;
  std::uint32_t idle_timeout_s = 30;     // between requests, and for a peer that does not read
  std::uint32_t request_timeout_s = 10;  // from the first byte of a request to the last of its head, and again for its body
  AnswerPatience patience;
  Counter* pages = nullptr;              // files of the page that were asked for; outlives the server
};

class AdministrationServer {
 public:
  static Outcome<std::unique_ptr<AdministrationServer>> start(tls::StreamEngine& engine, AdministrationOptions options, ApiParts parts);
  // The policy it wants: TLS 1.3, http/1.1.
  static Outcome<std::shared_ptr<tls::TlsPolicy>> make_policy(std::shared_ptr<tls::CredentialStore> credentials);
  virtual ~AdministrationServer() = default;
  virtual void stop() = 0;  // closes everything
  virtual const tls::Listener& listener() const = 0;  // until then
  virtual int release_socket() = 0;  // for a successor, see Listener
};

}  // namespace sallyport::api
