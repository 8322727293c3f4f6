// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/client_streams.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/xmpp/stream_text.h"
#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

// What the sending of an error may take.
constexpr std::chrono::milliseconds farewell{2'000};
constexpr std::chrono::milliseconds patience_with_server{10'000};  // after the client's farewell

// A /64 of IPv6 counts as one source, since one subscriber owns as much.
std::string source_key(const tls::SocketAddress& address) {
  const std::string_view bytes = address.ip_bytes();
  return std::string(bytes.substr(0, address.is_v6() ? 8 : bytes.size()));
}

}  // namespace

const char* name_of(ClientState state) {
  switch (state) {
    case ClientState::opening: return "opening";
    case ClientState::securing: return "securing";
    case ClientState::routing: return "routing";
    case ClientState::authenticating: return "authenticating";
    case ClientState::established: return "established";
  }
  return "";
}

const char* name_of(ClientRefusal refusal) {
  constexpr const char* names[client_refusals] = {"no_xmpp", "no_tls", "tls_failed", "host_unknown", "not_reached", "restricted_xml", "not_well_formed", "too_big", "not_authenticated", "source_full"};
  return names[static_cast<size_t>(refusal)];
}

struct ClientStreams::Client {
  Client(tls::StreamPtr carrier, const ScanLimits& limits, asio::io_context& io) : stream(std::move(carrier)), scanner(limits, StanzaScanner::Capture::stanza), deadline(io) {}
  tls::StreamPtr stream;
  multiplex::ChannelPtr channel;
  StanzaScanner scanner;            // of what the client sends
  std::string_view rest;            // received and not scanned
  std::string id, domain, sni, tls, source, source_key;
  std::shared_ptr<std::string> zone = std::make_shared<std::string>();
  ClientState state = ClientState::opening;
  bool had_header = false;          // ours was sent: an error needs none before it
  bool is_ended = false;
  steady_clock::time_point since = steady_clock::now(), filled = since;
  double tokens = 0;
  uint64_t stanzas = 0, to_client_bytes = 0;
  asio::steady_timer deadline;      // of authentication; then for who is too fast
};

ClientStreams::ClientStreams(ClientStreamSettings settings, asio::io_context& io, std::shared_ptr<tls::TlsPolicy> policy, OpenChannel open)
    : settings_(settings), io_(io), policy_(std::move(policy)), open_(std::move(open)) {}

ClientStreams::~ClientStreams() = default;

void ClientStreams::on_stream(tls::StreamPtr stream) { admit(std::move(stream), false); }
void ClientStreams::on_secured_stream(tls::StreamPtr stream) { admit(std::move(stream), true); }

void ClientStreams::admit(tls::StreamPtr stream, bool is_secured) {
  ++counters_.accepted;
  const std::string key = source_key(stream->peer_address());
  uint32_t& waiting = unauthenticated_[key];
  if (waiting >= settings_.unauthenticated_per_source) {
    ++counters_.refused[static_cast<size_t>(ClientRefusal::source_full)];
    stream->close("too many streams of this source that are not authenticated");
    return;
  }
  ++waiting;
  const ClientPtr client = std::make_shared<Client>(std::move(stream), settings_.before, io_);
  client->source_key = key;
  client->source = client->stream->peer_address().text();
  client->id = random_stream_id().substr(0, 12);
  client->tokens = settings_.stanza_burst;
  client->deadline.expires_after(settings_.authentication);
  client->deadline.async_wait([this, weak = std::weak_ptr<Client>(client)](const boost::system::error_code& error) {
    const ClientPtr late = weak.lock();
    if (error || late == nullptr || late->is_ended || late->state == ClientState::established) return;
    refuse(*late, ClientRefusal::not_authenticated, "connection-timeout", "not authenticated within " + std::to_string(settings_.authentication.count() / 1000) + " s");
  });
  ++states_[static_cast<size_t>(client->state)];
  clients_.emplace(client->stream->id(), client);
  asio::co_spawn(io_, serve(client, is_secured), asio::detached);
}

void ClientStreams::enter(Client& client, ClientState state) {
  --states_[static_cast<size_t>(client.state)];
  client.state = state;
  ++states_[static_cast<size_t>(state)];
}

void ClientStreams::on_authenticated(Client& client) {
  if (client.state == ClientState::established) return;
  enter(client, ClientState::established);
  ++counters_.authenticated;
  client.deadline.cancel();
  client.scanner.set_limits(settings_.after);
  client.stream->set_idle_deadline(settings_.idle);
  if (const auto found = unauthenticated_.find(client.source_key); found != unauthenticated_.end() && --found->second == 0) unauthenticated_.erase(found);
}

void ClientStreams::end(Client& client, std::string_view reason) {
  if (client.is_ended) return;
  client.is_ended = true;
  client.deadline.cancel();
  --states_[static_cast<size_t>(client.state)];
  if (client.state != ClientState::established) {
    if (const auto found = unauthenticated_.find(client.source_key); found != unauthenticated_.end() && --found->second == 0) unauthenticated_.erase(found);
  }
  ++counters_.ended;
  if (client.channel != nullptr) client.channel->close(reason);
  if (client.stream->is_open()) client.stream->close(reason);
  clients_.erase(client.stream->id());
}

void ClientStreams::refuse(Client& client, ClientRefusal refusal, std::string_view condition, std::string_view text) {
  if (client.is_ended) return;
  ++counters_.refused[static_cast<size_t>(refusal)];
  if (log) log("xmpp: client " + client.source + (client.domain.empty() ? "" : " of " + client.domain) + " (" + client.id + "): " + name_of(refusal) + ": " + std::string(text));
  if (client.stream->is_open() && client.state != ClientState::securing) {
    std::string said;
    if (!client.had_header) said = format_stream_header({"", client.domain, random_stream_id(), "1.0", "", std::string(ns::client)});
    said += stream_error(condition, text);
    client.stream->send(said);
    client.stream->close_after_send(farewell);
  }
  end(client, text);
}

void ClientStreams::refuse_scan(Client& client) {
  const ScanFault fault = client.scanner.fault();
  const bool is_size = fault == ScanFault::header_too_big || fault == ScanFault::stanza_too_big || fault == ScanFault::too_deep;
  const ClientRefusal refusal = is_size ? ClientRefusal::too_big : fault == ScanFault::restricted_xml ? ClientRefusal::restricted_xml : ClientRefusal::not_well_formed;
  refuse(client, refusal, condition_of(fault), std::string("what was sent is ") + name_of(fault));
}

asio::awaitable<Outcome<StanzaScanner::Piece>> ClientStreams::next_piece(ClientPtr client) {
  for (;;) {
    const StanzaScanner::Piece piece = client->scanner.next(client->rest);
    if (piece == StanzaScanner::Piece::fault) {
      refuse_scan(*client);
      co_return Fault{FaultCode::invalid, "XMPP stream", name_of(client->scanner.fault()), ""};
    }
    if (piece != StanzaScanner::Piece::none) co_return piece;
    auto received = co_await client->stream->receive();
    if (!received) co_return received.fault();
    if (received->empty()) co_return Fault{FaultCode::refused, "XMPP stream", "the client ended it", ""};
    client->rest = *received;
  }
}

asio::awaitable<void> ClientStreams::serve(ClientPtr client, bool is_secured) {
  bool goes_on = true;
  if (!is_secured) goes_on = co_await secure(client);
  if (goes_on) goes_on = co_await route(client);
  if (!goes_on) {
    end(*client, "it did not come to a stream");
    co_return;
  }
  asio::co_spawn(io_, relay_down(client), asio::detached);
  co_await relay_up(client);
}

// The first stream, whose only use is STARTTLS (RFC 6120 5.4).
asio::awaitable<bool> ClientStreams::secure(ClientPtr client) {
  auto piece = co_await next_piece(client);
  if (!piece || *piece != StanzaScanner::Piece::header) co_return false;
  const std::string raw = client->scanner.take_captured();
  const auto header = parse_stream_header(raw);
  if (!header || header->content_space != ns::client) {
    refuse(*client, ClientRefusal::no_xmpp, header ? "invalid-namespace" : "bad-format", header ? "this port is for clients: jabber:client" : header.fault().text());
    co_return false;
  }
  client->domain = domain_of(header->to);
  if (!header->version.starts_with("1.")) {
    refuse(*client, ClientRefusal::no_xmpp, "unsupported-version", "version 1.0 is spoken here (RFC 6120)");
    co_return false;
  }
  if (client->domain.empty()) {
    refuse(*client, ClientRefusal::host_unknown, "host-unknown", "the stream's `to` is no domain");
    co_return false;
  }
  client->stream->send(format_stream_header({"", client->domain, random_stream_id(), "1.0", "en", std::string(ns::client)}) + std::string(starttls_features));
  client->had_header = true;
  auto request = co_await next_piece(client);
  if (!request) co_return false;
  const std::string stanza = client->scanner.take_captured();
  const auto element = parse_element(stanza, raw);
  if (*request != StanzaScanner::Piece::stanza || !element || !element->is(ns::tls, "starttls")) {
    if (*request == StanzaScanner::Piece::stanza) refuse(*client, ClientRefusal::no_tls, "policy-violation", "STARTTLS is required before anything else");
    co_return false;
  }
  // Bytes that came with it were sent in the clear and may be a stranger's (as CVE-2011-0411 told of SMTP).
  if (!client->rest.empty()) {
    refuse(*client, ClientRefusal::no_tls, "policy-violation", "nothing may follow STARTTLS before the handshake");
    co_return false;
  }
  client->stream->send(starttls_proceed);
  enter(*client, ClientState::securing);
  const auto policy = policy_;
  const auto failure = co_await client->stream->secure_server(policy, settings_.handshake, client->domain);
  if (failure) {
    refuse(*client, ClientRefusal::tls_failed, "", failure->text);
    co_return false;
  }
  client->had_header = false;
  client->scanner.restart();
  co_return true;
}

// The second stream's header goes inside with the rest of it.
asio::awaitable<bool> ClientStreams::route(ClientPtr client) {
  enter(*client, ClientState::routing);
  const tls::TlsFacts facts = client->stream->tls_facts();
  client->sni = facts.sni;
  client->tls = facts.version;
  auto piece = co_await next_piece(client);
  if (!piece || *piece != StanzaScanner::Piece::header) co_return false;
  const std::string raw = client->scanner.take_captured();
  const auto header = parse_stream_header(raw);
  if (!header || header->content_space != ns::client) {
    refuse(*client, ClientRefusal::no_xmpp, header ? "invalid-namespace" : "bad-format", header ? "this port is for clients: jabber:client" : header.fault().text());
    co_return false;
  }
  const std::string domain = domain_of(header->to);
  if (domain.empty() || (!client->domain.empty() && domain != client->domain)) {
    refuse(*client, ClientRefusal::host_unknown, "host-unknown", "the stream's `to` is no domain, or not that of before STARTTLS");
    co_return false;
  }
  client->domain = domain;
  const multiplex::Fields fields = {{"stream", client->id}, {"source", client->source}, {"sni", facts.sni}};
  auto opened = co_await open_(client->domain, fields, client->zone);
  if (client->is_ended) {
    if (opened) (*opened)->close("the client went");
    co_return false;
  }
  if (!opened) {
    const bool is_unknown = opened.fault().code == FaultCode::missing;
    refuse(*client, is_unknown ? ClientRefusal::host_unknown : ClientRefusal::not_reached, is_unknown ? "host-unknown" : "remote-connection-failed", opened.fault().text());
    co_return false;
  }
  client->channel = std::move(*opened);
  client->scanner.set_capture(StanzaScanner::Capture::none);
  // The server inside answers with a header of its own.
  client->had_header = true;
  enter(*client, ClientState::authenticating);
  const auto written = co_await client->channel->write(raw);
  co_return written && !client->is_ended;
}

// Who sends more stanzas than allowed is not read until he has paid for them; TCP holds him up then, and nothing is lost.
asio::awaitable<void> ClientStreams::pay(ClientPtr client, uint32_t stanzas) {
  const auto now = steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - client->filled).count();
  client->filled = now;
  client->tokens = std::min(settings_.stanza_burst, client->tokens + seconds * settings_.stanzas_per_s) - stanzas;
  if (client->tokens >= 0 || client->state != ClientState::established) co_return;
  ++counters_.slowed;
  boost::system::error_code ignored;
  client->deadline.expires_after(std::chrono::milliseconds(static_cast<int64_t>(-client->tokens / settings_.stanzas_per_s * 1000) + 1));
  co_await client->deadline.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> ClientStreams::relay_up(ClientPtr client) {
  std::string_view run = client->rest;
  client->rest = {};
  for (;;) {
    std::string_view left = run;
    StanzaScanner::Piece piece = StanzaScanner::Piece::none;
    uint32_t stanzas = 0;
    do {
      piece = client->scanner.next(left);
      if (piece == StanzaScanner::Piece::stanza) ++stanzas;
    } while (piece == StanzaScanner::Piece::stanza || piece == StanzaScanner::Piece::header);
    client->stanzas += stanzas;
    counters_.stanzas += stanzas;
    if (piece == StanzaScanner::Piece::fault) {
      refuse_scan(*client);
      co_return;
    }
    // Behind the end of the stream nothing is for anybody.
    const std::string_view wanted = run.substr(0, run.size() - left.size());
    counters_.from_client_bytes += wanted.size();
    if (!wanted.empty()) {
      const auto written = co_await client->channel->write(wanted);
      if (client->is_ended) co_return;
      if (!written) break;
    }
    if (piece == StanzaScanner::Piece::end) {
      // The server says its own farewell, which ends the other direction.
      client->channel->finish();
      client->deadline.expires_after(patience_with_server);
      boost::system::error_code ignored;
      co_await client->deadline.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      end(*client, "the server did not end its side");
      co_return;
    }
    if (stanzas > 0) co_await pay(client, stanzas);
    if (client->is_ended) co_return;
    auto received = co_await client->stream->receive();
    if (client->is_ended) co_return;
    if (!received || received->empty()) break;
    run = *received;
  }
  end(*client, client->channel->is_open() ? "the client's connection ended" : client->channel->close_reason());
}

asio::awaitable<void> ClientStreams::relay_down(ClientPtr client) {
  StanzaScanner scanner({8 << 10, 1 << 20, 64}, StanzaScanner::Capture::tag);
  for (;;) {
    auto received = co_await client->channel->receive();
    if (client->is_ended) co_return;
    if (!received) break;
    if (received->empty()) {
      client->stream->close_after_send();
      break;
    }
    std::string_view left = *received;
    while (client->state != ClientState::established) {
      const StanzaScanner::Piece piece = scanner.next(left);
      bool restarts = false;
      if (piece == StanzaScanner::Piece::stanza && is_success(scanner.captured(), restarts)) {
        // Before the client can answer, so its scanner stands between stanzas.
        if (client->scanner.is_within()) {
          refuse(*client, ClientRefusal::not_well_formed, "policy-violation", "something was sent before authentication was over");
          co_return;
        }
        if (restarts) client->scanner.restart();
        on_authenticated(*client);
      }
      if (piece == StanzaScanner::Piece::none || piece == StanzaScanner::Piece::end || piece == StanzaScanner::Piece::fault) break;
    }
    client->to_client_bytes += received->size();
    counters_.to_client_bytes += received->size();
    const auto written = co_await client->stream->write(*received);
    if (client->is_ended) co_return;
    if (!written) break;
  }
  end(*client, "the server's side ended");
}

void ClientStreams::close_all(std::string_view reason) {
  while (!clients_.empty()) {
    const ClientPtr client = clients_.begin()->second;
    if (client->had_header && client->stream->is_open()) {
      client->stream->send(stream_error("system-shutdown", reason));
      client->stream->close_after_send(farewell);
    }
    end(*client, reason);
  }
}

std::vector<ClientStreamView> ClientStreams::streams(size_t limit) const {
  std::vector<const Client*> sorted;
  for (const auto& [id, client] : clients_) sorted.push_back(client.get());
  std::sort(sorted.begin(), sorted.end(), [](const Client* a, const Client* b) { return a->since < b->since; });
  std::vector<ClientStreamView> list;
  const auto now = steady_clock::now();
  for (const Client* client : sorted) {
    if (list.size() >= limit) break;
    list.push_back({client->id, client->domain, *client->zone, client->source, client->sni, client->tls, client->state, std::chrono::duration_cast<std::chrono::milliseconds>(now - client->since).count(), client->stanzas,
                    client->stream->received_bytes(), client->to_client_bytes});
  }
  return list;
}

}  // namespace sallyport::xmpp
