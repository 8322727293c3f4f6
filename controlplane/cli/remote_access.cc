// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/remote_access.h"

#include <netdb.h>
#include <openssl/crypto.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <vector>

#include "controlplane/tls/connect.h"

namespace sallyport::cli {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::uint32_t login_patience_s = 20, logout_patience_s = 3;
constexpr const char* system_authorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t write_bytes = 64 << 10;

// "https://HOST[:PORT]", perhaps with a slash behind it.
bool split_url(std::string_view url, std::string& host, std::string& authority, std::uint16_t& port) {
  constexpr std::string_view scheme = "https://";
  if (!url.starts_with(scheme)) return false;
  url.remove_prefix(scheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.empty() || url.find_first_of("/?#@ ") != std::string_view::npos) return false;
  authority = std::string(url);
  const std::size_t bracket = url.front() == '[' ? url.find(']') : std::string_view::npos;
  if (url.front() == '[' && bracket == std::string_view::npos) return false;
  const std::size_t colon = bracket == std::string_view::npos ? url.find(':') : url.find(':', bracket);
  const std::string_view digits = colon == std::string_view::npos ? std::string_view() : url.substr(colon + 1);
  host = std::string(bracket == std::string_view::npos ? url.substr(0, colon) : url.substr(1, bracket - 1));
  if (colon == std::string_view::npos) return !host.empty();
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc() && end == digits.data() + digits.size() && port != 0 && !host.empty();
}

std::vector<tls::SocketAddress> addresses_of(const std::string& host, std::uint16_t port) {
  addrinfo wish{}, *found = nullptr;
  wish.ai_socktype = SOCK_STREAM;
  std::vector<tls::SocketAddress> addresses;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wish, &found) != 0) return addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) addresses.push_back(tls::SocketAddress::from_kernel(each->ai_addr, each->ai_addrlen));
  ::freeaddrinfo(found);
  return addresses;
}

}  // namespace

class RemoteTransport final : public Transport {
 public:
  RemoteTransport(RemoteAccess& access, tls::StreamPtr stream) : Transport(access.name()), access_(access), stream_(std::move(stream)) {}
  ~RemoteTransport() override { access_.run(leave(stream_)); }

  Outcome<> send(std::string_view bytes) override {
    access_.run(send_all(stream_, bytes));
    // The node may refuse early, for example a document that is too large: what it answered counts.
    return Done{};
  }

  Outcome<bool> receive() override {
    auto received = std::make_shared<std::optional<Outcome<std::string>>>();
    access_.run(take(stream_, received));
    if (!received->has_value()) return fault("the connection ended", "try again");
    const Outcome<std::string>& bytes = **received;
    if (!bytes) return fault("the control plane did not answer: " + bytes.fault().cause, "look at its log");
    // Without a word of farewell the answer may be cut short.
    if (bytes->empty() && stream_->truncated()) return fault("the connection was cut", "try again");
    buffer += *bytes;
    return !bytes->empty();
  }

 private:
  static asio::awaitable<void> send_all(tls::StreamPtr stream, std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, write_bytes);
      const auto written = co_await stream->write(part);
      if (!written) co_return;
      bytes.remove_prefix(part.size());
    }
    co_await stream->drain();
  }
  static asio::awaitable<void> take(tls::StreamPtr stream, std::shared_ptr<std::optional<Outcome<std::string>>> received) {
    const auto bytes = co_await stream->receive();
    if (bytes) *received = Outcome<std::string>(std::string(*bytes));
    else *received = Outcome<std::string>(bytes.fault());
  }
  static asio::awaitable<void> leave(tls::StreamPtr stream) { co_await stream->shutdown(std::chrono::milliseconds(500)); }

  RemoteAccess& access_;
  tls::StreamPtr stream_;
};

Outcome<std::shared_ptr<RemoteAccess>> RemoteAccess::make(const RemoteWish& wish, store::Secret password) {
  std::shared_ptr<RemoteAccess> made(new RemoteAccess);
  made->url_ = wish.url;
  made->account_ = wish.account;
  made->password_ = std::move(password);
  if (!split_url(wish.url, made->host_, made->authority_, made->port_)) return Fault{FaultCode::invalid, "--url " + wish.url, "is not like https://HOST:PORT", "name the address of [administration] in the node file"};
  tls::CredentialSource source;
  source.ca_paths = {wish.ca_file.empty() ? system_authorities : wish.ca_file};
  auto trust = tls::CredentialStore::load(std::move(source));
  if (!trust) return trust.fault();
  tls::TlsPolicyOptions options;
  options.role = tls::TlsRole::client;
  options.alpn = {"http/1.1"};
  options.wildcards = tls::WildcardRule::one_label;
  options.tls13_only = true;
  auto policy = tls::TlsPolicy::create(std::move(options), std::move(*trust));
  if (!policy) return policy.fault();
  made->policy_ = std::move(*policy);
  // One connection at a time: what io_uring keeps ready for thousands would be for nothing.
  tls::EngineOptions engine_options;
  engine_options.backend = tls::EngineBackend::epoll;
  auto engine = tls::StreamEngine::create(made->context_, engine_options);
  if (!engine) return engine.fault();
  made->engine_ = std::move(*engine);
  return made;
}

RemoteAccess::~RemoteAccess() {
  if (cookie_.is_empty()) return;
  // It would end by itself a while later.
  (void)ask({"DELETE", "/v1/session", ""}, logout_patience_s, exchange);
}

void RemoteAccess::run(asio::awaitable<void> work) {
  bool is_done = false;
  asio::co_spawn(context_, std::move(work), [&](std::exception_ptr) { is_done = true; });
  context_.restart();
  while (!is_done && context_.run_one() != 0) {
  }
}

Outcome<std::unique_ptr<Transport>> RemoteAccess::open(std::uint32_t patience_s) {
  const auto addresses = addresses_of(host_, port_);
  if (addresses.empty()) return unreachable("the name " + host_ + " cannot be resolved", "check it, or name the address");
  std::optional<tls::ConnectFailure> failure;
  for (const tls::SocketAddress& address : addresses) {
    auto result = std::make_shared<tls::ConnectResult>();
    tls::ConnectOptions options;
    options.remote = address;
    options.tls = policy_;
    options.sni = host_;
    const auto dial = [](tls::StreamEngine& engine, tls::ConnectOptions wanted, std::shared_ptr<tls::ConnectResult> into) -> asio::awaitable<void> { *into = co_await tls::connect(engine, std::move(wanted)); };
    run(dial(*engine_, std::move(options), result));
    if (result->stream == nullptr) {
      failure = std::move(result->failure);
      continue;
    }
    if (patience_s != 0) result->stream->set_idle_deadline(std::chrono::seconds(patience_s));
    return std::unique_ptr<Transport>(std::make_unique<RemoteTransport>(*this, std::move(result->stream)));
  }
  return unreachable(failure ? failure->text : "the connection failed", failure && !failure->remedy.empty() ? failure->remedy : "check the address, and that [administration] is on there");
}

Outcome<ApiReply> RemoteAccess::ask(HttpRequest request, std::uint32_t patience_s, const Talk& talk) {
  auto transport = open(patience_s);
  if (!transport) return transport.fault();
  request.host = authority_;
  if (!cookie_.is_empty()) request.fields = "Cookie: " + std::string(cookie_.reveal()) + "\r\nX-CSRF-Token: " + std::string(csrf_.reveal()) + "\r\n";
  return talk(**transport, request);
}

Outcome<> RemoteAccess::log_in() {
  cookie_ = store::Secret();
  csrf_ = store::Secret();
  std::string body = json::serialize(json::object{{"name", account_}, {"password", password_.reveal()}});
  const auto reply = ask({"POST", "/v1/session", body}, login_patience_s, exchange);
  OPENSSL_cleanse(body.data(), body.size());
  if (!reply) return reply.fault();
  json::error_code error;
  const json::value value = json::parse(reply->body, error);
  const json::value* token = !error && value.is_object() ? value.get_object().if_contains("csrf_token") : nullptr;
  if (reply->status == 201 && token != nullptr && token->is_string() && !reply->cookie.empty()) {
    cookie_ = store::Secret(reply->cookie);
    csrf_ = store::Secret(std::string_view(token->get_string()));
    return Done{};
  }
  std::string cause = "answered with status " + std::to_string(reply->status);
  if (reply->status == 401) cause = "name or password is wrong";
  if (reply->status == 429) cause = "it was tried too often";
  if (reply->status == 503) cause = "too many log in or are logged in at this moment";
  return Fault{FaultCode::refused, account_ + " at " + url_, cause, reply->status == 401 ? "type both again" : "try again later"};
}

Outcome<ApiReply> RemoteAccess::talk(HttpRequest request, std::uint32_t patience_s, const Talk& talk) {
  auto reply = ask(request, patience_s, talk);
  // A control plane that was started anew knows no session.
  if (!reply || reply->status != 401) return reply;
  if (const Outcome<> again = log_in(); !again) return again.fault();
  return ask(std::move(request), patience_s, talk);
}

}  // namespace sallyport::cli
