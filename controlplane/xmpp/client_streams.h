// SPDX-License-Identifier: Apache-2.0
#pragma once
// ClientStreams: E's public XMPP side (requirement C10). A client's stream is opened here, STARTTLS is required and the certificate chosen by
// SNI, else by the stream's `to`; then it goes over a channel of the multiplex to a C that serves the domain, and byte for byte from there.
// What the client sends is scanned all the way (StanzaScanner), what comes from inside until it is authenticated: then larger stanzas are
// allowed and the deadline of authentication is over. Who sends faster than allowed is read more slowly; who drips a stanza, or does not
// read what is sent to him, is ended. One thread, the engine's; must live as long as its streams: close_all() first.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/multiplex/channel.h"
#include "controlplane/tls/stream.h"
#include "controlplane/tls/tls_policy.h"
#include "controlplane/xmpp/stanza_scanner.h"

namespace sallyport::xmpp {

struct ClientStreamSettings {
  ScanLimits before{4 << 10, 64 << 10, 32}, after{4 << 10, 1 << 20, 64};  // authentication
  std::chrono::milliseconds authentication{60'000};                      // from the first byte
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds idle{3'600'000};  // of an authenticated stream
  std::chrono::milliseconds stanza{60'000};   // from its first byte to its last; while the link to C is full it does not run
  std::chrono::milliseconds take{30'000};     // for 16 KiB of what is sent to the client
  uint32_t unauthenticated_per_source = 20;
  uint32_t unauthenticated_stanzas = 64, unauthenticated_bytes = 256 << 10;  // of the client, in all
  uint32_t failed_logins = 5;                                               // of a stream (RFC 6120 6.4.5)
  double stanzas_per_s = 100, bytes_per_s = 1 << 20;                         // four times as many at once
};

enum class ClientState : uint8_t { opening, securing, routing, authenticating, established };
const char* name_of(ClientState state);
inline constexpr size_t client_states = 5;

enum class ClientRefusal : uint8_t {
  no_xmpp, no_tls, tls_failed, host_unknown, not_reached, restricted_xml, not_well_formed, too_big, not_authenticated, source_full, too_many_failures, too_slow, not_taken,
};
const char* name_of(ClientRefusal refusal);
inline constexpr size_t client_refusals = 13;

struct ClientStreamView {
  std::string id;      // the same on C
  std::string domain, zone, source, sni, tls;
  ClientState state = ClientState::opening;
  int64_t since_ms = 0;  // age
  uint64_t stanzas = 0, from_client_bytes = 0, to_client_bytes = 0;
};

struct ClientStreamCounters {
  uint64_t accepted = 0, authenticated = 0, failed_logins = 0, ended = 0, stanzas = 0, from_client_bytes = 0, to_client_bytes = 0, slowed = 0;
  uint64_t refused[client_refusals] = {};
};

class ClientStreams {
 public:
  // A channel to the C that serves a domain; sets zone. Fault missing: nobody serves it.
  using OpenChannel = std::function<boost::asio::awaitable<Outcome<multiplex::ChannelPtr>>(std::string domain, multiplex::Fields fields, std::shared_ptr<std::string> zone)>;

  ClientStreams(ClientStreamSettings settings, boost::asio::io_context& io, std::shared_ptr<tls::TlsPolicy> policy, OpenChannel open);
  ~ClientStreams();

  void on_stream(tls::StreamPtr stream);          // port 5222: TLS is still to come
  void on_secured_stream(tls::StreamPtr stream);  // XEP-0368
  // For streams that turn to TLS from now on.
  void use_tls(std::shared_ptr<tls::TlsPolicy> policy) { policy_ = std::move(policy); }
  // Each is told `system-shutdown`; XEP-0198 lets clients resume elsewhere.
  void close_all(std::string_view reason);

  std::vector<ClientStreamView> streams(size_t limit) const;  // longest first
  size_t count(ClientState state) const { return states_[static_cast<size_t>(state)]; }
  const ClientStreamCounters& counters() const { return counters_; }
  std::function<void(const std::string& line)> log;
  std::function<void(const tls::SocketAddress& source, const tls::HandshakeFailure& failure)> on_handshake_failure;  // after STARTTLS

 private:
  struct Client;
  using ClientPtr = std::shared_ptr<Client>;
  void admit(tls::StreamPtr stream, bool is_secured);
  boost::asio::awaitable<void> serve(ClientPtr client, bool is_secured);
  boost::asio::awaitable<bool> secure(ClientPtr client);
  boost::asio::awaitable<bool> route(ClientPtr client);
  boost::asio::awaitable<Outcome<StanzaScanner::Piece>> next_piece(ClientPtr client);
  boost::asio::awaitable<void> relay_up(ClientPtr client);
  boost::asio::awaitable<void> relay_down(ClientPtr client);
  boost::asio::awaitable<void> pay(ClientPtr client, uint32_t stanzas, size_t bytes);
  boost::asio::awaitable<bool> give(ClientPtr client, std::string_view bytes);
  bool judge_header(Client& client, std::string_view raw);
  bool sends_too_much(Client& client);
  bool follow_login(Client& client, std::string_view run, StanzaScanner& scanner);
  void await_rest(const ClientPtr& client);
  void enter(Client& client, ClientState state);
  void on_authenticated(Client& client);
  // detail: for the log alone, where `text` would show the inside to a stranger.
  void refuse(Client& client, ClientRefusal refusal, std::string_view condition, std::string_view text, std::string_view detail = {});
  void refuse_scan(Client& client);
  void end(Client& client, std::string_view reason);

  const ClientStreamSettings settings_;
  boost::asio::io_context& io_;
  std::shared_ptr<tls::TlsPolicy> policy_;
  OpenChannel open_;
  std::unordered_map<uint64_t, ClientPtr> clients_;             // by stream id
  std::unordered_map<std::string, uint32_t> unauthenticated_;  // by source address
  size_t states_[client_states] = {};
  ClientStreamCounters counters_;
};

}  // namespace sallyport::xmpp
