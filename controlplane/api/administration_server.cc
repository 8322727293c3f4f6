// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/administration_server.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unordered_map>

#include "controlplane/api/api_accounts.h"
#include "controlplane/api/api_body.h"
#include "controlplane/api/request_head.h"
#include "controlplane/web/web_file.h"

namespace sallyport::api {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using accounts::Judgement;
using accounts::Role;
using std::chrono::seconds;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t write_bytes = 64 << 10;
constexpr std::uint64_t max_login_bytes = 4096;  // of who is not known yet
constexpr std::uint64_t max_unwanted_bytes = 64 << 10;  // read although the request is refused, for the sake of the next
constexpr std::uint32_t max_pages_per_connection = 100;  // a browser needs a third of them once; a stranger pays with a handshake for more
constexpr seconds session_look_interval{1};
constexpr std::chrono::milliseconds farewell_deadline{2000};

// RFC 6797; nothing is guessed, framed or loaded from elsewhere.
constexpr std::string_view common_fields =
    "Strict-Transport-Security: max-age=31536000\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";
constexpr std::string_view policy_of_answers = "Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";
// Scripts and styles are files of ours or do not run, and a script cannot make markup of text (Trusted Types).
constexpr std::string_view policy_of_page =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n";

std::string security_fields() { return std::string(common_fields) + std::string(policy_of_answers); }

ApiAnswer answer_with(unsigned status, const Fault& fault) {
  ApiAnswer answer = answer_fault(fault);
  answer.status = status;
  return answer;
}

// A connection; lives as long as its coroutine.
class Link {
 public:
  explicit Link(tls::StreamPtr of) : stream(std::move(of)), timer_(stream->engine().context()) {}
  // What is under way ends within so long, or the connection does.
  void within(seconds patience) {
    timer_.expires_after(patience);
    const std::uint64_t turn = ++*turn_;
    timer_.async_wait([weak = std::weak_ptr<tls::Stream>(stream), turn_now = turn_, turn](const boost::system::error_code& error) {
      const tls::StreamPtr late = error || *turn_now != turn ? nullptr : weak.lock();
      if (late != nullptr) late->close("too slow");
    });
  }
  void at_leisure() {
    ++*turn_;
    timer_.cancel();
  }

  tls::StreamPtr stream;
  std::string buffer;  // read, not used yet
  std::uint32_t pages = 0;  // served on it

 private:
  asio::steady_timer timer_;
  std::shared_ptr<std::uint64_t> turn_ = std::make_shared<std::uint64_t>(0);  // a wait that is over may be told when the next has begun
};

asio::awaitable<bool> write_all(Link& link, std::string_view bytes, seconds patience) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, write_bytes);
    link.within(patience);
    const auto written = co_await link.stream->write(part);
    if (!written) co_return false;
    bytes.remove_prefix(part.size());
  }
  const auto drained = co_await link.stream->drain();
  co_return drained.has_value();
}

// Whatever the peer does next, in an answer that only it can end.
asio::awaitable<bool> peer_stirs(Link& link) {
  const auto bytes = co_await link.stream->receive();
  co_return bytes.has_value();
}

// A streamed answer ends with its session.
class LinkSink final : public AnswerSink {
 public:
  LinkSink(Link& link, seconds patience, accounts::Doorkeeper& door, std::string token, Role needs) : link_(link), patience_(patience), door_(door), token_(std::move(token)), needs_(needs) {}
  ~LinkSink() override { OPENSSL_cleanse(token_.data(), token_.size()); }
  std::string head_fields() const override { return security_fields(); }
  asio::awaitable<bool> write(std::string bytes) override {
    const bool is_written = co_await write_all(link_, bytes, patience_);
    co_return is_written;
  }
  asio::awaitable<bool> rest(asio::steady_timer& wake) override {
    link_.at_leisure();
    asio::steady_timer look(link_.stream->engine().context(), session_look_interval);
    auto first = co_await (wake.async_wait(as_result) || look.async_wait(as_result) || peer_stirs(link_));
    co_return first.index() != 2 && door_.may_go_on(token_, needs_);
  }

 private:
  Link& link_;
  const seconds patience_;
  accounts::Doorkeeper& door_;
  std::string token_;
  const Role needs_;
};

class Server final : public std::enable_shared_from_this<Server> {
 public:
  Server(tls::StreamEngine& engine, AdministrationOptions options, ApiParts parts) : engine_(engine), options_(std::move(options)), parts_(parts), watchers_(parts.log) {}

  Outcome<> listen() {
    tls::ListenerOptions options;
    options.name = "administration";
    options.address = options_.address;
    options.freebind = options_.freebind;
    options.tls = options_.tls;
    options.backlog = 128;
    options.handshakes_at_once = options_.connections;
    tls::SourceLimitOptions limits;
    limits.connections_total = options_.connections;
    limits.connections_per_source = options_.connections_per_source;
    limits.handshakes_per_source_per_s = options_.handshakes_per_source_per_s;
    limits.handshake_burst = 4 * options_.handshakes_per_source_per_s;
    options.limits = std::make_shared<tls::SourceLimits>(limits);
    auto opened = tls::Listener::open(engine_, std::move(options), [weak = weak_from_this()](tls::StreamPtr stream) {
      const auto self = weak.lock();
      if (self != nullptr) asio::co_spawn(stream->engine().context(), serve(self, stream), asio::detached);
    });
    if (!opened) return opened.fault();
    listener_ = std::move(*opened);
    return Done{};
  }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    watchers_.stop();
    // Coroutines hold this server a little longer; the listener may not outlive the engine.
    listener_.reset();
    for (const auto& [id, weak] : streams_)
      if (const tls::StreamPtr stream = weak.lock()) stream->close("the server stops");
  }

  tls::Listener& listener() { return *listener_; }

 private:
  seconds idle() const { return seconds(options_.idle_timeout_s); }

  static asio::awaitable<void> serve(std::shared_ptr<Server> self, tls::StreamPtr stream) {
    Link link(stream);
    self->streams_[stream->id()] = stream;
    bool keep = true;
    while (keep && !self->stopped_) keep = co_await self->serve_one(link);
    self->streams_.erase(stream->id());
    link.within(idle_at_farewell);
    // What the peer still sends is taken, or the kernel would answer it with a reset that overtakes our answer.
    co_await stream->shutdown(farewell_deadline);
  }

  asio::awaitable<bool> serve_one(Link& link) {
    std::size_t head_bytes = 0;
    const bool is_there = co_await read_head(link, head_bytes);
    if (!is_there) co_return false;
    RequestHead head;
    ApiRequest request;
    const web::WebFile* page = nullptr;
    std::optional<ApiAnswer> refused = judge_head(link, head_bytes, head, request, page);
    if (page != nullptr) {
      const bool may_stay = head.keep_alive && ++link.pages < max_pages_per_connection;
      const bool is_sent = co_await send_page(link, head, *page, may_stay);
      co_return is_sent && may_stay;
    }
    if (refused) {
      if (!request.method.empty()) parts_.audit.note(request, refused->status);
      // Who is logged in may go on over the same connection; a stranger pays with a handshake for each guess.
      bool may_stay = !request.account.empty() && head.keep_alive && !head.expects_continue && head.body_bytes <= max_unwanted_bytes;
      if (may_stay) may_stay = co_await read_body(link, head, request.body);
      const bool is_told = co_await send(link, head, *refused, may_stay);
      co_return is_told && may_stay;
    }
    const bool has_body = co_await read_body(link, head, request.body);
    if (!has_body) co_return false;
    if (is_stream(request)) {
      const RouteMatch match = find_route(request.method, request.path);
      LinkSink sink(link, idle(), parts_.door, std::string(cookie_value(head.cookie, session_cookie)), match.route == nullptr ? Role::administer : match.route->role);
      asio::awaitable<std::optional<ApiAnswer>> streaming = stream_answer(std::move(request), parts_, sink, watchers_);
      std::optional<ApiAnswer> instead = co_await std::move(streaming);
      if (instead) co_await send(link, head, *instead, false);
      co_return false;
    }
    link.at_leisure();
    asio::awaitable<ApiAnswer> answering = answer_in_time(request, parts_, options_.patience);
    ApiAnswer answer = co_await std::move(answering);
    if (is_login(request.method, request.path)) name_login(request, answer);
    parts_.audit.note(request, answer.status);
    OPENSSL_cleanse(request.body.data(), request.body.size());
    const bool is_sent = co_await send(link, head, answer, head.keep_alive);
    co_return is_sent && head.keep_alive;
  }

  // head_bytes: with the empty line; 0: it is too long. False: the peer went, or was too slow.
  asio::awaitable<bool> read_head(Link& link, std::size_t& head_bytes) {
    bool has_begun = !link.buffer.empty();
    link.within(has_begun ? seconds(options_.request_timeout_s) : idle());
    for (;;) {
      const std::size_t end = link.buffer.find("\r\n\r\n");
      head_bytes = end == std::string::npos ? 0 : end + 4;
      if (head_bytes > options_.max_header_bytes) head_bytes = 0;
      if (end != std::string::npos || link.buffer.size() > options_.max_header_bytes) co_return true;
      const auto bytes = co_await link.stream->receive();
      if (!bytes || bytes->empty()) co_return false;
      if (!has_begun) link.within(seconds(options_.request_timeout_s));
      has_begun = true;
      link.buffer.append(*bytes);
    }
  }

  asio::awaitable<bool> read_body(Link& link, const RequestHead& head, std::string& body) {
    link.within(seconds(options_.request_timeout_s));
    if (head.expects_continue && link.buffer.empty() && head.body_bytes > 0) link.stream->send("HTTP/1.1 100 Continue\r\n\r\n");
    while (link.buffer.size() < head.body_bytes) {
      const auto bytes = co_await link.stream->receive();
      if (!bytes || bytes->empty()) co_return false;
      link.buffer.append(*bytes);
    }
    body = link.buffer.substr(0, head.body_bytes);
    OPENSSL_cleanse(link.buffer.data(), head.body_bytes);
    link.buffer.erase(0, head.body_bytes);
    co_return true;
  }

  // All that can be judged before a body is read; the request then says who asks, or which file of the page is wanted. Takes the head out
  // of the buffer.
  std::optional<ApiAnswer> judge_head(Link& link, std::size_t head_bytes, RequestHead& head, ApiRequest& request, const web::WebFile*& page) {
    if (head_bytes == 0) return answer_with(431, {FaultCode::invalid, "request", "its header is too long", "send at most " + std::to_string(options_.max_header_bytes) + " bytes"});
    std::optional<HeadRefusal> malformed = read_request_head(std::string_view(link.buffer).substr(0, head_bytes), head);
    OPENSSL_cleanse(link.buffer.data(), head_bytes);
    link.buffer.erase(0, head_bytes);
    if (malformed) return answer_with(malformed->status, malformed->fault);
    auto target = parse_target(head.target);
    if (!target) return answer_fault(target.fault());
    request = std::move(*target);
    request.method = head.method;
    request.is_local = false;
    request.role = Role::read;
    request.actor = stranger;
    request.source = link.stream->peer_address().text();
    request.source_key = std::string(link.stream->peer_address().ip_bytes().substr(0, 8));  // of IPv6 what one subscriber owns
    if (!is_our_host(head.host)) return answer_with(421, {FaultCode::invalid, "request", "is for a host that is not this one", "ask by a name of administration.names, node.fqdn or the address"});
    // The same for everybody, and so for who is not known yet.
    page = page_wanted(head);
    if (page != nullptr) return std::nullopt;
    if (is_change(request) && !is_same_origin(head)) return answer_with(403, {FaultCode::refused, "request", "comes from a page of another origin", "send it from here"});
    const bool logs_in = is_login(request.method, request.path);
    if (!logs_in) {
      if (auto refused = judge_session(head, request)) return refused;
    }
    const std::uint64_t most = logs_in ? max_login_bytes : options_.max_body_bytes;
    if (head.body_bytes > most) return answer_with(413, {FaultCode::invalid, "request", "its body is too long", "send at most " + std::to_string(most) + " bytes" + (logs_in ? "" : ", or raise api.max_body_bytes of the node file")});
    return std::nullopt;
  }

  std::optional<ApiAnswer> judge_session(const RequestHead& head, ApiRequest& request) {
    const std::string_view token = cookie_value(head.cookie, session_cookie);
    const RouteMatch match = find_route(request.method, request.path);
    const accounts::Visitor visitor = parts_.door.judge({token, head.csrf, is_change(request), match.route == nullptr ? Role::read : match.route->role});
    request.account = visitor.account;
    request.session = visitor.session;
    request.role = visitor.role;
    if (!visitor.account.empty()) {
      request.actor = "account " + visitor.account;
      request.csrf = parts_.door.sessions().csrf_token(token);
    }
    switch (visitor.judgement) {
      case Judgement::admitted: return std::nullopt;
      case Judgement::no_session: {
        ApiAnswer answer = answer_with(401, {FaultCode::refused, "session", "there is none, or it has ended", "log in: POST /v1/session"});
        answer.fields.emplace_back("WWW-Authenticate", "Sallyport-Session");
        return answer;
      }
      case Judgement::too_fast: {
        ApiAnswer answer = answer_with(429, {FaultCode::exhausted, "session", "asks too fast", "ask less often"});
        answer.fields.emplace_back("Retry-After", "1");
        return answer;
      }
      case Judgement::csrf: return answer_with(403, {FaultCode::refused, request.path, std::string("the token against forged requests is missing or wrong"), std::string("send csrf_token of GET /v1/session as ") + csrf_field});
      case Judgement::role: return answer_with(403, {FaultCode::refused, request.path, "is not for role " + std::string(accounts::name_of(visitor.role)), "ask an administrator"});
    }
    return answer_with(403, {FaultCode::refused, request.path, "is refused", ""});
  }

  bool is_our_host(std::string_view host) const {
    std::string name;
    std::uint16_t port = 0;
    if (listener_ == nullptr || !split_host(host, name, port)) return false;
    if (port != 0 && port != listener_->address().port()) return false;
    return name == listener_->address().ip() || std::find(options_.hosts.begin(), options_.hosts.end(), name) != options_.hosts.end();
  }

  // By its path as it is written: there is nothing to decode, and no folder to leave.
  static const web::WebFile* page_wanted(const RequestHead& head) { return (head.method == "GET" || head.method == "HEAD") && head.body_bytes == 0 ? web::find_web_file(head.target) : nullptr; }

  // What is no browser sends neither field.
  static bool is_same_origin(const RequestHead& head) {
    const bool is_from_here = head.origin.empty() || head.origin == "https://" + head.host;
    return is_from_here && (head.fetch_site.empty() || head.fetch_site == "same-origin" || head.fetch_site == "none");
  }

  // What is written of a login: the name only if there is such an account, since people type passwords there.
  void name_login(ApiRequest& request, const ApiAnswer& answer) const {
    const auto body = ApiBody::read(request, {"name", "password"});
    const std::string name = body ? body->text("name") : "";
    const auto all = parts_.door.accounts().snapshot();
    const bool is_known = parts_.door.accounts().find(*all, name) != nullptr;
    if (answer.status == 201) request.actor = "account " + name;
    request.object = "name=" + (is_known ? name : std::string("(unknown)"));
  }

  asio::awaitable<bool> send(Link& link, const RequestHead& head, const ApiAnswer& answer, bool keep_alive) {
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason_of(answer.status)) + "\r\nContent-Type: " + answer.content_type + "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\nCache-Control: no-store\r\n" + security_fields();
    for (const auto& [name, value] : answer.fields) text += name + ": " + value + "\r\n";
    text += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
    if (head.method != "HEAD") text += answer.body;
    const bool is_sent = co_await write_all(link, text, idle());
    co_return is_sent;
  }

  // What has another path when it changes may be kept for good; the page itself is asked for each time, and sent if it is another.
  asio::awaitable<bool> send_page(Link& link, const RequestHead& head, const web::WebFile& page, bool keep_alive) {
    if (options_.pages != nullptr) options_.pages->add();
    const bool is_known = web::has_current(head.if_none_match, page);
    std::string text = is_known ? "HTTP/1.1 304 Not Modified\r\n" : "HTTP/1.1 200 OK\r\nContent-Type: " + std::string(page.content_type) + "\r\nContent-Length: " + std::to_string(page.body.size()) + "\r\n";
    text += "ETag: " + std::string(page.etag) + (page.is_immutable ? "\r\nCache-Control: private, max-age=31536000, immutable\r\n" : "\r\nCache-Control: no-cache\r\n");
    text += common_fields;
    text += policy_of_page;
    text += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
    if (!is_known && head.method != "HEAD") text += page.body;
    const bool is_sent = co_await write_all(link, text, idle());
    co_return is_sent;
  }

  static constexpr seconds idle_at_farewell{5};
  tls::StreamEngine& engine_;
  AdministrationOptions options_;
  ApiParts parts_;
  LogWatchers watchers_;
  std::unique_ptr<tls::Listener> listener_;
  std::unordered_map<std::uint64_t, std::weak_ptr<tls::Stream>> streams_;
  bool stopped_ = false;
};

// What the caller holds; coroutines hold the Server itself.
class ServerHandle final : public AdministrationServer {
 public:
  explicit ServerHandle(std::shared_ptr<Server> server) : server_(std::move(server)) {}
  ~ServerHandle() override { server_->stop(); }
  void stop() override { server_->stop(); }
  const tls::Listener& listener() const override { return server_->listener(); }
  int release_socket() override { return server_->listener().release_socket(); }

 private:
  std::shared_ptr<Server> server_;
};

}  // namespace

Outcome<std::unique_ptr<AdministrationServer>> AdministrationServer::start(tls::StreamEngine& engine, AdministrationOptions options, ApiParts parts) {
  auto server = std::make_shared<Server>(engine, std::move(options), parts);
  if (const Outcome<> listening = server->listen(); !listening) return listening.fault();
  return std::unique_ptr<AdministrationServer>(new ServerHandle(std::move(server)));
}

Outcome<std::shared_ptr<tls::TlsPolicy>> AdministrationServer::make_policy(std::shared_ptr<tls::CredentialStore> credentials) {
  tls::TlsPolicyOptions options;
  options.role = tls::TlsRole::server;
  options.alpn = {"http/1.1"};
  options.tls13_only = true;
  return tls::TlsPolicy::create(std::move(options), std::move(credentials));
}

}  // namespace sallyport::api
