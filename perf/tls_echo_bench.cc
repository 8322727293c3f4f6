// SPDX-License-Identifier: Apache-2.0
// tls/echo_500B: TLS echoes of 500 bytes per CPU-second of the server's thread, through Stream and through a raw epoll server, in
// turns in one run. 100 clients in another process keep one message in flight each.
// Both servers allocate by mimalloc, as the product does.
// Usage: tls_echo_bench [--quick] [--clients N] [--backend io_uring|epoll]
#include <time.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/tls/listener.h"
#include "perf/raw_tls_server.h"
#include "perf/tls_load.h"
#include "tests/unit/tls/certificate_factory.h"

namespace {

using namespace sallyport;
using perf::RawTlsServer;
using perf::TlsLoad;
using namespace std::chrono_literals;

double thread_cpu_s(pthread_t thread) {
  clockid_t clock;
  timespec time{};
  if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

boost::asio::awaitable<void> echo(tls::StreamPtr stream, std::atomic<uint64_t>& echoes) {
  for (;;) {
    const auto bytes = co_await stream->receive();
    if (!bytes || bytes->empty() || stream->send(*bytes) != tls::SendVerdict::queued) break;
    echoes.fetch_add(1, std::memory_order_relaxed);
  }
}

struct Measured {
  double per_cpu_s;
  double per_s;
};

Measured watch(std::thread& server, const std::function<uint64_t()>& echoes, std::chrono::milliseconds warm_up, std::chrono::milliseconds span) {
  std::this_thread::sleep_for(warm_up);  // a measurement's span, not a wait for an event
  const double cpu_before = thread_cpu_s(server.native_handle());
  const auto before = std::chrono::steady_clock::now();
  const uint64_t count_before = echoes();
  std::this_thread::sleep_for(span);
  const double count = static_cast<double>(echoes() - count_before);
  const double cpu_s = thread_cpu_s(server.native_handle()) - cpu_before;
  return {count / cpu_s, count / std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count()};
}

struct Plan {
  int clients = 100;
  int rounds = 9;
  std::chrono::milliseconds span = 1000ms;
  tls::EngineBackend backend = tls::EngineBackend::automatic;
};

Measured measure_stream(const Plan& plan, const std::shared_ptr<tls::TlsPolicy>& policy) {
  TlsLoad load(plan.clients, 500);
  boost::asio::io_context context(1);
  tls::EngineOptions engine_options;
  engine_options.backend = plan.backend;
  auto engine = tls::StreamEngine::create(context, engine_options);
  if (!engine) throw std::runtime_error(engine.fault().text());
  std::atomic<uint64_t> echoes{0};
  tls::ListenerOptions options;
  options.name = "bench";
  options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
  options.tls = policy;
  options.backlog = 4096;
  auto listener = tls::Listener::open(**engine, options, [&](tls::StreamPtr stream) { boost::asio::co_spawn(context, echo(std::move(stream), echoes), boost::asio::detached); });
  if (!listener) throw std::runtime_error(listener.fault().text());
  load.connect_to((*listener)->address().port());
  std::thread server([&] { context.run(); });
  if (!load.wait_established()) throw std::runtime_error("the clients failed");
  const Measured measured = watch(server, [&] { return echoes.load(std::memory_order_relaxed); }, 300ms, plan.span);
  context.stop();
  server.join();
  listener->reset();
  return measured;
}

Measured measure_raw(const Plan& plan, const tls_test::Issued& credential) {
  TlsLoad load(plan.clients, 500);
  RawTlsServer raw(credential.certificate_path, credential.key_path, true);
  load.connect_to(raw.port());
  std::thread server([&] { raw.run(); });
  if (!load.wait_established()) throw std::runtime_error("the clients failed");
  const Measured measured = watch(server, [&] { return raw.echoes(); }, 300ms, plan.span);
  raw.stop();
  server.join();
  return measured;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") plan.rounds = 3;
    if (argument == "--clients" && i + 1 < argc) plan.clients = std::atoi(argv[++i]);
    if (argument == "--backend" && i + 1 < argc) plan.backend = std::strcmp(argv[++i], "epoll") == 0 ? tls::EngineBackend::epoll : tls::EngineBackend::io_uring;
  }
  tls_test::CertificateFactory certificates;
  const tls_test::Issued credential = certificates.leaf("server", {.subject_alt_names = "DNS:localhost"});
  tls::CredentialSource source;
  source.platform = {"platform", credential.certificate_path, credential.key_path};
  auto store = tls::CredentialStore::load(source);
  if (!store) throw std::runtime_error(store.fault().text());
  auto policy = tls::TlsPolicy::create({}, *store);
  if (!policy) throw std::runtime_error(policy.fault().text());
  std::vector<double> ours, theirs;
  for (int round = 0; round < plan.rounds; ++round) {
    const Measured stream = measure_stream(plan, *policy);
    const Measured raw = measure_raw(plan, credential);
    ours.push_back(stream.per_cpu_s);
    theirs.push_back(raw.per_cpu_s);
    std::fprintf(stderr, "round %d: Stream %.0f per CPU-second (%.0f/s), raw epoll %.0f (%.0f/s)\n", round + 1, stream.per_cpu_s, stream.per_s, raw.per_cpu_s, raw.per_s);
  }
  // The ratio is the median of the rounds' ratios: neighbours in time share the machine's mood.
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
  std::printf("{\"name\": \"tls/echo_500B\", \"value\": %.0f, \"unit\": \"echoes/CPU-s\", \"better\": \"higher\", \"peer\": \"raw epoll + OpenSSL\", \"peer_value\": %.0f, \"ratio\": %.3f}\n",
              median(ours), median(theirs), median(ratios));
}
