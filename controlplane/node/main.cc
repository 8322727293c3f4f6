// SPDX-License-Identifier: Apache-2.0
// sallyport-controlplane: reads the node file, puts the node together, runs until SIGTERM.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "controlplane/api/administration_server.h"
#include "controlplane/api/api_server.h"
#include "controlplane/api/metric_table.h"
#include "controlplane/api/openapi.h"
#include "controlplane/node/handover.h"
#include "controlplane/node/metric_page.h"
#include "controlplane/node/node_credentials.h"
#include "controlplane/node/node_facts.h"
#include "controlplane/node/successor.h"
#include "controlplane/tls/inherited_sockets.h"

namespace {

using namespace sallyport;

void wait_for_signals(boost::asio::signal_set& signals, node::Node& running, node::NodeFacts& facts, boost::asio::io_context& io, api::EventLog& events, const node::Node::Log& log) {
  signals.async_wait([&](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      sd_notify(0, "RELOADING=1");
      const Outcome<> done = running.reload();
      if (const auto level = api::log_level_from(running.config().node.log_level)) events.set_level(*level);
      log(done ? "reload: done" : "reload: refused, all stays as it was: " + done.fault().text());
      sd_notify(0, "READY=1");
    } else {
      const std::chrono::seconds deadline(running.config().node.drain_s);
      log(fmt::format("draining: no new calls; {} calls may go on for {} s", running.calls().running(), deadline.count()));
      sd_notify(0, "STOPPING=1");
      facts.draining = true;
      running.drain(deadline, [&io] { io.stop(); });
    }
    wait_for_signals(signals, running, facts, io, events, log);
  });
}

void keep_watchdog(boost::asio::steady_timer& timer, uint64_t interval_us) {
  timer.expires_after(std::chrono::microseconds(interval_us / 2));
  timer.async_wait([&timer, interval_us](const boost::system::error_code& error) {
    if (error) return;
    sd_notify(0, "WATCHDOG=1");
    keep_watchdog(timer, interval_us);
  });
}

// What was begun may end for so long before another program takes over.
constexpr auto handover_deadline = std::chrono::seconds(2);

struct Succession {
  std::optional<node::Successor> successor;
  node::Handover handover;  // its descriptors stay open until the process ends or becomes another
  tls::ConnectionKeeper keeper;
};

int check(const std::string& path) {
  const auto config = config::load_node_config(path);
  if (!config) {
    fmt::print(stderr, "{}\n", config.fault().text());
    return 2;
  }
  // What the store holds was judged when it was installed; here it is the files.
  if (const auto credentials = node::NodeCredentials::load(config->tls, {}, {}); !credentials) {
    fmt::print(stderr, "{}\n", credentials.fault().text());
    return 1;
  }
  fmt::print("{}{}\n", node::successor_greeting, SALLYPORT_VERSION);
  return 0;
}

// The same process goes on as another program: to systemd nothing happened.
int become(Succession& succession, std::string path) {
  if (const Outcome<> kept = succession.keeper.start(); !kept) fmt::print(stderr, "{}\n", kept.fault().text());
  if (const Outcome<> left = succession.handover.leave(); !left) {
    fmt::print(stderr, "{}\n", left.fault().text());
    return 1;
  }
  std::string binary = succession.successor->binary, option = "--config";
  char* words[] = {binary.data(), option.data(), path.data(), nullptr};
  ::execv(binary.c_str(), words);
  fmt::print(stderr, "program {}: cannot be run: {}; the service is started anew, media goes on\n", binary, std::strerror(errno));
  return 1;
}

api::ApiServerOptions api_options(const config::ApiSection& section) {
  api::ApiServerOptions options;
  options.socket_path = section.socket;
  options.metrics_listen = section.metrics_listen;
  options.max_connections = section.connections;
  options.max_body_bytes = section.max_body_bytes;
  options.idle_timeout_s = section.idle_s;
  return options;
}

// Null: it is off.
Outcome<std::unique_ptr<api::AdministrationServer>> start_administration(node::Node& running, const api::ApiParts& parts) {
  const config::AdministrationSection& section = running.config().administration;
  api::Counter& pages = parts.metrics.counter("administration_pages_total", api::MetricRow("administration_pages_total").help());
  if (section.listen.empty()) return std::unique_ptr<api::AdministrationServer>();
  api::AdministrationOptions options;
  const auto address = tls::SocketAddress::parse_with_port(section.listen);
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.hosts = section.names;
  options.hosts.push_back(running.config().node.fqdn);
  for (std::string& host : options.hosts) std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  auto policy = api::AdministrationServer::make_policy(running.listener_credentials());
  if (!policy) return policy.fault();
  options.tls = std::move(*policy);
  options.connections = section.connections;
  options.connections_per_source = section.connections_per_source;
  options.max_body_bytes = running.config().api.max_body_bytes;
  options.idle_timeout_s = running.config().api.idle_s;
  options.pages = &pages;
  auto started = api::AdministrationServer::start(running.engine(), std::move(options), parts);
  if (!started) return started;
  parts.log.info("administration", "https://" + (*started)->listener().address().text() + (running.doorkeeper().accounts().snapshot()->empty() ? "; nobody can log in yet: sallyport account add NAME --role administer" : ""));
  return started;
}

int run(const std::string& path, Succession& succession) {
  auto config = config::load_node_config(path);
  if (!config) {
    fmt::print(stderr, "{}\n", config.fault().text());
    return 2;
  }
  const auto level = api::log_level_from(config->node.log_level);
  auto events = api::EventLog::open({.file = config->node.log_file, .level = level ? *level : api::LogLevel::info});
  if (!events) {
    fmt::print(stderr, "{}\n", events.fault().text());
    return 1;
  }
  // The word before the colon names the part that speaks; it is the kind by which lines are rate limited.
  const node::Node::Log log = [&events](const std::string& line) {
    const std::string_view text = line, kind = text.substr(0, text.find_first_of(" :"));
    const bool is_told_apart = text.substr(kind.size()).starts_with(": ");
    (*events)->info(kind, is_told_apart ? text.substr(kind.size() + 2) : text);
  };
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's writes to a closed socket
  prctl(PR_SET_DUMPABLE, 0);      // C's memory holds media keys, both hold link keys
  boost::asio::io_context io(1);
  node::Node running(io, std::move(*config), log, SALLYPORT_VERSION);
  const node::Handover inherited = node::Handover::take();
  tls::InheritedSockets::instance().add(inherited.sockets);
  if (const Outcome<> started = running.start(); !started) {
    fmt::print(stderr, "{}\n", started.fault().text());
    return 1;
  }
  node::NodeFacts facts(running, SALLYPORT_VERSION);
  api::MetricRegistry metrics;
  api::AuditTrail audit(running.audit_log(), **events, metrics);
  const api::ApiParts parts{facts, running.site_store(), running.vault(), running.acme_store(), metrics, **events, running.doorkeeper(), audit};
  const auto server = api::ApiServer::start(io.get_executor(), api_options(running.config().api), parts);
  if (!server) {
    fmt::print(stderr, "{}\n", server.fault().text());
    return 1;
  }
  auto administration = start_administration(running, parts);
  if (!administration) {
    fmt::print(stderr, "{}\n", administration.fault().text());
    return 1;
  }
  if (*administration != nullptr) facts.administration = &(*administration)->listener();
  tls::InheritedSockets::instance().close_rest();
  running.take_flows(inherited);
  facts.give_way = [&](const node::Successor& successor) {
    sd_notify(0, "RELOADING=1");
    succession.successor = successor;
    succession.handover.sockets = running.hand_over(handover_deadline, [&] {
      running.give_flows(succession.keeper, succession.handover);
      io.stop();
    });
    if (*administration != nullptr) succession.handover.sockets.push_back((*administration)->release_socket());
  };
  boost::asio::signal_set signals(io, SIGTERM, SIGINT, SIGHUP);
  wait_for_signals(signals, running, facts, io, **events, log);
  boost::asio::steady_timer watchdog(io);
  uint64_t interval_us = 0;
  if (sd_watchdog_enabled(0, &interval_us) > 0) keep_watchdog(watchdog, interval_us);
  sd_notify(0, "READY=1");
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Control plane of a Sallyport node: SIP, TLS, zones; programs the dataplane's flows.");
  std::string path;
  bool print_keys = false, print_metrics = false, print_openapi = false, is_check = false;
  app.add_option("--config", path, "node file, for example conf/edge-e.toml");
  app.add_flag("--check", is_check, "say whether this program accepts the node file and its credentials, and end");
  app.add_flag("--print-keys", print_keys, "print docs/configuration.md and end");
  app.add_flag("--print-metrics", print_metrics, "print docs/metrics.md and end");
  app.add_flag("--print-openapi", print_openapi, "print docs/openapi.json and end");
  app.footer("Example: sallyport-controlplane --config /etc/sallyport/edge-e.toml");
  CLI11_PARSE(app, argc, argv);
  if (print_keys) {
    fmt::print("{}", config::configuration_page());
    return 0;
  }
  if (print_metrics) {
    fmt::print("{}", node::metric_page());
    return 0;
  }
  if (print_openapi) {
    fmt::print("{}", api::openapi_document());
    return 0;
  }
  if (path.empty()) {
    fmt::print(stderr, "no node file given; add --config FILE\n");
    return 2;
  }
  if (is_check) return check(path);
  Succession succession;
  const int code = run(path, succession);
  return code == 0 && succession.successor ? become(succession, path) : code;
}
