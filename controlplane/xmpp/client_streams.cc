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

constexpr double burst = 4;                 // seconds' worth of stanzas and bytes
constexpr size_t given_at_once = 16 << 10;  // ClientStreamSettings::take
constexpr uint32_t low_water_bytes = tls::StreamLimits().low_water_bytes;
constexpr std::string_view unreachable = "the presence server of this domain cannot be reached now";
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
  constexpr const char* names[client_refusals] = {"no_xmpp", "no_tls", "tls_failed", "host_unknown", "not_reached", "restricted_xml", "not_well_formed", "too_big", "not_authenticated", "source_full",
                                                  "too_many_failures", "too_slow", "not_taken"};
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
  bool had_header = false;          // one was sent to it: an error needs none before it
  bool is_ended = false;
  uint32_t failed_logins = 0;
  steady_clock::time_point since = steady_clock::now(), filled = since;
  steady_clock::time_point stanza_begun{};  // of which the rest is awaited
  double stanzas_left = 0, bytes_left = 0;  // to spend at once
  uint64_t stanzas = 0, to_client_bytes = 0;
  asio::steady_timer deadline;      // of authentication; then of a stanza's rest, and for who is too fast
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
  client->stanzas_left = burst * settings_.stanzas_per_s;
  client->bytes_left = burst * settings_.bytes_per_s;
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

void ClientStreams::refuse(Client& client, ClientRefusal refusal, std::string_view condition, std::string_view text, std::string_view detail) {
  if (client.is_ended) return;
  ++counters_.refused[static_cast<size_t>(refusal)];
  if (log) log("xmpp_refused: client " + client.source + (client.domain.empty() ? "" : " of " + client.domain) + " (" + client.id + "): " + name_of(refusal) + ": " + std::string(detail.empty() ? text : detail));
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

// What is allowed before authentication is enough for every mechanism, and for a few attempts.
bool ClientStreams::sends_too_much(Client& client) {
  if (client.state == ClientState::established || (client.stanzas <= settings_.unauthenticated_stanzas && client.stream->received_bytes() <= settings_.unauthenticated_bytes)) return false;
  refuse(client, ClientRefusal::not_authenticated, "policy-violation", "too much was sent without authentication");
  return true;
}

asio::awaitable<Outcome<StanzaScanner::Piece>> ClientStreams::next_piece(ClientPtr client) {
  for (;;) {
    if (sends_too_much(*client)) co_return Fault{FaultCode::invalid, "XMPP stream", "too much before authentication", ""};
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

// Each header of a stream: before STARTTLS, behind it, and after authentication. All must name one domain, since the first one that was
// secured decided which C and which tenant the stream belongs to.
bool ClientStreams::judge_header(Client& client, std::string_view raw) {
  const auto header = parse_stream_header(raw);
  const auto refused = [&](ClientRefusal refusal, std::string_view condition, std::string_view text) {
    refuse(client, refusal, condition, text);
    return false;
  };
  if (!header) return refused(ClientRefusal::no_xmpp, "bad-format", header.fault().text());
  if (header->content_space != ns::client) return refused(ClientRefusal::no_xmpp, "invalid-namespace", "this port is for clients: jabber:client");
  // RFC 6120 11.6. Another encoding would let a server see other tags than the scanner did.
  if (!header->encoding.empty() && !is_utf8(header->encoding)) return refused(ClientRefusal::no_xmpp, "unsupported-encoding", "UTF-8 is spoken here (RFC 6120 11.6)");
  if (!header->version.starts_with("1.")) return refused(ClientRefusal::no_xmpp, "unsupported-version", "version 1.0 is spoken here (RFC 6120)");
  const std::string domain = domain_of(header->to);
  if (domain.empty()) return refused(ClientRefusal::host_unknown, "improper-addressing", header->to.empty() ? "the stream has no `to`: it tells which domain is meant" : "the stream's `to` is no domain");
  if (!client.domain.empty() && domain != client.domain) return refused(ClientRefusal::host_unknown, "host-unknown", "the stream's `to` is not that of before");
  client.domain = domain;
  return true;
}

// The first stream, whose only use is STARTTLS (RFC 6120 5.4).
asio::awaitable<bool> ClientStreams::secure(ClientPtr client) {
  auto piece = co_await next_piece(client);
  if (!piece || *piece != StanzaScanner::Piece::header) co_return false;
  const std::string raw = client->scanner.take_captured();
  if (!judge_header(*client, raw)) co_return false;
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
    if (on_handshake_failure) on_handshake_failure(client->stream->peer_address(), *failure);
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
  client->sni = domain_of(facts.sni);  // what is no host name goes no further
  client->tls = facts.version;
  auto piece = co_await next_piece(client);
  if (!piece || *piece != StanzaScanner::Piece::header) co_return false;
  const std::string raw = client->scanner.take_captured();
  if (!judge_header(*client, raw)) co_return false;
  const multiplex::Fields fields = {{"stream", client->id}, {"source", client->source}, {"sni", client->sni}};
  auto opened = co_await open_(client->domain, fields, client->zone);
  if (client->is_ended) {
    if (opened) (*opened)->close("the client went");
    co_return false;
  }
  if (!opened) {
    const bool is_unknown = opened.fault().code == FaultCode::missing;
    refuse(*client, is_unknown ? ClientRefusal::host_unknown : ClientRefusal::not_reached, is_unknown ? "host-unknown" : "remote-connection-failed", is_unknown ? "this domain is not served here" : unreachable, opened.fault().text());
    co_return false;
  }
  client->channel = std::move(*opened);
  client->scanner.set_capture(StanzaScanner::Capture::none);
  enter(*client, ClientState::authenticating);
  const auto written = co_await client->channel->write(raw);
  co_return written && !client->is_ended;
}

// Who sends more than allowed is not read until he has paid for it; TCP holds him up then, and nothing is lost.
asio::awaitable<void> ClientStreams::pay(ClientPtr client, uint32_t stanzas, size_t bytes) {
  const auto now = steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - client->filled).count();
  client->filled = now;
  client->stanzas_left = std::min(burst * settings_.stanzas_per_s, client->stanzas_left + seconds * settings_.stanzas_per_s) - stanzas;
  client->bytes_left = std::min(burst * settings_.bytes_per_s, client->bytes_left + seconds * settings_.bytes_per_s) - static_cast<double>(bytes);
  const double debt_s = std::max(-client->stanzas_left / settings_.stanzas_per_s, -client->bytes_left / settings_.bytes_per_s);
  // Before authentication the sum is bounded.
  if (debt_s <= 0 || client->state != ClientState::established) co_return;
  ++counters_.slowed;
  boost::system::error_code ignored;
  client->deadline.expires_after(std::chrono::milliseconds(static_cast<int64_t>(debt_s * 1000) + 1));
  co_await client->deadline.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// A stanza of which a byte comes now and then would hold memory of the server inside for as long as its sender likes.
void ClientStreams::await_rest(const ClientPtr& client) {
  client->deadline.expires_at(client->stanza_begun + settings_.stanza);
  client->deadline.async_wait([this, weak = std::weak_ptr<Client>(client)](const boost::system::error_code& error) {
    const ClientPtr late = weak.lock();
    if (error || late == nullptr || late->is_ended) return;
    refuse(*late, ClientRefusal::too_slow, "policy-violation", "a stanza was not whole within " + std::to_string(settings_.stanza.count() / 1000) + " s");
  });
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
      if (piece == StanzaScanner::Piece::header && !judge_header(*client, client->scanner.take_captured())) co_return;
    } while (piece == StanzaScanner::Piece::stanza || piece == StanzaScanner::Piece::header);
    client->stanzas += stanzas;
    counters_.stanzas += stanzas;
    if (piece == StanzaScanner::Piece::fault) {
      refuse_scan(*client);
      co_return;
    }
    if (sends_too_much(*client)) co_return;
    const auto scanned = steady_clock::now();
    if (stanzas > 0 || !client->scanner.is_within()) client->stanza_begun = {};
    if (client->scanner.is_within() && client->stanza_begun == steady_clock::time_point{}) client->stanza_begun = scanned;
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
    co_await pay(client, stanzas, wanted.size());
    if (client->is_ended) co_return;
    const bool is_part = client->state == ClientState::established && client->scanner.is_within();
    if (is_part) {
      client->stanza_begun += steady_clock::now() - scanned;
      await_rest(client);
    }
    auto received = co_await client->stream->receive();
    if (client->is_ended) co_return;
    if (is_part) client->deadline.cancel();
    if (!received || received->empty()) break;
    run = *received;
  }
  end(*client, client->channel->is_open() ? "the client's connection ended" : client->channel->close_reason());
}

// Follows what the server says until it lets the client in. False: the client was refused.
bool ClientStreams::follow_login(Client& client, std::string_view run, StanzaScanner& scanner) {
  std::string_view left = run;
  for (;;) {
    const StanzaScanner::Piece piece = scanner.next(left);
    if (piece == StanzaScanner::Piece::fault) {
      refuse(client, ClientRefusal::not_reached, "remote-connection-failed", unreachable, std::string("what the presence server says is ") + name_of(scanner.fault()));
      return false;
    }
    if (piece == StanzaScanner::Piece::none || piece == StanzaScanner::Piece::end) return true;
    if (piece == StanzaScanner::Piece::header) {
      scanner.take_captured();
      continue;
    }
    const LoginWord word = login_word(scanner.captured());
    if (word == LoginWord::failure) {
      ++counters_.failed_logins;
      if (++client.failed_logins < settings_.failed_logins) continue;
      client.stream->send(run.substr(0, run.size() - left.size()));
      refuse(client, ClientRefusal::too_many_failures, "policy-violation", std::to_string(client.failed_logins) + " attempts to authenticate failed");
      return false;
    }
    if (word == LoginWord::none) continue;
    // Before the client can answer, so its scanner stands between stanzas.
    if (client.scanner.is_within()) {
      refuse(client, ClientRefusal::not_authenticated, "policy-violation", "something was sent before authentication was over");
      return false;
    }
    if (word == LoginWord::success_and_restart) {
      client.scanner.restart();
      client.had_header = !left.empty();
    }
    on_authenticated(client);
    return true;
  }
}

// To the client. False: it is gone, or does not take what it is sent: what waits for it is memory that all streams share.
asio::awaitable<bool> ClientStreams::give(ClientPtr client, std::string_view bytes) {
  client->to_client_bytes += bytes.size();
  counters_.to_client_bytes += bytes.size();
  std::optional<asio::steady_timer> patience;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, given_at_once);
    bytes.remove_prefix(part.size());
    if (client->stream->queued_bytes() + part.size() > low_water_bytes) {
      if (!patience) patience.emplace(io_);
      patience->expires_after(settings_.take);
      patience->async_wait([this, weak = std::weak_ptr<Client>(client)](const boost::system::error_code& error) {
        const ClientPtr late = weak.lock();
        if (error || late == nullptr || late->is_ended) return;
        refuse(*late, ClientRefusal::not_taken, "policy-violation", "nothing of what was sent was taken for " + std::to_string(settings_.take.count() / 1000) + " s");
      });
    }
    const auto written = co_await client->stream->write(part);
    if (patience) patience->cancel();
    if (client->is_ended || !written) co_return false;
  }
  co_return true;
}

asio::awaitable<void> ClientStreams::relay_down(ClientPtr client) {
  auto login = std::make_unique<StanzaScanner>(ScanLimits{8 << 10, 1 << 20, 64}, StanzaScanner::Capture::tag);
  for (;;) {
    auto received = co_await client->channel->receive();
    if (client->is_ended) co_return;
    if (!received) {
      // An established client resumes its session elsewhere (XEP-0198), which a farewell would end.
      if (client->state != ClientState::established) refuse(*client, ClientRefusal::not_reached, "remote-connection-failed", unreachable, received.fault().text());
      break;
    }
    if (received->empty()) {
      client->stream->close_after_send();
      break;
    }
    client->had_header = true;
    if (login != nullptr && !follow_login(*client, *received, *login)) co_return;
    if (client->state == ClientState::established) login.reset();
    const bool is_given = co_await give(client, *received);
    if (!is_given) break;
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
