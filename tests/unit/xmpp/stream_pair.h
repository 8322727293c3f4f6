// SPDX-License-Identifier: Apache-2.0
#pragma once
// StreamPair: a multiplex session, ClientStreams at its edge, and clients that speak RFC 6120 step by step over real TLS. What arrives
// at the core is in `arrived`, unless on_channel is set.

#include <string>

#include "controlplane/xmpp/client_streams.h"
#include "controlplane/xmpp/stream_text.h"
#include "tests/unit/multiplex/session_pair.h"

namespace sallyport::xmpp_test {

using boost::asio::awaitable;
using multiplex::ChannelPtr;
using tls_test::backend_name;
using namespace std::chrono_literals;

inline constexpr const char* client_header = "<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
inline constexpr const char* server_header = "<?xml version='1.0'?><stream:stream from='example.com' id='1' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
inline constexpr const char* login_features = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>";
inline constexpr const char* success = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

class StreamPair : public multiplex::SessionPair {
 public:
  void SetUp() override {
    SessionPair::SetUp();
    server_policy = policy(tls::TlsRole::server, store(certificates.leaf("edge", {.subject_alt_names = "DNS:example.com"}), {}));
    client_policy = policy(tls::TlsRole::client, trust_only(trusted()));
  }
  void TearDown() override {
    if (streams != nullptr) streams->close_all("the test is over");
    SessionPair::TearDown();
    streams.reset();
  }

  // Both sides; a listener that hands its streams to ClientStreams.
  awaitable<void> serve_clients() {
    co_await join();
    streams = std::make_unique<xmpp::ClientStreams>(streams_settings, context, server_policy, [this](std::string domain, multiplex::Fields fields, std::shared_ptr<std::string> zone) { return open_channel(std::move(domain), std::move(fields), std::move(zone)); });
    streams->log = [this](const std::string& line) { lines += line + "\n"; };
    tls::ListenerOptions options;
    options.name = "xmpp";
    options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    auto opened = tls::Listener::open(*engine, std::move(options), [this](tls::StreamPtr stream) { streams->on_stream(std::move(stream)); }, [](const tls::SocketAddress&, const tls::HandshakeFailure&) {});
    EXPECT_TRUE(opened);
    listeners.push_back(std::move(*opened));
    clients_listener = listeners.back().get();
  }

  awaitable<Outcome<ChannelPtr>> open_channel(std::string domain, multiplex::Fields fields, std::shared_ptr<std::string> zone) {
    *zone = "inside";
    if (domain != "example.com") co_return Fault{FaultCode::missing, "domain " + domain, "nobody serves it", ""};
    const multiplex::SessionPtr session = edge;
    auto opened = co_await session->open(std::string(xmpp::client_purpose), std::move(domain), std::move(fields), multiplex::Weight::interactive);
    co_return opened;
  }

  awaitable<tls::StreamPtr> connect() {
    auto dialled = co_await dial(*clients_listener);
    EXPECT_TRUE(dialled);
    co_return dialled.stream;
  }

  // Up to the text, or to the end of the stream.
  static awaitable<std::string> read_until(tls::StreamPtr stream, std::string text) {
    std::string said;
    while (said.find(text) == std::string::npos) {
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) break;
      said += *bytes;
    }
    co_return said;
  }
  static awaitable<std::string> read_to_end(tls::StreamPtr stream) {
    const std::string never(1, '\0');
    std::string said = co_await read_until(std::move(stream), never);
    co_return said;
  }
  static awaitable<std::string> read_channel(ChannelPtr channel, std::string text) {
    std::string said;
    while (said.find(text) == std::string::npos) {
      const auto bytes = co_await channel->receive();
      if (!bytes || bytes->empty()) break;
      said += *bytes;
    }
    co_return said;
  }

  awaitable<tls::StreamPtr> secured() {
    tls::StreamPtr client = co_await connect();
    client->send(client_header);
    const std::string features = "</stream:features>", proceed = "<proceed", domain = "example.com";
    co_await read_until(client, features);
    client->send(xmpp::starttls_request);
    co_await read_until(client, proceed);
    const std::vector<std::string> names = {domain};
    const auto failure = co_await client->secure_client(client_policy, domain, names, 10s);
    EXPECT_FALSE(failure) << (failure ? failure->text : "");
    co_return client;
  }

  // A client whose stream reached the core, and the channel there.
  struct Routed {
    tls::StreamPtr client;
    ChannelPtr inside;
  };
  awaitable<Routed> routed() {
    Routed pair;
    pair.client = co_await secured();
    pair.client->send(client_header);
    const size_t before = arrived.size();
    const bool came = co_await eventually([&] { return arrived.size() > before; });
    EXPECT_TRUE(came);
    if (!came) co_return pair;
    pair.inside = arrived.back();
    const std::string end = "'>", features = "</stream:features>";
    co_await read_channel(pair.inside, end);
    pair.inside->send(std::string(server_header) + login_features);
    co_await read_until(pair.client, features);
    co_return pair;
  }
  awaitable<Routed> logged_in() {
    Routed pair = co_await routed();
    if (pair.inside == nullptr) co_return pair;
    const std::string auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>", word = "<success", end = "</auth>", header = "'>";
    pair.client->send(auth);
    co_await read_channel(pair.inside, end);
    pair.inside->send(success);
    co_await read_until(pair.client, word);
    pair.client->send(client_header);
    co_await read_channel(pair.inside, header);
    pair.inside->send(std::string(server_header) + "<stream:features/>");
    const std::string features = "<stream:features/>";
    co_await read_until(pair.client, features);
    co_return pair;
  }

  uint64_t refused(xmpp::ClientRefusal why) const { return streams->counters().refused[static_cast<size_t>(why)]; }

  xmpp::ClientStreamSettings streams_settings;
  std::unique_ptr<xmpp::ClientStreams> streams;
  std::shared_ptr<tls::TlsPolicy> server_policy, client_policy;
  tls::Listener* clients_listener = nullptr;
  std::string lines;
};

}  // namespace sallyport::xmpp_test
