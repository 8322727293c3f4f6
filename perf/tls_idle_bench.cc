// SPDX-License-Identifier: Apache-2.0
// tls/idle_connection: bytes of this process's memory for each established, idle TLS client of a Stream listener whose coroutine waits
// in receive(); the peer is a raw epoll server with OpenSSL's own buffers. Clients live in another process. Kernel memory not counted.
// Usage: tls_idle_bench [--quick] [--clients N] [--backend io_uring|epoll]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "controlplane/tls/listener.h"
#include "perf/raw_tls_server.h"
#include "perf/tls_load.h"
#include "tests/unit/tls/certificate_factory.h"

namespace {

using namespace sallyport;
using namespace std::chrono_literals;

size_t resident_bytes() {
  size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

boost::asio::awaitable<void> answer(tls::StreamPtr stream) {
  for (;;) {
    const auto bytes = co_await stream->receive();
    if (!bytes || bytes->empty() || stream->send(*bytes) != tls::SendVerdict::queued) break;
  }
}

bool wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(5ms);
  return condition();
}

// Each server runs in a child of its own, so that one's freed memory is not the other's gain.
double in_child(const std::function<double()>& measure) {
  int pipe_fds[2];
  if (pipe(pipe_fds) != 0) return 0;
  const pid_t pid = fork();
  if (pid == 0) {
    const double value = measure();
    _exit(write(pipe_fds[1], &value, sizeof value) == sizeof value ? 0 : 1);
  }
  close(pipe_fds[1]);
  double value = 0;
  if (read(pipe_fds[0], &value, sizeof value) != sizeof value) value = 0;
  close(pipe_fds[0]);
  waitpid(pid, nullptr, 0);
  return value;
}

double measure_stream(int clients, tls::EngineBackend backend, const tls_test::Issued& credential) {
  perf::TlsLoad warm(50, 0), load(clients, 0);
  tls::CredentialSource source;
  source.platform = {"platform", credential.certificate_path, credential.key_path};
  auto store = tls::CredentialStore::load(source);
  auto policy = tls::TlsPolicy::create({}, *store);
  boost::asio::io_context context(1);
  tls::EngineOptions engine_options;
  engine_options.backend = backend;
  auto engine = tls::StreamEngine::create(context, engine_options);
  std::atomic<int> established{0};
  tls::ListenerOptions options;
  options.name = "bench";
  options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
  options.tls = *policy;
  options.backlog = 4096;
  auto listener = tls::Listener::open(**engine, options, [&](tls::StreamPtr stream) {
    established.fetch_add(1);
    stream->set_idle_deadline(600s);
    boost::asio::co_spawn(context, answer(std::move(stream)), boost::asio::detached);
  });
  std::thread server([&] { context.run(); });
  warm.connect_to((*listener)->address().port());
  bool fine = warm.wait_established() && wait_until([&] { return established.load() == 50; });
  const size_t before = resident_bytes();
  load.connect_to((*listener)->address().port());
  fine = fine && load.wait_established() && wait_until([&] { return established.load() == clients + 50; });
  const size_t after = resident_bytes();
  context.stop();
  server.join();
  return fine ? static_cast<double>(after - before) / clients : 0;
}

double measure_raw(int clients, const tls_test::Issued& credential) {
  perf::TlsLoad warm(50, 0), load(clients, 0);
  perf::RawTlsServer raw(credential.certificate_path, credential.key_path, true);
  std::thread server([&] { raw.run(); });
  warm.connect_to(raw.port());
  bool fine = warm.wait_established() && wait_until([&] { return raw.established() == 50; });
  const size_t before = resident_bytes();
  load.connect_to(raw.port());
  fine = fine && load.wait_established() && wait_until([&] { return raw.established() == static_cast<uint64_t>(clients) + 50; });
  const size_t after = resident_bytes();
  raw.stop();
  server.join();
  return fine ? static_cast<double>(after - before) / clients : 0;
}

}  // namespace

int main(int argc, char** argv) {
  int clients = 10000;
  tls::EngineBackend backend = tls::EngineBackend::automatic;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") clients = 2000;
    if (argument == "--clients" && i + 1 < argc) clients = std::atoi(argv[++i]);
    if (argument == "--backend" && i + 1 < argc) backend = std::strcmp(argv[++i], "epoll") == 0 ? tls::EngineBackend::epoll : tls::EngineBackend::io_uring;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  tls_test::CertificateFactory certificates;
  const tls_test::Issued credential = certificates.leaf("server", {.subject_alt_names = "DNS:localhost"});
  const double ours = in_child([&] { return measure_stream(clients, backend, credential); });
  const double theirs = in_child([&] { return measure_raw(clients, credential); });
  if (ours <= 0 || theirs <= 0) {
    std::fprintf(stderr, "tls_idle_bench: %d connections could not be established\n", clients);
    return 1;
  }
  std::printf("{\"name\": \"tls/idle_connection\", \"value\": %.0f, \"unit\": \"B/connection\", \"better\": \"lower\", \"peer\": \"raw epoll + OpenSSL\", \"peer_value\": %.0f, \"ratio\": %.3f}\n",
              ours, theirs, theirs / ours);
}
