// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/chat_node_discovery.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <chrono>

#include "controlplane/tls/stream_deadline.h"
#include "controlplane/xmpp/stanza_scanner.h"
#include "controlplane/xmpp/stream_text.h"
#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds deadline{20'000}, closing_deadline{2'000};
constexpr std::string_view bind_space = "urn:ietf:params:xml:ns:xmpp-bind", items_space = "http://jabber.org/protocol/disco#items", info_space = "http://jabber.org/protocol/disco#info";
constexpr ScanLimits limits{8 << 10, 256 << 10, 32};

// A client's end of a stream whose TLS is up.
class Login {
 public:
  Login(tls::StreamPtr stream, std::string domain) : stream_(std::move(stream)), domain_(std::move(domain)) {}

  void open() { stream_->send(format_stream_header({address_of(domain_), "", "", "1.0", "", std::string(ns::client)})); }
  void reopen() {
    scanner_.restart();
    open();
  }
  bool is_open() const { return stream_->is_open(); }
  void send(std::string_view text) { stream_->send(text); }

  // The next element on the stream's first level.
  asio::awaitable<Outcome<XmlElement>> next() {
    for (;;) {
      std::string_view run(pending_);
      const StanzaScanner::Piece piece = scanner_.next(run);
      pending_.erase(0, pending_.size() - run.size());
      if (piece == StanzaScanner::Piece::header) {
        header_ = scanner_.take_captured();
        continue;
      }
      if (piece == StanzaScanner::Piece::stanza) co_return parse_element(scanner_.captured(), header_);
      if (piece != StanzaScanner::Piece::none) co_return refused("ended the stream, or does not speak XMPP", "check host and port");
      const Outcome<std::string_view> bytes = co_await stream_->receive();
      if (!bytes) co_return bytes.fault();
      if (bytes->empty()) co_return refused("closed the connection", "see its log");
      pending_ += *bytes;
    }
  }

  // The answer to an IQ that was sent; what comes between is of no interest.
  asio::awaitable<Outcome<XmlElement>> answer(std::string id) {
    for (;;) {
      Outcome<XmlElement> element = co_await next();
      if (!element) co_return element;
      if (element->is(ns::stream, "error")) co_return refused("ended the stream: " + condition(*element), "see its log");
      if (element->name != "iq" || element->attribute("id") != id) continue;
      if (element->attribute("type") == "result") co_return element;
      const XmlElement* error = element->child(ns::client, "error");
      co_return refused("refused the request \"" + id + "\": " + (error == nullptr ? "no reason" : condition(*error)), "see what this user may do there");
    }
  }

  Fault refused(std::string cause, std::string remedy) const { return {FaultCode::refused, "presence server of " + domain_, std::move(cause), std::move(remedy)}; }
  static std::string condition(const XmlElement& error) { return error.children.empty() ? "no reason" : error.children.front().name; }

 private:
  tls::StreamPtr stream_;
  const std::string domain_;
  StanzaScanner scanner_{limits, StanzaScanner::Capture::stanza};
  std::string header_, pending_;
};

// RFC 4616, in base64 (RFC 6120 6.4.2).
std::string plain_of(const ChatNodeLogin& login) {
  std::string message = '\0' + login.user + '\0' + login.password;
  std::string text((message.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(message.data()), static_cast<int>(message.size()));
  OPENSSL_cleanse(message.data(), message.size());
  text.resize(static_cast<size_t>(size));
  return text;
}

bool offers_plain(const XmlElement& features) {
  const XmlElement* mechanisms = features.child(ns::sasl, "mechanisms");
  return mechanisms != nullptr && std::any_of(mechanisms->children.begin(), mechanisms->children.end(), [](const XmlElement& each) { return each.text == "PLAIN"; });
}

asio::awaitable<Outcome<>> log_in(std::shared_ptr<Login> session, ChatNodeLogin login) {
  session->open();
  const Outcome<XmlElement> features = co_await session->next();
  if (!features) co_return features.fault();
  if (features->is(ns::stream, "error")) co_return session->refused("refused the stream: " + Login::condition(*features), "check that it serves this domain");
  if (!offers_plain(*features)) co_return session->refused("does not offer SASL PLAIN within TLS", "allow it there for this connection; the password goes to the server whose certificate was verified only");
  std::string auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain_of(login) + "</auth>";
  session->send(auth);
  OPENSSL_cleanse(auth.data(), auth.size());
  OPENSSL_cleanse(login.password.data(), login.password.size());
  const Outcome<XmlElement> verdict = co_await session->next();
  if (!verdict) co_return verdict.fault();
  if (!verdict->is(ns::sasl, "success")) co_return session->refused("does not log user \"" + login.user + "\" in: " + Login::condition(*verdict), "check presence.discovery_user and its password file");
  session->reopen();
  const Outcome<XmlElement> further = co_await session->next();
  if (!further) co_return further.fault();
  session->send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
  std::string id = "bind";
  const Outcome<XmlElement> bound = co_await session->answer(std::move(id));
  if (!bound) co_return bound.fault();
  co_return Done{};
}

bool is_group_chat(const XmlElement& answer) {
  const XmlElement* query = answer.child(info_space, "query");
  return query != nullptr && std::any_of(query->children.begin(), query->children.end(), [](const XmlElement& each) { return each.name == "identity" && each.attribute("category") == "conference" && each.attribute("type") == "text"; });
}

// Domains among the items, in the form that they are compared in.
std::vector<std::string> services_in(const XmlElement& answer) {
  std::vector<std::string> list;
  const XmlElement* query = answer.child(items_space, "query");
  if (query == nullptr) return list;
  for (const XmlElement& each : query->children) {
    const std::string& jid = each.attribute("jid");
    if (each.name != "item" || jid.find_first_of("@/") != std::string::npos || list.size() >= max_chat_nodes) continue;
    if (std::string domain = domain_of(jid); !domain.empty()) list.push_back(std::move(domain));
  }
  return list;
}

asio::awaitable<Outcome<std::vector<std::string>>> ask(std::shared_ptr<Login> session, std::string domain) {
  session->send("<iq type='get' id='items' to='" + escape_xml(address_of(domain)) + "'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
  std::string id = "items";
  const Outcome<XmlElement> items = co_await session->answer(std::move(id));
  if (!items) co_return items.fault();
  const std::vector<std::string> services = services_in(*items);
  std::vector<std::string> found;
  for (size_t number = 0; number < services.size(); ++number) {
    std::string query = "info" + std::to_string(number);
    session->send("<iq type='get' id='" + query + "' to='" + escape_xml(address_of(services[number])) + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    const Outcome<XmlElement> info = co_await session->answer(std::move(query));
    if (!info && !session->is_open()) co_return info.fault();
    // One that does not answer what it is (a gateway that is down) says nothing of the others.
    if (info && is_group_chat(*info)) found.push_back(services[number]);
  }
  std::sort(found.begin(), found.end());
  co_return found;
}

}  // namespace

asio::awaitable<Outcome<std::vector<std::string>>> discover_chat_nodes(tls::StreamPtr stream, ChatNodeLogin login) {
  const auto timer = tls::end_in_time(stream, deadline);
  std::string domain = login.domain;
  const auto session = std::make_shared<Login>(stream, domain);
  const Outcome<> is_in = co_await log_in(session, std::move(login));
  if (!is_in) {
    timer->cancel();
    stream->close("discovery failed");
    co_return is_in.fault();
  }
  Outcome<std::vector<std::string>> found = co_await ask(session, std::move(domain));
  timer->cancel();
  stream->send("</stream:stream>");
  stream->close_after_send(closing_deadline);
  co_return found;
}

}  // namespace sallyport::xmpp
