// SPDX-License-Identifier: Apache-2.0
// The one translation unit that includes Beast.
#include "controlplane/api/api_server.h"

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
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <set>

#include "controlplane/api/api_capture.h"
#include "controlplane/api/api_json.h"
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
constexpr std::size_t log_chunk_lines = 200;
// A word that comes between looking and waiting is made good by then.
constexpr std::chrono::milliseconds feed_look_interval{200};

// One connection; alive as long as its coroutine.
struct Connection {
  Connection(asio::generic::stream_protocol::socket socket, bool metrics) : stream(std::move(socket)), metrics_only(metrics) {}
  Stream stream;
  bool metrics_only;  // reached over TCP: /metrics and nothing else
  std::string actor;
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
    for (std::uint64_t watcher : log_watchers_) parts_.log.remove_watcher(watcher);
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
    if (error == http::error::body_limit) answer.status = 413;
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
    if (connection.metrics_only && request.path != "/metrics") {
      requests_.of("refused").add();
      ApiAnswer answer = answer_fault({FaultCode::refused, request.path, "is not served over TCP", "use the Unix socket"});
      co_return co_await send(connection, answer, message.version(), false);
    }
    if (is_log_stream(request)) {
      co_await stream_logs(connection, log_lines_wanted(request), message.version());
      co_return false;
    }
    if (is_capture(request)) {
      co_await stream_capture(connection, request, message.version());
      co_return false;
    }
    ApiAnswer answer = co_await answer_in_time(request);
    requests_.of(answer.status < 400 ? "answered" : "refused").add();
    bool kept = co_await send(connection, answer, message.version(), message.keep_alive());
    co_return kept;
  }

  asio::awaitable<ApiAnswer> answer_in_time(const ApiRequest& request) {
    std::uint32_t patience_s = may_take_long(request) ? options_.test_timeout_s : options_.answer_timeout_s;
    asio::steady_timer deadline(executor_, seconds(patience_s));
    asio::awaitable<ApiAnswer> answering = answer_request(request, parts_);
    auto first = co_await (std::move(answering) || deadline.async_wait(as_result));
    if (first.index() == 0) co_return std::get<0>(std::move(first));
    co_return answer_fault({FaultCode::timeout, request.path, "the node took longer than " + std::to_string(patience_s) + " s", "look at its log"});
  }

  asio::awaitable<bool> send(Connection& connection, ApiAnswer& answer, unsigned version, bool keep_alive) {
    http::response<http::string_body> message(static_cast<http::status>(answer.status), version);
    message.set(http::field::content_type, answer.content_type);
    message.set(http::field::cache_control, "no-store");
    message.keep_alive(keep_alive);
    message.body() = std::move(answer.body);
    message.prepare_payload();
    connection.stream.expires_after(seconds(options_.idle_timeout_s));
    auto [error, bytes] = co_await http::async_write(connection.stream, message, as_result);
    co_return !error && keep_alive;
  }

  // Chunked, a JSON object a line, until the peer goes or the server stops.
  asio::awaitable<void> stream_logs(Connection& connection, std::size_t lines, unsigned version) {
    http::response<http::empty_body> head(http::status::ok, version);
    head.set(http::field::content_type, "application/x-ndjson");
    head.chunked(true);
    http::response_serializer<http::empty_body> serializer(head);
    auto [error, bytes] = co_await http::async_write_header(connection.stream, serializer, as_result);
    if (error) co_return;
    // Shared with the watcher, which may fire on another thread while this coroutine ends.
    auto wake = std::make_shared<asio::steady_timer>(executor_, asio::steady_timer::time_point::max());
    std::uint64_t watcher = parts_.log.add_watcher([wake, executor = executor_] { asio::post(executor, [wake] { wake->cancel(); }); });
    log_watchers_.insert(watcher);
    std::uint64_t newest = parts_.log.newest_sequence();
    std::uint64_t sent = newest > lines ? newest - lines : 0;
    while (!stopped_ && co_await send_log_lines(connection, sent)) {
      connection.stream.expires_never();
      // No line came between sending and waiting: otherwise its wake-up would be lost.
      if (parts_.log.newest_sequence() > sent) continue;
      auto first = co_await (wake->async_wait(as_result) || connection.stream.socket().async_wait(asio::socket_base::wait_read, as_result));
      if (first.index() == 1) break;  // the peer closed, or speaks out of turn
    }
    if (!stopped_ && log_watchers_.erase(watcher) != 0) parts_.log.remove_watcher(watcher);
  }

  asio::awaitable<bool> send_log_lines(Connection& connection, std::uint64_t& sent) {
    for (;;) {
      std::vector<LogLine> lines = parts_.log.lines_after(sent, log_chunk_lines);
      if (lines.empty()) co_return true;
      std::string text;
      for (const LogLine& line : lines) text += boost::json::serialize(to_json(line)) + "\n";
      sent = lines.back().sequence;
      connection.stream.expires_after(seconds(options_.idle_timeout_s));
      auto chunk = http::make_chunk(asio::buffer(text));
      auto [error, bytes] = co_await asio::async_write(connection.stream, chunk, as_result);
      if (error) co_return false;
    }
  }

  // Chunked, a pcapng file in parts, until it has ended or the peer goes.
  asio::awaitable<void> stream_capture(Connection& connection, const ApiRequest& request, unsigned version) {
    auto begun = co_await begin_capture(request, parts_);
    requests_.of(begun ? "answered" : "refused").add();
    if (!begun) {
      ApiAnswer answer = answer_fault(begun.fault());
      co_await send(connection, answer, version, false);
      co_return;
    }
    const std::unique_ptr<CaptureFeed> feed = std::move(*begun);
    co_await stream_feed(connection, *feed, version);
    note_capture_end(request, parts_, *feed);
  }

  asio::awaitable<void> stream_feed(Connection& connection, CaptureFeed& feed, unsigned version) {
    http::response<http::empty_body> head(http::status::ok, version);
    head.set(http::field::content_type, "application/x-pcapng");
    head.set(http::field::cache_control, "no-store");
    head.chunked(true);
    http::response_serializer<http::empty_body> serializer(head);
    auto [error, bytes] = co_await http::async_write_header(connection.stream, serializer, as_result);
    if (error) co_return;
    auto wake = std::make_shared<asio::steady_timer>(executor_);
    feed.on_ready([wake, executor = executor_] { asio::post(executor, [wake] { wake->cancel(); }); });
    while (!stopped_ && co_await send_feed(connection, feed)) {
      connection.stream.expires_never();
      wake->expires_after(feed_look_interval);
      auto first = co_await (wake->async_wait(as_result) || connection.stream.socket().async_wait(asio::socket_base::wait_read, as_result));
      if (first.index() == 1) break;  // the peer closed, or speaks out of turn
    }
    feed.on_ready({});
  }

  // All that waits; false when nothing more will come, or cannot be sent.
  asio::awaitable<bool> send_feed(Connection& connection, CaptureFeed& feed) {
    while (feed.has_waiting()) {
      const std::string blocks = feed.take();
      connection.stream.expires_after(seconds(options_.idle_timeout_s));
      auto chunk = http::make_chunk(asio::buffer(blocks));
      auto [error, bytes] = co_await asio::async_write(connection.stream, chunk, as_result);
      if (error) co_return false;
    }
    if (!feed.has_ended()) co_return true;
    auto last = http::make_chunk_last();
    co_await asio::async_write(connection.stream, last, as_result);
    co_return false;
  }

  asio::any_io_executor executor_;
  ApiServerOptions options_;
  ApiParts parts_;
  asio::local::stream_protocol::acceptor local_;
  asio::ip::tcp::acceptor tcp_;
  CounterFamily& requests_;
  Counter& refused_connections_;
  std::set<Connection*> connections_;
  std::set<std::uint64_t> log_watchers_;
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
