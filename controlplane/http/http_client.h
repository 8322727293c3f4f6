// SPDX-License-Identifier: Apache-2.0
#pragma once
// HttpClient: one HTTP request at a time over a connection of its own, against one deadline that spans name, TCP, TLS, request and
// answer. https only, unless plain http is allowed. Header and body are bounded; redirects are followed only if asked for, by GET only,
// and never away from https. On the engine's thread; cancellable. A Fault names the URL and what failed; a status of 400 or more is an
// answer, not a Fault.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/dns/resolver.h"
#include "controlplane/http/http_message.h"
#include "controlplane/http/http_url.h"
#include "controlplane/tls/dial.h"

namespace sallyport::http {

struct HttpClientOptions {
  std::shared_ptr<tls::TlsPolicy> tls;  // a client's: its store says whom to trust; none: no https
  bool allow_plain = false;             // http too
  std::function<bool(const tls::SocketAddress&)> admits;  // where a URL may lead; none: anywhere
  tls::SocketAddress local;             // unset: the kernel chooses
  std::string user_agent = "Sallyport";
  HttpLimits limits;
  std::chrono::milliseconds deadline{30000};
  unsigned redirects = 0;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::string content_type;  // of the body
  std::string body;
};

class HttpClient {
 public:
  HttpClient(tls::StreamEngine& engine, dns::Resolver& resolver, HttpClientOptions options);
  // Pass the request as a variable: GCC 12 copies a braced temporary inside a co_await expression bit by bit.
  boost::asio::awaitable<Outcome<HttpMessage>> ask(HttpRequest request);
  const HttpClientOptions& options() const { return options_; }

  // The policy an HTTPS client wants: SAN only, one wildcard label (RFC 9525), http/1.1.
  static Outcome<std::shared_ptr<tls::TlsPolicy>> make_policy(std::shared_ptr<tls::CredentialStore> trust);

 private:
  boost::asio::awaitable<Outcome<HttpMessage>> follow(HttpRequest request);
  boost::asio::awaitable<Outcome<HttpMessage>> exchange(const HttpRequest& request, const HttpUrl& url);

  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  HttpClientOptions options_;
};

}  // namespace sallyport::http
