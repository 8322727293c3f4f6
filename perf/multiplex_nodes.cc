// SPDX-License-Identifier: Apache-2.0
#include "perf/multiplex_nodes.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "controlplane/sip/digest.h"
#include "controlplane/tls/connect.h"
#include "controlplane/zones/multiplex_client.h"
#include "controlplane/zones/multiplex_server.h"

namespace sallyport::perf {

namespace {

using boost::asio::awaitable;

constexpr const char *zone_name = "bench", *user = "bench", *password = "bench", *realm = "bench";
constexpr int start_patience_ms = 20'000;

struct Ports {
  uint16_t multiplex = 0, entry = 0;
};

template <class Made>
auto need(Made made) {
  if (!made) throw std::runtime_error(made.fault().text());
  return std::move(*made);
}

std::shared_ptr<tls::TlsPolicy> policy_of(const NodeFiles& files, tls::TlsRole role) {
  tls::CredentialSource source;
  source.platform = {"platform", files.certificate, files.key};
  source.ca_paths = {files.authority};
  tls::TlsPolicyOptions options;
  options.role = role;
  options.tls13_only = true;
  options.alpn = {"h2"};
  return need(tls::TlsPolicy::create(std::move(options), need(tls::CredentialStore::load(source))));
}

awaitable<void> into_channel(tls::StreamPtr stream, multiplex::ChannelPtr channel) {
  for (;;) {
    const auto bytes = co_await stream->receive();
    if (!bytes) co_return channel->close("the stream was lost");
    if (bytes->empty()) co_return channel->finish();
    const auto written = co_await channel->write(*bytes);
    if (!written) break;
  }
  stream->close();
}

awaitable<void> out_of_channel(tls::StreamPtr stream, multiplex::ChannelPtr channel) {
  for (;;) {
    const auto bytes = co_await channel->receive();
    if (!bytes) break;
    if (bytes->empty()) co_return stream->close_after_send();
    const auto written = co_await stream->write(*bytes);
    if (!written) break;
  }
  channel->close("the stream was lost");
  stream->close();
}

awaitable<void> carry_in(zones::MultiplexServer& server, tls::StreamPtr stream) {
  const std::string zone = zone_name, purpose = "stream", name = "far-end";
  const multiplex::Fields none;
  const auto opened = co_await server.open(zone, purpose, name, none, multiplex::Weight::interactive);
  if (!opened) co_return stream->close();
  boost::asio::co_spawn(stream->engine().context(), into_channel(stream, *opened), boost::asio::detached);
  co_await out_of_channel(stream, *opened);
}

awaitable<void> carry_on(multiplex::Session* session, tls::StreamEngine& engine, uint16_t port, multiplex::ChannelPtr channel) {
  tls::ConnectOptions options;
  options.remote = *tls::SocketAddress::parse("127.0.0.1", port);
  const tls::ConnectResult met = co_await tls::connect(engine, options);
  if (!met) {
    session->refuse(channel, 502, met.failure->text);
    co_return;
  }
  session->accept(channel);
  boost::asio::co_spawn(engine.context(), into_channel(met.stream, channel), boost::asio::detached);
  co_await out_of_channel(met.stream, channel);
}

void tell(int fd, const void* bytes, size_t size) {
  if (write(fd, bytes, size) != static_cast<ssize_t>(size)) _exit(1);
}

void run_edge(const NodeFiles& files, int report_fd) {
  boost::asio::io_context context(1);
  const auto engine = need(tls::StreamEngine::create(context));
  proxy::TimerWheel wheel(context);
  zones::MultiplexZone zone;
  zone.name = zone_name;
  zone.username = user;
  zone.realm = realm;
  zones::MultiplexServer server(
      context, wheel, {}, [zone] { return std::vector<zones::MultiplexZone>{zone}; },
      [](std::string_view, sip::DigestAlgorithm algorithm) { return sip::digest_ha1(algorithm, user, realm, password); });
  // The last connection of C is in: the benchmark may begin.
  server.log = [&](const std::string& line) {
    if (line.find("is active") != std::string::npos) tell(report_fd, "+", 1);
    else std::fprintf(stderr, "edge: %s\n", line.c_str());
  };
  server.set_facts({"edge", "edge.example.com", "E", "1", {}});
  tls::ListenerOptions options;
  options.name = "multiplex";
  options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
  options.tls = policy_of(files, tls::TlsRole::server_verifies_client);
  const auto link = need(tls::Listener::open(
      *engine, options, [&](tls::StreamPtr stream) { server.on_stream(std::move(stream)); },
      [](const tls::SocketAddress&, const tls::HandshakeFailure& failure) { std::fprintf(stderr, "edge: %s\n", failure.text.c_str()); }));
  options.name = "entry";
  options.tls = nullptr;
  options.backlog = 4096;
  const auto entry = need(tls::Listener::open(*engine, options, [&](tls::StreamPtr stream) { boost::asio::co_spawn(context, carry_in(server, std::move(stream)), boost::asio::detached); }));
  const Ports ports{link->address().port(), entry->address().port()};
  tell(report_fd, &ports, sizeof ports);
  context.run();
}

void run_core(const NodeFiles& files, uint16_t edge_port, uint16_t far_end_port, uint32_t connections) {
  boost::asio::io_context context(1);
  const auto engine = need(tls::StreamEngine::create(context));
  const auto resolver = need(dns::Resolver::create(context, {}));
  proxy::TimerWheel wheel(context);
  zones::MultiplexClientSettings settings;
  settings.zone = zone_name;
  settings.peer = "127.0.0.1";
  settings.port = edge_port;
  settings.username = user;
  settings.password = password;
  const auto policy = policy_of(files, tls::TlsRole::client);
  for (settings.number = 1; settings.number <= connections; ++settings.number) {
    const auto client = std::make_shared<zones::MultiplexClient>(settings, *engine, *resolver, policy, wheel);
    client->set_facts({"core", "core.example.com", "C", "1", {}});
    client->on_channel = [&engine, far_end_port, raw = client.get()](const multiplex::ChannelPtr& channel) {
      boost::asio::co_spawn(engine->context(), carry_on(raw->session(), *engine, far_end_port, channel), boost::asio::detached);
    };
    client->log = [](const std::string& line) {
      if (line.find("is active") == std::string::npos) std::fprintf(stderr, "core: %s\n", line.c_str());
    };
    boost::asio::co_spawn(context, zones::MultiplexClient::run(client), boost::asio::detached);
  }
  context.run();
}

template <class Body>
pid_t in_child(Body body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  signal(SIGPIPE, SIG_IGN);
  try {
    body();
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
  }
  _exit(1);
}

bool hear(int fd, void* bytes, size_t size) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, start_patience_ms) == 1 && read(fd, bytes, size) == static_cast<ssize_t>(size);
}

}  // namespace

MultiplexNodes::MultiplexNodes(const NodeFiles& files, uint16_t far_end_port, uint32_t connections) {
  int ends[2];
  if (pipe(ends) != 0) return;
  edge_ = in_child([&] { run_edge(files, ends[1]); });
  Ports ports;
  bool is_fine = hear(ends[0], &ports, sizeof ports);
  if (is_fine) core_ = in_child([&] { run_core(files, ports.multiplex, far_end_port, connections); });
  char in = 0;
  for (uint32_t number = 0; is_fine && number < connections; ++number) is_fine = hear(ends[0], &in, 1);
  if (is_fine) entry_port_ = ports.entry;
  close(ends[0]);
  close(ends[1]);
}

MultiplexNodes::~MultiplexNodes() {
  for (const pid_t pid : {edge_, core_}) {
    if (pid <= 0) continue;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

}  // namespace sallyport::perf
