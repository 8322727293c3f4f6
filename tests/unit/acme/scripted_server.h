// SPDX-License-Identifier: Apache-2.0
#pragma once
// ScriptedServer: an HTTPS server on 127.0.0.1 that answers with the very octets a test gives it, for what no real authority does:
// answers that are hostile, and extensions that the packaged pebble lacks. It keeps the requests it got.

#include <boost/asio/detached.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/http/http_message.h"
#include "controlplane/tls/listener.h"
#include "tests/unit/acme/acme_fixture.h"

namespace sallyport::acme_test {

// A whole answer, with its length.
inline std::string http(const std::string& status, const std::string& type, const std::string& body, const std::string& more_fields = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_fields + "\r\n" + body;
}
inline std::string json_answer(const std::string& body, const std::string& more_fields = "") { return http("200 OK", "application/json", body, more_fields); }

class ScriptedServer {
 public:
  using Script = std::function<std::string(const HttpMessage&)>;  // empty: no answer at all

  ScriptedServer(AcmeTest& test, Script script) : state_(std::make_shared<State>()) {
    state_->script = std::move(script);
    tls_test::LeafWish wish;
    wish.subject_alt_names = "IP:127.0.0.1";
    const auto issued = test.certificates.leaf("scripted", wish);
    tls::CredentialSource source;
    source.platform = {"platform", issued.certificate_path, issued.key_path};
    auto store = tls::CredentialStore::load(std::move(source));
    EXPECT_TRUE(store);
    tls::ListenerOptions options;
    options.name = "scripted";
    options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    options.tls = *tls::TlsPolicy::create({}, *store);
    options.stream_limits.queue_limit_bytes = 64 << 20;
    auto listener = tls::Listener::open(*test.engine, std::move(options), [state = state_](tls::StreamPtr stream) {
      boost::asio::co_spawn(stream->engine().context(), serve(state, stream), boost::asio::detached);
    });
    EXPECT_TRUE(listener) << (listener ? "" : listener.fault().text());
    listener_ = std::move(*listener);
  }

  std::string url(const std::string& path = "/") const { return "https://" + listener_->address().text() + path; }
  const std::vector<HttpMessage>& requests() const { return state_->requests; }

  // Directory of an authority that is this server.
  std::string directory(const std::string& more = "") const {
    std::string text = "{";
    for (const char* name : {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange"}) text += "\"" + std::string(name) + "\":\"" + url("/" + std::string(name)) + "\",";
    return text + more + "\"meta\":{}}";
  }

 private:
  struct State {
    Script script;
    std::vector<HttpMessage> requests;
  };
  static awaitable<void> serve(std::shared_ptr<State> state, tls::StreamPtr stream) {
    HttpLimits limits;
    HttpReader reader(HttpReader::Kind::request, limits);
    for (bool done = false; !done;) {
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) co_return;
      const auto put = reader.put(*bytes);
      EXPECT_TRUE(put) << (put ? "" : put.fault().text());
      if (!put) co_return;
      done = *put;
    }
    state->requests.push_back(reader.take());
    const std::string answer = state->script(state->requests.back());
    if (answer.empty()) {
      [[maybe_unused]] const auto end = co_await stream->receive();  // until the client gives up
      co_return;
    }
    [[maybe_unused]] const auto written = co_await stream->write(answer);
    stream->close_after_send();
  }

  std::shared_ptr<State> state_;
  std::unique_ptr<tls::Listener> listener_;
};

}  // namespace sallyport::acme_test
