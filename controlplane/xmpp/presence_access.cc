// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/presence_access.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/xmpp/features_filter.h"
#include "controlplane/xmpp/stanza_scanner.h"
#include "controlplane/xmpp/stream_text.h"
#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds passed_over{10};           // a node that failed, while another serves the domain
constexpr std::chrono::milliseconds opening_deadline{4'000};  // from the TCP connection to TLS; E waits ten seconds in all
constexpr std::chrono::milliseconds farewell{2'000};
constexpr std::chrono::milliseconds patience_with_server{10'000};  // after the client's farewell
constexpr size_t most_attempts = 4;

}  // namespace

struct PresenceAccess::Node {
  PresenceNodeView view;
  steady_clock::time_point failed{}, reached{};
};

struct PresenceAccess::Link {
  Link(multiplex::ChannelPtr from, asio::io_context& io) : channel(std::move(from)), patience(io) {}
  multiplex::ChannelPtr channel;
  tls::StreamPtr stream;
  NodePtr node;
  StanzaScanner scanner{{8 << 10, 1 << 20, 64}, StanzaScanner::Capture::stanza};  // of what the server says
  std::string header;  // the server's, raw
  std::string id, source, tls;
  bool is_established = false, is_read = true, is_ended = false;
  bool is_refused = false;  // E closes the channel when it has heard why; closed here at once, the answer would be dropped
  std::list<LinkPtr>::iterator place;
  bool has_up_ended = false, has_down_ended = false;  // in order: a channel so ended closes by itself
  asio::steady_timer patience;
  steady_clock::time_point since = steady_clock::now();
};

PresenceAccess::PresenceAccess(std::vector<PresenceNode> nodes, tls::StreamEngine& engine, dns::Resolver& resolver, std::shared_ptr<tls::TlsPolicy> policy, std::shared_ptr<tls::TlsPolicy> direct_policy,
                               tls::ConnectOptions dialling)
    : engine_(engine), resolver_(resolver), policy_(std::move(policy)), direct_policy_(std::move(direct_policy)), dialling_(std::move(dialling)), probe_timer_(engine.context()) {
  std::stable_sort(nodes.begin(), nodes.end(), [](const PresenceNode& a, const PresenceNode& b) { return a.priority < b.priority; });
  for (PresenceNode& node : nodes) {
    nodes_.push_back(std::make_shared<Node>());
    nodes_.back()->view.text = "not tried yet";
    nodes_.back()->view.node = std::move(node);
  }
}

PresenceAccess::~PresenceAccess() = default;

std::vector<std::string> PresenceAccess::domains() const {
  std::vector<std::string> list;
  for (const NodePtr& node : nodes_) list.insert(list.end(), node->view.node.domains.begin(), node->view.node.domains.end());
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

// Those that failed lately come last: they are tried before nobody is.
std::vector<PresenceAccess::NodePtr> PresenceAccess::candidates(const std::string& domain) const {
  std::vector<NodePtr> list;
  for (const NodePtr& node : nodes_)
    if (std::find(node->view.node.domains.begin(), node->view.node.domains.end(), domain) != node->view.node.domains.end()) list.push_back(node);
  const auto now = steady_clock::now();
  std::stable_partition(list.begin(), list.end(), [&](const NodePtr& node) { return !node->view.is_failing || now - node->failed > passed_over; });
  if (list.size() > most_attempts) list.resize(most_attempts);
  return list;
}

void PresenceAccess::on_channel(const multiplex::ChannelPtr& channel) {
  const LinkPtr link = std::make_shared<Link>(channel, engine_.context());
  if (const std::string* id = multiplex::find_field(channel->fields(), "stream")) link->id = *id;
  if (const std::string* source = multiplex::find_field(channel->fields(), "source")) link->source = *source;
  link->place = links_.insert(links_.end(), link);
  asio::co_spawn(engine_.context(), serve(link), asio::detached);
}

void PresenceAccess::end(Link& link, std::string_view reason) {
  if (link.is_ended) return;
  link.is_ended = true;
  ++counters_.ended;
  if (link.node != nullptr) --link.node->view.streams;
  link.patience.cancel();
  if (!link.is_refused && (!link.has_up_ended || !link.has_down_ended)) link.channel->close(reason);
  if (link.stream != nullptr && link.stream->is_open()) link.stream->close(reason);
  if (link.is_established) --established_;
  links_.erase(link.place);
}

asio::awaitable<void> PresenceAccess::serve(LinkPtr link) {
  const std::vector<NodePtr> nodes = candidates(link->channel->name());
  if (nodes.empty()) {
    ++counters_.refused_domain;
    link->channel->refuse(404, "no presence server of this C serves the domain");
    link->is_refused = true;
    end(*link, "unknown domain");
    co_return;
  }
  std::string reasons;
  for (const NodePtr& node : nodes) {
    auto reached = co_await reach(link->channel->name(), node);
    if (link->is_ended) {
      if (reached) (*reached)->close("the node ends");
      co_return;
    }
    note(*node, reached);
    if (!link->channel->is_open()) {
      if (reached) (*reached)->close("the client went");
      break;
    }
    if (reached) {
      link->stream = std::move(*reached);
      link->tls = link->stream->tls_facts().version;
      link->node = node;
      break;
    }
    reasons += (reasons.empty() ? "" : "; ") + node->view.node.name + ": " + reached.fault().text();
  }
  if (link->stream == nullptr) {
    ++counters_.refused_unreachable;
    link->channel->refuse(502, reasons);
    link->is_refused = true;
    end(*link, reasons);
    co_return;
  }
  ++link->node->view.streams;
  ++counters_.accepted;
  link->channel->accept();
  asio::co_spawn(engine_.context(), relay_down(link), asio::detached);
  co_await relay_up(link);
}

asio::awaitable<Outcome<tls::StreamPtr>> PresenceAccess::connect(std::string server, std::string domain) {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(), [&](const NodePtr& node) { return node->view.node.name == server; });
  if (found == nodes_.end()) co_return Fault{FaultCode::missing, "presence server " + server, "is not known", "see sallyport xmpp presence"};
  const NodePtr node = *found;
  const auto is_over = is_over_;
  auto reached = co_await reach(std::move(domain), node);
  if (*is_over) co_return Fault{FaultCode::refused, "presence server " + server, "this node ends", ""};
  note(*node, reached);
  co_return reached;
}

void PresenceAccess::note(Node& node, const Outcome<tls::StreamPtr>& reached) {
  PresenceNodeView& view = node.view;
  if (view.is_failing == static_cast<bool>(reached)) view.changed = std::chrono::system_clock::now();
  const std::string text = reached ? "reached, " + (*reached)->tls_facts().version : reached.fault().text();
  if (log && (reached ? view.is_failing : view.text != text)) log("xmpp: presence server " + view.node.name + ": " + text);
  view.text = text;
  view.is_failing = !reached;
  ++(reached ? view.connects : view.failures);
  (reached ? node.reached : node.failed) = steady_clock::now();
}

void PresenceAccess::watch_nodes(std::chrono::milliseconds interval) { asio::co_spawn(engine_.context(), probe(interval), asio::detached); }

asio::awaitable<void> PresenceAccess::probe(std::chrono::milliseconds interval) {
  const std::shared_ptr<bool> is_over = is_over_;
  while (!*is_over) {
    const std::vector<NodePtr> nodes = nodes_;
    for (const NodePtr& node : nodes) {
      if (node->view.node.domains.empty() || (!node->view.is_failing && node->view.connects > 0 && steady_clock::now() - node->reached < interval)) continue;
      auto reached = co_await reach(node->view.node.domains.front(), node);
      if (*is_over) co_return;
      note(*node, reached);
      if (reached) (*reached)->close_after_send(farewell);
    }
    boost::system::error_code ignored;
    probe_timer_.expires_after(interval);
    co_await probe_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// With `is_over` set nothing of this object may be touched behind an await.
asio::awaitable<Outcome<tls::StreamPtr>> PresenceAccess::reach(std::string domain, NodePtr node) {
  const PresenceNode& target = node->view.node;
  if (target.port != 0) {
    auto direct = co_await reach_at(domain, node, target.host, target.port);
    co_return direct;
  }
  const std::shared_ptr<bool> is_over = is_over_;
  const std::string question = (target.is_direct_tls ? "_xmpps-client._tcp." : "_xmpp-client._tcp.") + target.host;
  auto records = co_await resolver_.resolve_srv(question);
  if (!records) co_return records.fault();
  if (records->size() > most_attempts) records->resize(most_attempts);
  Outcome<tls::StreamPtr> reached = Fault{FaultCode::missing, question, "has no record", "add one, or give the port"};
  for (const dns::SrvRecord& record : *records) {
    if (*is_over) co_return Fault{FaultCode::refused, question, "the node ends", ""};
    reached = co_await reach_at(domain, node, record.target, record.port);
    if (reached) break;
  }
  co_return reached;
}

asio::awaitable<Outcome<tls::StreamPtr>> PresenceAccess::reach_at(std::string domain, NodePtr node, std::string host, uint16_t port) {
  const PresenceNode& target = node->view.node;
  tls::ConnectOptions options = dialling_;
  options.sni = domain;
  // RFC 6120 13.7.2: the domain is what is asked for; the host was named by the operator. What SRV led to counts for nothing.
  options.peer_names = {domain, target.host};
  if (target.is_direct_tls) options.tls = direct_policy_;
  asio::io_context& context = engine_.context();
  auto connected = co_await tls::dial(engine_, resolver_, host, port, options);
  if (!connected) co_return connected.failure->fault();
  const tls::StreamPtr stream = std::move(connected.stream);
  if (!target.is_direct_tls) {
    asio::steady_timer deadline(context, opening_deadline);
    deadline.async_wait([stream](const boost::system::error_code& error) {
      if (!error) stream->close("it did not come to TLS in time");
    });
    const auto secured = co_await start_tls(domain, node, stream);
    deadline.cancel();
    if (!secured) {
      stream->close("STARTTLS failed");
      co_return secured.fault();
    }
  }
  co_return stream;
}

asio::awaitable<Outcome<>> PresenceAccess::start_tls(std::string domain, NodePtr node, tls::StreamPtr stream) {
  const std::string subject = "presence server " + node->view.node.name;
  const auto policy = policy_;
  const auto handshake_deadline = dialling_.handshake_deadline;
  stream->send(format_stream_header({address_of(domain), "", "", "1.0", "", std::string(ns::client)}));
  StanzaScanner scanner({8 << 10, 64 << 10, 32}, StanzaScanner::Capture::stanza);
  std::string header;
  std::string_view run;
  bool has_asked = false;
  for (;;) {
    const StanzaScanner::Piece piece = scanner.next(run);
    if (piece == StanzaScanner::Piece::header) header = scanner.take_captured();
    if (piece == StanzaScanner::Piece::end || piece == StanzaScanner::Piece::fault) co_return Fault{FaultCode::refused, subject, "ended the stream, or does not speak XMPP", "check host and port"};
    if (piece == StanzaScanner::Piece::stanza) {
      const auto element = parse_element(scanner.captured(), header);
      if (!element) co_return element.fault();
      if (element->is(ns::stream, "error")) {
        const std::string condition = element->children.empty() ? "no reason" : element->children.front().name;
        co_return Fault{FaultCode::refused, subject, "refused the stream for " + domain + ": " + condition, "check that it serves this domain"};
      }
      if (has_asked && element->is(ns::tls, "proceed")) break;
      if (has_asked) co_return Fault{FaultCode::refused, subject, "refused STARTTLS", "check its certificate"};
      if (element->is(ns::stream, "features")) {
        if (element->child(ns::tls, "starttls") == nullptr) co_return Fault{FaultCode::refused, subject, "offers no STARTTLS", "switch TLS on there: nothing is sent to it in the clear"};
        stream->send(starttls_request);
        has_asked = true;
      }
    }
    if (piece != StanzaScanner::Piece::none) continue;
    auto received = co_await stream->receive();
    if (!received) co_return received.fault();
    if (received->empty()) co_return Fault{FaultCode::refused, subject, "ended the connection before TLS", "see its log"};
    run = *received;
  }
  if (!run.empty()) co_return Fault{FaultCode::refused, subject, "sent something between STARTTLS and the handshake", "whoever is between it and this node may have: check the network"};
  const std::vector<std::string> names = {domain, node->view.node.host};
  const auto failure = co_await stream->secure_client(policy, domain, names, handshake_deadline);
  if (failure) co_return Fault{FaultCode::refused, subject, failure->text, failure->remedy};
  co_return Done{};
}

asio::awaitable<void> PresenceAccess::relay_up(LinkPtr link) {
  for (;;) {
    auto received = co_await link->channel->receive();
    if (link->is_ended) co_return;
    if (!received) break;
    if (received->empty()) {
      // The client said its farewell; the server's ends the link.
      link->has_up_ended = true;
      if (link->has_down_ended) {
        end(*link, "ended in order");
        co_return;
      }
      link->patience.expires_after(patience_with_server);
      boost::system::error_code ignored;
      co_await link->patience.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      if (!link->has_down_ended) end(*link, "the presence server did not end its side");
      co_return;
    }
    const auto written = co_await link->stream->write(*received);
    if (link->is_ended) co_return;
    if (!written) break;
  }
  // Without </stream:stream>: the server keeps the session for a resumption (XEP-0198) where it was asked to.
  end(*link, "the client's side ended");
}

// What of these bytes goes to the client; changes nothing but the features. Fault: features that cannot be read would be shown as they are.
Outcome<std::string> PresenceAccess::take_down(Link& link, std::string_view run) {
  std::string wanted;
  while (link.is_read && !run.empty()) {
    const StanzaScanner::Piece piece = link.scanner.next(run);
    if (piece == StanzaScanner::Piece::none) return wanted;
    if (piece == StanzaScanner::Piece::fault) return Fault{FaultCode::invalid, "presence server " + link.node->view.node.name, std::string("says what is ") + name_of(link.scanner.fault()), "see its log"};
    std::string text = link.scanner.take_captured();
    const LoginWord word = piece == StanzaScanner::Piece::stanza ? login_word(text) : LoginWord::none;
    if (piece == StanzaScanner::Piece::header) link.header = text;
    if (piece == StanzaScanner::Piece::end) link.is_read = false;
    if ((word == LoginWord::success || word == LoginWord::success_and_restart) && !link.is_established) {
      link.is_established = true;
      ++established_;
      ++counters_.authenticated;
      if (word == LoginWord::success_and_restart) link.scanner.restart();
    } else if (piece == StanzaScanner::Piece::stanza && text.find("features") < text.find('>')) {
      auto filtered = without_channel_binding(text, link.header);
      if (!filtered) return Fault{FaultCode::invalid, "presence server " + link.node->view.node.name, "has features that cannot be read", "see what it offers"};
      counters_.mechanisms_hidden += filtered->taken_out;
      text = std::move(filtered->bytes);
      // Those after authentication are the last.
      if (link.is_established) link.is_read = false;
    }
    wanted += text;
  }
  if (!link.is_read) std::string().swap(link.header);
  return wanted.append(run);
}

asio::awaitable<void> PresenceAccess::relay_down(LinkPtr link) {
  for (;;) {
    auto received = co_await link->stream->receive();
    if (link->is_ended) co_return;
    if (!received) break;
    if (received->empty()) {
      link->channel->finish();
      link->stream->close_after_send(farewell);
      link->has_down_ended = true;
      link->patience.cancel();
      // Else what is queued still goes to E, which ends the channel then.
      if (link->has_up_ended) end(*link, "ended in order");
      co_return;
    }
    std::string edited;
    std::string_view wanted = *received;
    if (link->is_read) {
      auto taken = take_down(*link, *received);
      if (!taken) {
        if (log) log("xmpp: " + taken.fault().text());
        end(*link, taken.fault().text());
        co_return;
      }
      edited = std::move(*taken);
      wanted = edited;
    }
    if (wanted.empty()) continue;
    const auto written = co_await link->channel->write(wanted);
    if (link->is_ended) co_return;
    if (!written) break;
  }
  end(*link, "the presence server's side ended");
}

void PresenceAccess::close_all(std::string_view reason) {
  *is_over_ = true;
  probe_timer_.cancel();
  while (!links_.empty()) {
    const LinkPtr link = links_.front();
    end(*link, reason);
  }
}

bool PresenceAccess::is_unserved(const PresenceNode& node) const {
  const auto serves = [&](const std::string& domain) {
    return std::any_of(nodes_.begin(), nodes_.end(), [&](const NodePtr& each) {
      const std::vector<std::string>& domains = each->view.node.domains;
      return !each->view.is_failing && std::find(domains.begin(), domains.end(), domain) != domains.end();
    });
  };
  return !std::all_of(node.domains.begin(), node.domains.end(), serves);
}

std::vector<PresenceNodeView> PresenceAccess::nodes() const {
  std::vector<PresenceNodeView> list;
  for (const NodePtr& node : nodes_) list.push_back(node->view);
  return list;
}

std::vector<PresenceStreamView> PresenceAccess::streams(size_t limit) const {
  std::vector<PresenceStreamView> list;
  const auto now = steady_clock::now();
  for (const LinkPtr& link : links_) {
    if (list.size() >= limit) break;
    list.push_back({link->id, link->channel->name(), link->node == nullptr ? "" : link->node->view.node.name, link->source, link->tls, link->is_established, std::chrono::duration_cast<std::chrono::milliseconds>(now - link->since).count(),
                    link->channel->received_bytes(), link->channel->sent_bytes()});
  }
  return list;
}

}  // namespace sallyport::xmpp
