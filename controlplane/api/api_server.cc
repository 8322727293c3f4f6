// SPDX-License-Identifier: Apache-2.0
// Beast's sockets are here and nowhere else; its parser alone is in request_head.cc too.
#include "controlplane/api/api_server.h"

#include <openssl/crypto.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <set>

#include "controlplane/api/api_audit.h"
#include "controlplane/api/api_exchange.h"
#include "controlplane/api/api_routes.h"
#include "controlplane/api/metric_table.h"

namespace sallyport::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using namespace asio::experimental::awaitable_operators;
using boost::system::error_code;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using std::chrono::seconds;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// One connection; alive as long as its coroutine.
struct Connection {
  Connection(asio::generic::stream_protocol::socket socket, bool metrics) : stream(std::move(socket)), metrics_only(metrics) {}
  Stream stream;
  bool metrics_only;  // reached over TCP: /metrics and nothing else
  std::string actor;
};

// A streamed answer on its way to a connection.
class ConnectionSink final : public AnswerSink {
 public:
  ConnectionSink(Connection& connection, std::uint32_t idle_timeout_s) : connection_(connection), idle_timeout_s_(idle_timeout_s) {}
  asio::awaitable<bool> write(std::string bytes) override {
    connection_.stream.expires_after(seconds(idle_timeout_s_));
    auto buffer = asio::buffer(bytes);
    auto [error, count] = co_await asio::async_write(connection_.stream, buffer, as_result);
    co_return !error;
  }
  asio::awaitable<bool> rest(asio::steady_timer& wake) override {
    connection_.stream.expires_never();
    auto first = co_await (wake.async_wait(as_result) || connection_.stream.socket().async_wait(asio::socket_base::wait_read, as_result));
    co_return first.index() == 0;
  }

 private:
  Connection& connection_;
  std::uint32_t idle_timeout_s_;
};

std::string actor_of(asio::local::stream_protocol::socket& socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return "uid unknown";
  return "uid " + std::to_string(peer.uid);
}

class Server final : public std::enable_shared_from_this<Server> {
 public:
  Server(asio::any_io_executor executor, ApiServerOptions options, ApiParts parts)
      : executor_(executor),
        options_(std::move(options)),
        parts_(parts),
        local_(executor),
        tcp_(executor),
        requests_(parts.metrics.counters("api_requests_total", MetricRow("api_requests_total").help(), "outcome", {"answered", "refused", "broken"})),
        watchers_(parts.log),
        refused_connections_(parts.metrics.counter("api_connections_refused_total", MetricRow("api_connections_refused_total").help())) {}

  Outcome<> listen() {
    if (auto bound = bind_local(); !bound) return bound.fault();
    if (!options_.metrics_listen.empty()) {
      if (auto bound = bind_tcp(); !bound) return bound.fault();
    }
    asio::co_spawn(executor_, accept_local(shared_from_this()), asio::detached);
    if (tcp_.is_open()) asio::co_spawn(executor_, accept_tcp(shared_from_this()), asio::detached);
    return Done{};
  }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    error_code ignored;
    local_.close(ignored);
    tcp_.close(ignored);
    for (Connection* connection : connections_) connection->stream.close();
    watchers_.stop();
    // Only if it is still ours: a successor may have bound the path already.
    struct stat status {};
    if (::stat(options_.socket_path.c_str(), &status) == 0 && status.st_ino == socket_inode_) ::unlink(options_.socket_path.c_str());
  }

  std::uint16_t metrics_port() const {
    error_code ignored;
    return tcp_.is_open() ? tcp_.local_endpoint(ignored).port() : 0;
  }

 private:
  Fault socket_fault(const std::string& cause, const std::string& remedy) const {
    return {FaultCode::refused, "api socket " + options_.socket_path, cause, remedy};
  }

  // A file left behind by a crash is nobody's; one on which somebody answers belongs to a running control plane.
  Outcome<> clear_path(const asio::local::stream_protocol::endpoint& endpoint) {
    struct stat status {};
    if (::lstat(options_.socket_path.c_str(), &status) != 0) return Done{};
    if (!S_ISSOCK(status.st_mode)) return socket_fault("exists and is not a socket", "remove it or choose another path");
    asio::local::stream_protocol::socket probe(executor_);
    error_code error;
    probe.connect(endpoint, error);
    if (!error) return socket_fault("is in use by a running control plane", "stop that one first, or give this node a path of its own");
    ::unlink(options_.socket_path.c_str());
    return Done{};
  }

  Outcome<> bind_local() {
    if (options_.socket_path.size() > 107) return socket_fault("is longer than 107 characters", "choose a shorter run_dir");
    asio::local::stream_protocol::endpoint endpoint(options_.socket_path);
    if (auto cleared = clear_path(endpoint); !cleared) return cleared;
    error_code error;
    local_.open(endpoint.protocol(), error);
    // Nobody may connect before the mode is right.
    mode_t previous = ::umask(0117);
    if (!error) local_.bind(endpoint, error);
    ::umask(previous);
    if (!error) local_.listen(static_cast<int>(options_.max_connections), error);
    if (error) return socket_fault("cannot be bound: " + error.message(), "check that its folder exists and the service user may write there");
    struct stat status {};
    if (::stat(options_.socket_path.c_str(), &status) == 0) socket_inode_ = status.st_ino;
    return Done{};
  }

  Outcome<> bind_tcp() {
    const std::string& listen = options_.metrics_listen;
    std::size_t colon = listen.rfind(':');
    Fault fault{FaultCode::refused, "metrics_listen " + listen, "is not IP:port", "write it like 127.0.0.1:9464"};
    if (colon == std::string::npos) return fault;
    std::string host = listen.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    error_code error;
    asio::ip::address address = asio::ip::make_address(host, error);
    if (error) return fault;
    unsigned port = 0;
    for (char c : listen.substr(colon + 1)) {
      if (c < '0' || c > '9' || (port = port * 10 + static_cast<unsigned>(c - '0')) > 65535) return fault;
    }
    asio::ip::tcp::endpoint endpoint(address, static_cast<std::uint16_t>(port));
    tcp_.open(endpoint.protocol(), error);
    if (!error) tcp_.set_option(asio::ip::tcp::acceptor::reuse_address(true), error);
    if (!error) tcp_.bind(endpoint, error);
    if (!error) tcp_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return Done{};
    fault.cause = "cannot be bound: " + error.message();
    fault.remedy = "choose an address of this node and a free port";
    return fault;
  }

  asio::awaitable<void> accept_local(std::shared_ptr<Server> /* stays alive meanwhile */) {
    while (!stopped_) {
      auto [error, socket] = co_await local_.async_accept(as_result);
      if (error) {
        co_await pause_after(error);
        continue;
      }
      std::string actor = actor_of(socket);
      admit(std::make_shared<Connection>(std::move(socket), false), std::move(actor));
    }
  }

  asio::awaitable<void> accept_tcp(std::shared_ptr<Server> /* likewise */) {
    while (!stopped_) {
      auto [error, socket] = co_await tcp_.async_accept(as_result);
      if (error) {
        co_await pause_after(error);
        continue;
      }
      admit(std::make_shared<Connection>(std::move(socket), true), "metrics client");
    }
  }

  // Out of descriptors: accept would fail again at once and spin.
  asio::awaitable<void> pause_after(const error_code& error) {
    if (stopped_ || error == asio::error::operation_aborted) co_return;
    asio::steady_timer timer(executor_, std::chrono::milliseconds(100));
    co_await timer.async_wait(as_result);
  }

  void admit(std::shared_ptr<Connection> connection, std::string actor) {
    if (connections_.size() >= options_.max_connections) {
      refused_connections_.add();
      return;  // closed by its destructor
    }
    connection->actor = std::move(actor);
    connections_.insert(connection.get());
    asio::co_spawn(executor_, serve(shared_from_this(), std::move(connection)), asio::detached);
  }

  asio::awaitable<void> serve(std::shared_ptr<Server> /* likewise */, std::shared_ptr<Connection> connection) {
    beast::flat_buffer buffer(options_.max_header_bytes + 4096);
    bool keep = true;
    while (keep && !stopped_) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(options_.max_header_bytes);
      parser.body_limit(options_.max_body_bytes);
      connection->stream.expires_after(seconds(options_.idle_timeout_s));
      auto [error, bytes] = co_await http::async_read(connection->stream, buffer, parser, as_result);
      if (error) {
        co_await refuse(*connection, error);
        break;
      }
      // Arguments have names: GCC 12 destroys temporaries twice that live in one expression with a co_await.
      http::request<http::string_body> message = parser.release();
      keep = co_await reply(*connection, message);
    }
    connections_.erase(connection.get());
    connection->stream.close();
  }

  // A request that could not be read: say why where the peer can still hear it, then close.
  asio::awaitable<void> refuse(Connection& connection, const error_code& error) {
    if (error == http::error::end_of_stream || error == asio::error::operation_aborted || error == beast::error::timeout || error == asio::error::connection_reset) co_return;
    requests_.of("broken").add();
    ApiAnswer answer = answer_fault({FaultCode::invalid, "request", error.message(), "send HTTP/1.1 within the limits"});
    if (error == http::error::header_limit || error == http::error::buffer_overflow) answer.status = 431;
    if (error == http::error::body_limit) {
      answer = answer_fault({FaultCode::invalid, "request", "its body is too long", "send at most " + std::to_string(options_.max_body_bytes) + " bytes, or raise api.max_body_bytes of the node file"});
      answer.status = 413;
    }
    co_await send(connection, answer, 11, false);
  }

  asio::awaitable<bool> reply(Connection& connection, http::request<http::string_body>& message) {
    auto target = parse_target(std::string_view(message.target().data(), message.target().size()));
    if (!target) {
      requests_.of("broken").add();
      ApiAnswer answer = answer_fault(target.fault());
      co_return co_await send(connection, answer, message.version(), false);
    }
    ApiRequest request = std::move(*target);
    request.method = std::string(message.method_string());
    request.body = std::move(message.body());
    request.actor = connection.actor;
    if (connection.metrics_only && (request.path != "/metrics" || request.method != "GET")) {
      requests_.of("refused").add();
      ApiAnswer answer = answer_fault({FaultCode::refused, request.path, "is not served over TCP", "use the Unix socket"});
      co_return co_await send(connection, answer, message.version(), false);
    }
    ApiAnswer answer;
    if (is_stream(request)) {
      ConnectionSink sink(connection, options_.idle_timeout_s);
      asio::awaitable<std::optional<ApiAnswer>> streaming = stream_answer(std::move(request), parts_, sink, watchers_);
      std::optional<ApiAnswer> refused = co_await std::move(streaming);
      requests_.of(refused ? "refused" : "answered").add();
      if (!refused) co_return false;
      answer = std::move(*refused);
      co_return co_await send(connection, answer, message.version(), false);
    }
    const AnswerPatience patience{options_.answer_timeout_s, options_.test_timeout_s};
    asio::awaitable<ApiAnswer> answering = answer_in_time(request, parts_, patience);
    answer = co_await std::move(answering);
    requests_.of(answer.status < 400 ? "answered" : "refused").add();
    parts_.audit.note(request, answer.status);
    OPENSSL_cleanse(request.body.data(), request.body.size());
    bool kept = co_await send(connection, answer, message.version(), message.keep_alive());
    co_return kept;
  }

  asio::awaitable<bool> send(Connection& connection, ApiAnswer& answer, unsigned version, bool keep_alive) {
    http::response<http::string_body> message(static_cast<http::status>(answer.status), version);
    message.set(http::field::content_type, answer.content_type);
    message.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : answer.fields) message.set(name, value);
    message.keep_alive(keep_alive);
    message.body() = std::move(answer.body);
    message.prepare_payload();
    connection.stream.expires_after(seconds(options_.idle_timeout_s));
    auto [error, bytes] = co_await http::async_write(connection.stream, message, as_result);
    co_return !error && keep_alive;
  }

  asio::any_io_executor executor_;
  ApiServerOptions options_;
  ApiParts parts_;
  asio::local::stream_protocol::acceptor local_;
  asio::ip::tcp::acceptor tcp_;
  CounterFamily& requests_;
  LogWatchers watchers_;
  Counter& refused_connections_;
  std::set<Connection*> connections_;
  ino_t socket_inode_ = 0;
  bool stopped_ = false;
};

// What the caller holds; coroutines hold the Server itself.
class ServerHandle final : public ApiServer {
 public:
  explicit ServerHandle(std::shared_ptr<Server> server) : server_(std::move(server)) {}
  ~ServerHandle() override { server_->stop(); }
  void stop() override { server_->stop(); }
  std::uint16_t metrics_port() const override { return server_->metrics_port(); }

 private:
  std::shared_ptr<Server> server_;
};

}  // namespace

Outcome<std::unique_ptr<ApiServer>> ApiServer::start(asio::any_io_executor executor, ApiServerOptions options, ApiParts parts) {
  auto server = std::make_shared<Server>(std::move(executor), std::move(options), parts);
  if (auto listening = server->listen(); !listening) return listening.fault();
  return std::unique_ptr<ApiServer>(new ServerHandle(std::move(server)));
}

}  // namespace sallyport::api
