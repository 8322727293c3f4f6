// SPDX-License-Identifier: Apache-2.0
#pragma once
// HttpsClient: one HTTPS request at a time over a connection of its own, against one deadline that spans name, TCP, TLS, request and
// answer. Header and body are bounded; redirects are followed only if asked for, by GET only, and never away from https.
// On the engine's thread; cancellable. A Fault names the URL and what failed; a status of 400 or more is an answer, not a Fault.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "controlplane/acme/http_message.h"
#include "controlplane/acme/https_url.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/tls/dial.h"

namespace sallyport::acme {

struct HttpsClientOptions {
  std::shared_ptr<tls::TlsPolicy> tls;  // a client's: its store says whom to trust
  tls::SocketAddress local;             // unset: the kernel chooses
  std::string user_agent = "Sallyport";
  HttpLimits limits;
  std::chrono::milliseconds deadline{30000};
  unsigned redirects = 0;
};

struct HttpsRequest {
  std::string method = "GET";
  std::string url;
  std::string content_type;  // of the body
  std::string body;
};

class HttpsClient {
 public:
  HttpsClient(tls::StreamEngine& engine, dns::Resolver& resolver, HttpsClientOptions options);
  // Pass the request as a variable: GCC 12 copies a braced temporary inside a co_await expression bit by bit.
  boost::asio::awaitable<Outcome<HttpMessage>> ask(HttpsRequest request);
  const HttpsClientOptions& options() const { return options_; }

  // The policy an HTTPS client wants: SAN only, one wildcard label (RFC 9525), http/1.1.
  static Outcome<std::shared_ptr<tls::TlsPolicy>> make_policy(std::shared_ptr<tls::CredentialStore> trust);

 private:
  boost::asio::awaitable<Outcome<HttpMessage>> follow(HttpsRequest request);
  boost::asio::awaitable<Outcome<HttpMessage>> exchange(const HttpsRequest& request, const HttpsUrl& url);

  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  HttpsClientOptions options_;
};

}  // namespace sallyport::acme
