// SPDX-License-Identifier: Apache-2.0
#pragma once
// RemoteAccess: the HTTPS administration address of a node as one account sees it: TLS 1.3 by the product's own streams, its certificate
// judged by SAN; one session, opened by log_in() and ended when this goes, anew if the node has forgotten it. Blocking; one thread.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/cli/http_exchange.h"
#include "controlplane/store/secret.h"
#include "controlplane/tls/stream_engine.h"

namespace sallyport::cli {

struct RemoteWish {
  std::string url;      // https://HOST[:PORT]
  std::string account;
  std::string ca_file;  // who vouches for the node's certificate; empty: the system's authorities
};

class RemoteAccess {
 public:
  using Talk = std::function<Outcome<ApiReply>(Transport&, const HttpRequest&)>;

  static Outcome<std::shared_ptr<RemoteAccess>> make(const RemoteWish& wish, store::Secret password);
  ~RemoteAccess();
  RemoteAccess(const RemoteAccess&) = delete;
  RemoteAccess& operator=(const RemoteAccess&) = delete;

  // Fault refused: name or password is wrong, or it was tried too often.
  Outcome<> log_in();
  Outcome<ApiReply> talk(HttpRequest request, std::uint32_t patience_s, const Talk& talk);
  const std::string& name() const { return url_; }

 private:
  friend class RemoteTransport;
  RemoteAccess() = default;
  Outcome<std::unique_ptr<Transport>> open(std::uint32_t patience_s);
  Outcome<ApiReply> ask(HttpRequest request, std::uint32_t patience_s, const Talk& talk);
  void run(boost::asio::awaitable<void> work);
  Fault unreachable(const std::string& cause, const std::string& remedy) const { return {FaultCode::unreachable, url_, cause, remedy}; }

  std::string url_, host_, authority_, account_;  // authority_: what stands in Host
  std::uint16_t port_ = 443;
  store::Secret password_, cookie_, csrf_;
  boost::asio::io_context context_{1};
  std::unique_ptr<tls::StreamEngine> engine_;
  std::shared_ptr<tls::TlsPolicy> policy_;
};

}  // namespace sallyport::cli
