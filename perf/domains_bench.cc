// SPDX-License-Identifier: Apache-2.0
// tls/domains: ten thousand domains with a certificate each, as the node holds them: time until they can be served after a start, memory
// of each once it has been asked for, and handshakes a CPU-second with as many names asked for in turn; beside one certificate alone and
// beside nginx with the same names and files. Clients live in another process. Usage: domains_bench [--quick] [--only PREFIX] [--domains N]
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "controlplane/certificates/certificate_tables.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/store/site_store.h"
#include "controlplane/tls/listener.h"
#include "perf/own_process.h"
#include "perf/process_cpu.h"
#include "tests/unit/certificates/authority.h"

namespace {

using namespace sallyport;
using namespace std::chrono_literals;
namespace certs = sallyport::certificates;

struct Options {
  int domains = 10000;
  double seconds = 8;
  std::string only;
};

void report(const Options& options, const std::string& name, double value, const char* unit, const char* better, const char* peer, double peer_value) {
  if (!name.starts_with(options.only)) return;
  const double ratio = peer == nullptr ? 0 : std::strcmp(better, "lower") == 0 ? peer_value / value : value / peer_value;
  if (peer == nullptr) std::printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"better\": \"%s\"}\n", name.c_str(), value, unit, better);
  else std::printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"better\": \"%s\", \"peer\": \"%s\", \"peer_value\": %.3f, \"ratio\": %.3f}\n", name.c_str(), value, unit, better, peer, peer_value, ratio);
  std::fflush(stdout);
}

std::string name_of_domain(int number) { return "d" + std::to_string(number) + ".example.com"; }

// The store as ten thousand uploads leave it, and the same as files for nginx. Keys are P-256: the handshake costs least, so that a
// look-up shows most.
void make_domains(const std::string& folder, int domains) {
  auto site = store::SiteStore::open({.state_dir = folder, .role = config::Role::edge, .node_name = "bench"});
  auto key = store::NodeKey::load(folder + "/node.key", false);
  const certs::test::Authority root("Bench Root"), middle("Bench Intermediate", root);
  store::SqliteDatabase database(folder + "/site.db");
  store::SqliteTransaction transaction(database);
  std::filesystem::create_directories(folder + "/files");
  for (int number = 0; number < domains; ++number) {
    const std::string name = name_of_domain(number);
    const certs::test::Issued own = middle.issue({.common_name = name, .names = "DNS:" + name + ",DNS:collab-edge." + name});
    certs::UploadVerdict verdict;
    verdict.chain = {own.certificate, middle.certificate()};
    verdict.key = own.key;
    verdict.family = tls::KeyFamily::ecdsa;
    verdict.is_complete = true;
    certs::write_domain(database, name);
    certs::write_certificate(database, *key, certs::Slot::of_domain(name), verdict, "upload", 1);
    std::ofstream(folder + "/files/" + name + ".pem") << own.pem() << middle.pem();
    std::ofstream(folder + "/files/" + name + ".key") << own.key_pem();
  }
  transaction.commit();
}

// Full handshakes one after the other, each for the next name, from a process of its own until it is ended.
class Clients {
 public:
  Clients(uint16_t port, int domains, bool only_one) {
    int ends[2];
    if (pipe(ends) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      run(port, domains, only_one, ends[1]);
    }
    close(ends[1]);
    from_child_ = ends[0];
    fcntl(from_child_, F_SETFL, O_NONBLOCK);
  }
  ~Clients() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(from_child_);
  }
  Clients(const Clients&) = delete;
  uint64_t done() {
    char bytes[4096];
    for (ssize_t count; (count = read(from_child_, bytes, sizeof bytes)) > 0;) done_ += static_cast<uint64_t>(count);
    return done_;
  }

 private:
  [[noreturn]] static void run(uint16_t port, int domains, bool only_one, int out) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (uint64_t number = 0;; ++number) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      // A stride that shares no factor with the number visits all of them, never neighbours.
      const std::string name = name_of_domain(only_one ? 0 : static_cast<int>(number * 7919 % static_cast<uint64_t>(domains)));
      SSL* ssl = SSL_new(context);
      SSL_set_fd(ssl, fd);
      SSL_set_tlsext_host_name(ssl, name.c_str());
      const linger at_once{1, 0};  // or the ports of two minutes' handshakes run out
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      const bool fine = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && SSL_connect(ssl) == 1;
      if (fine && X509_check_host(SSL_get0_peer_certificate(ssl), name.c_str(), 0, 0, nullptr) != 1) _exit(3);
      SSL_free(ssl);
      close(fd);
      if (fine && write(out, "x", 1) != 1) _exit(0);
    }
  }
  pid_t pid_ = -1;
  int from_child_ = -1;
  uint64_t done_ = 0;
};

// Handshakes a CPU-second of the server, by its own account of time.
template <class Used>
double rate(uint16_t port, const Options& options, bool only_one, Used used_ns) {
  Clients clients(port, options.domains, only_one);
  // Once around, so that what is read on first use has been.
  const uint64_t warm = static_cast<uint64_t>(options.domains) + 500;
  const uint64_t give_up = perf::now_ns() + 120'000'000'000u;
  while (clients.done() < warm && perf::now_ns() < give_up) std::this_thread::sleep_for(20ms);
  if (clients.done() < warm) return 0;
  const uint64_t begin = clients.done(), used = used_ns(), end = perf::now_ns() + static_cast<uint64_t>(options.seconds * 1e9);
  while (perf::now_ns() < end) std::this_thread::sleep_for(20ms);
  return static_cast<double>(clients.done() - begin) / (static_cast<double>(used_ns() - used) / 1e9);
}

struct Ours {
  double start_ms = 0, bytes_before_use = 0, bytes = 0, rate = 0, rate_of_one = 0, change_ms = 0;
};

Ours measure_ours(const Options& options, const std::string& folder) {
  Ours ours;
  const uint64_t before = perf::resident_bytes(), begin = perf::now_ns();
  certs::VaultOptions vault_options{.state_dir = folder, .node_name = "bench", .node_fqdn = "edge.example.com"};
  auto vault = certs::CertificateVault::open(std::move(vault_options));
  tls::CredentialSource source;
  source.held = (*vault)->snapshot()->held(certs::SlotKind::domain);
  auto store = tls::CredentialStore::load(source);
  ours.start_ms = static_cast<double>(perf::now_ns() - begin) / 1e6;
  ours.bytes_before_use = static_cast<double>(perf::resident_bytes() - before) / options.domains;
  auto policy = tls::TlsPolicy::create({}, *store);
  boost::asio::io_context context(1);
  auto engine = tls::StreamEngine::create(context);
  tls::ListenerOptions listen;
  listen.name = "bench";
  listen.address = *tls::SocketAddress::parse("127.0.0.1", 0);
  listen.tls = *policy;
  auto listener = tls::Listener::open(**engine, listen, [](tls::StreamPtr stream) { stream->close(); });
  std::thread server([&] { context.run(); });
  clockid_t clock;
  pthread_getcpuclockid(server.native_handle(), &clock);
  const auto used_ns = [&] {
    timespec used;
    clock_gettime(clock, &used);
    return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(used.tv_nsec);
  };
  ours.rate_of_one = rate((*listener)->address().port(), options, true, used_ns);
  ours.rate = rate((*listener)->address().port(), options, false, used_ns);
  ours.bytes = static_cast<double>(perf::resident_bytes() - before) / options.domains;
  // One domain gets another certificate, as by an upload: judged, stored, published, and served by the next handshake.
  constexpr int changes = 20;
  const certs::test::Authority authority;
  uint64_t spent_ns = 0;
  for (int i = 0; i < changes; ++i) {
    const certs::test::Issued fresh = authority.issue({.names = "DNS:" + name_of_domain(i)});
    const std::string pem = fresh.pem();
    certs::InstallWish wish;
    wish.slot = certs::Slot::of_domain(name_of_domain(i));
    wish.upload.certificate = pem;
    wish.upload.own_key = fresh.key;
    const uint64_t from = perf::now_ns();
    if (!(*vault)->install(wish, "bench")) return {};
    source.held = (*vault)->snapshot()->held(certs::SlotKind::domain);
    if (!(*store)->reload(source)) return {};
    spent_ns += perf::now_ns() - from;
  }
  ours.change_ms = static_cast<double>(spent_ns) / 1e6 / changes;
  context.stop();
  server.join();
  return ours;
}

struct Theirs {
  double start_ms = 0, bytes = 0, rate = 0;
};

uint64_t resident_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

bool answers(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool fine = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return fine;
}

// One process, as a node's control plane is one.
Theirs measure_nginx(const Options& options, const std::string& folder, uint16_t port) {
  Theirs theirs;
  {
    std::ofstream file(folder + "/nginx.conf");
    file << "daemon off; master_process off; worker_processes 1; pid " << folder << "/nginx.pid; error_log stderr error;\nevents { worker_connections 1024; }\nhttp {\naccess_log off; server_names_hash_max_size 65536; server_names_hash_bucket_size 128;\n"
         << "ssl_session_cache off; ssl_session_tickets off; client_body_temp_path " << folder << "/b; proxy_temp_path " << folder << "/p; fastcgi_temp_path " << folder << "/f; uwsgi_temp_path " << folder << "/u; scgi_temp_path " << folder << "/s;\n";
    for (int number = 0; number < options.domains; ++number) {
      const std::string name = name_of_domain(number);
      file << "server { listen 127.0.0.1:" << port << " ssl; server_name " << name << " collab-edge." << name << "; ssl_certificate " << folder << "/files/" << name << ".pem; ssl_certificate_key " << folder << "/files/" << name << ".key; return 204; }\n";
    }
    file << "}\n";
  }
  const uint64_t begin = perf::now_ns();
  const pid_t pid = fork();
  if (pid == 0) {
    execlp("nginx", "nginx", "-c", (folder + "/nginx.conf").c_str(), "-e", "stderr", nullptr);
    _exit(127);
  }
  const uint64_t give_up = begin + 120'000'000'000u;
  while (!answers(port) && perf::now_ns() < give_up && waitpid(pid, nullptr, WNOHANG) == 0) std::this_thread::sleep_for(5ms);
  theirs.start_ms = static_cast<double>(perf::now_ns() - begin) / 1e6;
  if (answers(port)) {
    const perf::ProcessCpu cpu(std::to_string(pid));
    theirs.rate = rate(port, options, false, [&] { return cpu.used_ns(); });
    theirs.bytes = static_cast<double>(resident_of(pid)) / options.domains;
  }
  kill(pid, SIGTERM);
  waitpid(pid, nullptr, 0);
  return theirs;
}

template <class Result>
Result in_child(Result (*measure)(const Options&, const std::string&), const Options& options, const std::string& folder) {
  int ends[2];
  Result result{};
  if (pipe(ends) != 0) return result;
  const pid_t pid = fork();
  if (pid == 0) {
    result = measure(options, folder);
    _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], &result, sizeof result) != sizeof result) result = {};
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") options.domains = 2000, options.seconds = 2;
    if (argument == "--only" && i + 1 < argc) options.only = argv[++i];
    if (argument == "--domains" && i + 1 < argc) options.domains = std::atoi(argv[++i]);
  }
  if (!options.only.empty() && !std::string("tls/domains").starts_with(options.only) && !options.only.starts_with("tls/domains")) return 0;
  signal(SIGPIPE, SIG_IGN);
  char pattern[] = "/tmp/sallyport-domains-XXXXXX";
  const std::string folder = mkdtemp(pattern);
  make_domains(folder, options.domains);
  const Ours ours = in_child(measure_ours, options, folder);
  const Theirs theirs = measure_nginx(options, folder, 44343);
  std::filesystem::remove_all(folder);
  if (ours.rate <= 0 || theirs.rate <= 0) {
    std::fprintf(stderr, "domains_bench: no handshakes with %s\n", ours.rate <= 0 ? "Sallyport" : "nginx; is it installed, and port 44343 free?");
    return 1;
  }
  const std::string name = "tls/domains" + std::to_string(options.domains);
  report(options, name + "/start", ours.start_ms, "ms", "lower", "nginx", theirs.start_ms);
  report(options, name + "/memory", ours.bytes, "B/domain", "lower", "nginx", theirs.bytes);
  report(options, name + "/memory_before_use", ours.bytes_before_use, "B/domain", "lower", nullptr, 0);
  report(options, name + "/change", ours.change_ms, "ms", "lower", nullptr, 0);
  report(options, name + "/handshakes", ours.rate, "1/CPU-s", "higher", "nginx", theirs.rate);
  report(options, name + "/handshakes_beside_one_name", ours.rate, "1/CPU-s", "higher", "one certificate", ours.rate_of_one);
}
