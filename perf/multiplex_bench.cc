// SPDX-License-Identifier: Apache-2.0
// multiplex/...: streams from E to C over the stream multiplex, beside two nginx in the same places (stream proxy, a TLS connection
// between them for each stream; mutual TLS 1.3, the same certificate). Each node is one process; load and far end are others. One stream at full
// rate, then ten thousand: how fast they are set up, what memory each takes, echoes over all of them. CPU time is that of both nodes.
// Usage: multiplex_bench [--quick] [--only PREFIX] [--streams N] [--connections N] [--ours]
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "perf/multiplex_nodes.h"
#include "perf/own_process.h"
#include "perf/process_cpu.h"
#include "perf/stream_load.h"
#include "tests/unit/tls/certificate_factory.h"

namespace {

using namespace sallyport;
using namespace std::chrono_literals;

constexpr size_t message_bytes = 500, setups_at_once = 64, messages_at_once = 200;

struct Options {
  size_t streams = 10'000;
  uint32_t connections = 1;
  double seconds = 6;
  std::string only;
  bool ours_only = false;
};

struct Pair {
  pid_t edge, core;
  uint16_t entry_port;
};

struct Measured {
  size_t streams = 0;
  double rate_in = 0, rate_out = 0;            // MB/s of one stream: towards C, from C
  double cpu_in = 0, cpu_out = 0;              // CPU-s of both nodes for a GB
  double setups = 0, setups_per_cpu = 0;       // 1/s
  double memory = 0;                           // bytes of both nodes for a stream
  double echoes = 0, echoes_per_cpu = 0;
};

uint64_t resident_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// First, so that the memory is that of streams and not what is left of others.
bool measure_many(const Pair& pair, const perf::ProcessCpu& cpu, const Options& options, Measured& result) {
  perf::StreamLoad load(pair.entry_port);
  const uint64_t resident_before = resident_of(pair.edge) + resident_of(pair.core);
  const uint64_t begin_ns = perf::now_ns();
  uint64_t before_ns = cpu.used_ns();
  if (!load.open_echoing(result.streams, setups_at_once, 180)) return false;
  const double count = static_cast<double>(result.streams);
  result.setups = count / (static_cast<double>(perf::now_ns() - begin_ns) / 1e9);
  result.setups_per_cpu = count / (static_cast<double>(cpu.used_ns() - before_ns) / 1e9);
  std::this_thread::sleep_for(500ms);  // a span to come to rest, not a wait for an event
  result.memory = static_cast<double>(resident_of(pair.edge) + resident_of(pair.core) - resident_before) / count;
  if (load.echo(message_bytes, messages_at_once, options.seconds / 3) == 0) return false;
  before_ns = cpu.used_ns();
  const uint64_t echoes = load.echo(message_bytes, messages_at_once, options.seconds);
  result.echoes = static_cast<double>(echoes) / load.last_seconds();
  result.echoes_per_cpu = static_cast<double>(echoes) / (static_cast<double>(cpu.used_ns() - before_ns) / 1e9);
  return echoes != 0;
}

bool measure_one(const Pair& pair, const perf::ProcessCpu& cpu, const Options& options, Measured& result) {
  perf::StreamLoad load(pair.entry_port);
  for (const bool from_here : {true, false}) {
    uint64_t before_ns = 0;
    const uint64_t bytes = load.bulk(from_here, options.seconds, [&] { before_ns = cpu.used_ns(); });
    if (bytes == 0) return false;
    const double used_s = static_cast<double>(cpu.used_ns() - before_ns) / 1e9;
    (from_here ? result.rate_in : result.rate_out) = static_cast<double>(bytes) / 1e6 / load.last_seconds();
    (from_here ? result.cpu_in : result.cpu_out) = used_s / (static_cast<double>(bytes) / 1e9);
  }
  return true;
}

std::optional<Measured> measure(const Pair& pair, const Options& options, size_t streams) {
  Measured result;
  result.streams = streams;
  const perf::ProcessCpu cpu(std::to_string(pair.edge) + "," + std::to_string(pair.core));
  const bool is_fine = measure_many(pair, cpu, options, result) && measure_one(pair, cpu, options, result);
  return is_fine ? std::optional(result) : std::nullopt;
}

// Two nginx, one process each, as a node's control plane is one.
class Nginx {
 public:
  Nginx(const std::string& folder, const std::string& name, const std::string& server) {
    const std::string path = folder + "/" + name + ".conf";
    std::ofstream(path) << "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off; master_process off; worker_processes 1; pid " << folder << "/" << name
                        << ".pid; error_log stderr crit;\nevents { worker_connections 32768; multi_accept on; }\nstream {\nserver { " << server << " }\n}\n";
    pid_ = fork();
    if (pid_ != 0) return;
    execlp("nginx", "nginx", "-c", path.c_str(), "-e", "stderr", nullptr);
    _exit(127);
  }
  ~Nginx() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

// A port that was free a moment ago.
uint16_t free_port() {
  uint16_t port = 0;
  close(perf::listen_on_loopback(port));
  return port;
}

std::optional<Measured> measure_nginx(const Options& options, const perf::NodeFiles& files, const std::string& folder, uint16_t far_end_port, size_t streams) {
  const uint16_t link_port = free_port(), entry_port = free_port();
  const std::string link = "127.0.0.1:" + std::to_string(link_port);
  const Nginx core(folder, "core", "listen " + link + " ssl backlog=4096; ssl_protocols TLSv1.3; ssl_certificate " + files.certificate + "; ssl_certificate_key " + files.key +
                                       "; ssl_verify_client on; ssl_client_certificate " + files.authority + "; proxy_pass 127.0.0.1:" + std::to_string(far_end_port) + ";");
  const Nginx edge(folder, "edge", "listen 127.0.0.1:" + std::to_string(entry_port) + " backlog=4096; proxy_pass " + link +
                                       "; proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_ssl_certificate " + files.certificate + "; proxy_ssl_certificate_key " + files.key +
                                       "; proxy_ssl_verify on; proxy_ssl_name 127.0.0.1; proxy_ssl_trusted_certificate " + files.authority + ";");
  // Until a stream goes through it.
  const uint64_t give_up = perf::now_ns() + 10'000'000'000u;
  while (perf::now_ns() < give_up) {
    perf::StreamLoad probe(entry_port);
    if (probe.open_echoing(1, 1, 1)) return measure({edge.pid(), core.pid(), entry_port}, options, streams);
    std::this_thread::sleep_for(20ms);
  }
  return std::nullopt;
}

void report(const Options& options, const std::string& name, const char* unit, const char* better, double ours, const std::optional<Measured>& theirs, double peer_value) {
  if (!name.starts_with(options.only)) return;
  std::printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"better\": \"%s\"", name.c_str(), ours, unit, better);
  if (theirs) std::printf(", \"peer\": \"nginx stream proxy\", \"peer_value\": %.3f, \"ratio\": %.3f", peer_value, std::strcmp(better, "lower") == 0 ? peer_value / ours : ours / peer_value);
  std::printf("}\n");
}

void report_all(const Options& options, const Measured& ours, const std::optional<Measured>& theirs) {
  const Measured peer = theirs.value_or(Measured{});
  const std::string many = "multiplex/streams" + std::to_string(ours.streams) + "/";
  report(options, "multiplex/one_stream/to_c/rate", "MB/s", "higher", ours.rate_in, theirs, peer.rate_in);
  report(options, "multiplex/one_stream/to_c/cpu", "CPU-s/GB", "lower", ours.cpu_in, theirs, peer.cpu_in);
  report(options, "multiplex/one_stream/from_c/rate", "MB/s", "higher", ours.rate_out, theirs, peer.rate_out);
  report(options, "multiplex/one_stream/from_c/cpu", "CPU-s/GB", "lower", ours.cpu_out, theirs, peer.cpu_out);
  report(options, many + "set_up", "1/s", "higher", ours.setups, theirs, peer.setups);
  report(options, many + "set_up_cpu", "1/CPU-s", "higher", ours.setups_per_cpu, theirs, peer.setups_per_cpu);
  report(options, many + "memory", "B/stream", "lower", ours.memory, theirs, peer.memory);
  report(options, many + "echo_500B", "1/s", "higher", ours.echoes, theirs, peer.echoes);
  report(options, many + "echo_500B_cpu", "1/CPU-s", "higher", ours.echoes_per_cpu, theirs, peer.echoes_per_cpu);
}

bool parse(int count, char** words, Options& options) {
  for (int at = 1; at < count; ++at) {
    const std::string word = words[at];
    const bool has_value = at + 1 < count;
    if (word == "--quick") options.seconds = 2;
    else if (word == "--ours") options.ours_only = true;
    else if (word == "--only" && has_value) options.only = words[++at];
    else if (word == "--streams" && has_value) options.streams = std::strtoul(words[++at], nullptr, 10);
    else if (word == "--connections" && has_value) options.connections = static_cast<uint32_t>(std::strtoul(words[++at], nullptr, 10));
    else return false;
  }
  return true;
}

// nginx has two descriptors open for each stream, so it may reach fewer of them.
size_t most_streams_of_nginx(size_t wanted) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  rlimit most = files;
  most.rlim_cur = most.rlim_max = std::max<rlim_t>(files.rlim_max, 3 * wanted);
  if (setrlimit(RLIMIT_NOFILE, &most) != 0) {
    most.rlim_cur = most.rlim_max = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
  }
  return std::min<size_t>(wanted, (most.rlim_cur - 100) / 2);
}

}  // namespace

int main(int count, char** words) {
  Options options;
  if (!parse(count, words, options)) {
    std::fprintf(stderr, "usage: multiplex_bench [--quick] [--only PREFIX] [--streams N] [--connections N] [--ours]\n");
    return 2;
  }
  if (!options.only.empty() && !options.only.starts_with("multiplex") && !std::string("multiplex").starts_with(options.only)) return 0;
  signal(SIGPIPE, SIG_IGN);
  const size_t streams_of_nginx = most_streams_of_nginx(options.streams);
  tls_test::CertificateFactory certificates;
  const std::string authority = certificates.ca();
  const tls_test::Issued issued = certificates.leaf("node", {.common_name = "node", .subject_alt_names = "IP:127.0.0.1,DNS:127.0.0.1"});
  const perf::NodeFiles files{issued.certificate_path, issued.key_path, authority};
  uint16_t far_end_port = 0;
  const int far_end_fd = perf::listen_on_loopback(far_end_port);
  const pid_t far_end = fork();
  if (far_end == 0) perf::run_far_end(far_end_fd);
  close(far_end_fd);
  std::optional<Measured> ours, theirs;
  {
    const perf::MultiplexNodes nodes(files, far_end_port, options.connections);
    if (nodes.is_up()) ours = measure({nodes.edge(), nodes.core(), nodes.entry_port()}, options, options.streams);
  }
  if (!options.ours_only) theirs = measure_nginx(options, files, certificates.folder(), far_end_port, streams_of_nginx);
  kill(far_end, SIGKILL);
  waitpid(far_end, nullptr, 0);
  if (!ours || (!theirs && !options.ours_only)) {
    std::fprintf(stderr, "multiplex_bench: no streams through %s\n", !ours ? "Sallyport" : "nginx; is its stream module installed (libnginx-mod-stream)?");
    return 1;
  }
  report_all(options, *ours, theirs);
  return 0;
}
