// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/http_client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sallyport::http {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

std::string request_text(const HttpRequest& request, const HttpUrl& url, const std::string& user_agent) {
  std::string text = request.method + " " + url.target + " HTTP/1.1\r\nHost: " + url.host_field() + "\r\nUser-Agent: " + user_agent +
                     "\r\nAccept-Language: en\r\nConnection: close\r\n";
  if (!request.content_type.empty()) text += "Content-Type: " + request.content_type + "\r\n";
  if (!request.body.empty() || request.method == "POST") text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return text + "\r\n" + request.body;
}

Fault about(const HttpUrl& url, Fault fault) {
  fault.subject = url.text();
  return fault;
}

bool is_redirect(unsigned status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

}  // namespace

HttpClient::HttpClient(tls::StreamEngine& engine, dns::Resolver& resolver, HttpClientOptions options) : engine_(engine), resolver_(resolver), options_(std::move(options)) {}

Outcome<std::shared_ptr<tls::TlsPolicy>> HttpClient::make_policy(std::shared_ptr<tls::CredentialStore> trust) {
  tls::TlsPolicyOptions options;
  options.role = tls::TlsRole::client;
  options.alpn = {"http/1.1"};
  options.wildcards = tls::WildcardRule::one_label;
  return tls::TlsPolicy::create(std::move(options), std::move(trust));
}

asio::awaitable<Outcome<HttpMessage>> HttpClient::ask(HttpRequest request) {
  const std::string url = request.url;
  asio::steady_timer timer(engine_.context(), options_.deadline);
  asio::awaitable<Outcome<HttpMessage>> asking = follow(std::move(request));
  auto first = co_await (std::move(asking) || timer.async_wait(as_result));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return Fault{FaultCode::timeout, url, "no whole answer within " + std::to_string(options_.deadline.count()) + " ms", "check that the firewall lets this node reach it, and try again later"};
}

asio::awaitable<Outcome<HttpMessage>> HttpClient::follow(HttpRequest request) {
  for (unsigned hop = 0;; ++hop) {
    const auto url = options_.allow_plain ? parse_http_url(request.url) : parse_https_url(request.url);
    if (!url) co_return url.fault();
    if (url->is_secure && options_.tls == nullptr) co_return about(*url, {FaultCode::refused, "", "is https, and there is no authority to trust for it", "install the package ca-certificates"});
    auto answer = co_await exchange(request, *url);
    if (!answer || !is_redirect(answer->status) || request.method != "GET" || options_.redirects == 0) co_return answer;
    const std::string* location = answer->find("location");
    if (hop >= options_.redirects || location == nullptr) co_return about(*url, {FaultCode::refused, "", location == nullptr ? "a redirect without a place to go" : "more redirects than are followed", "give the URL it leads to"});
    auto next = resolve_url(*url, *location);
    if (!next) co_return about(*url, {FaultCode::refused, "", "redirects to what is not followed: " + next.fault().text(), "give the URL it leads to"});
    request.url = std::move(*next);
  }
}

asio::awaitable<Outcome<HttpMessage>> HttpClient::exchange(const HttpRequest& request, const HttpUrl& url) {
  tls::ConnectOptions options;
  options.local = options_.local;
  if (url.is_secure) options.tls = options_.tls;
  options.admits = options_.admits;
  // An address that does not answer leaves time for the next, as where IPv6 leads nowhere.
  options.connect_deadline = std::min(options.connect_deadline, options_.deadline);
  options.handshake_deadline = std::min(options.handshake_deadline, options_.deadline);
  const auto connected = co_await tls::dial(engine_, resolver_, url.host, url.port, options);
  if (!connected) co_return about(url, connected.failure->fault());
  const tls::StreamPtr stream = connected.stream;
  const std::string text = request_text(request, url, options_.user_agent);
  const auto written = co_await stream->write(text);
  if (!written) co_return about(url, written.fault());
  HttpReader reader(request.method == "HEAD" ? HttpReader::Kind::answer_without_body : HttpReader::Kind::answer, options_.limits);
  for (bool done = false; !done;) {
    const auto bytes = co_await stream->receive();
    if (!bytes) co_return about(url, bytes.fault());
    if (bytes->empty()) {
      const auto ended = reader.put_end();
      if (!ended) co_return about(url, ended.fault());
      // An answer that lasts until the peer's end could be cut short by anybody on the way.
      if (stream->truncated()) co_return about(url, {FaultCode::invalid, "", "the answer was cut short: the connection ended without a word of TLS", "try again"});
      break;
    }
    const auto put = reader.put(*bytes);
    if (!put) co_return about(url, put.fault());
    done = *put;
  }
  stream->close_after_send();
  co_return reader.take();
}

}  // namespace sallyport::http
