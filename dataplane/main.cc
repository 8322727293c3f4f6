// SPDX-License-Identifier: Apache-2.0
// sallyport-dataplane: the poll-mode relay of one node.

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "dataplane/dataplane.h"
#include "dataplane/eal.h"
#include "dataplane/machine_report.h"
#include "dataplane/node_settings.h"
#include "dataplane/self_test.h"

namespace {

int fail(const sallyport::Fault& fault) {
  std::fprintf(stderr, "sallyport-dataplane: %s\n", fault.text().c_str());
  return 1;
}

// Before EAL makes threads, so that all inherit it: the main loop takes these signals from a descriptor.
void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

// Another dataplane may have taken the hugepages between the look and the grasp, or a limit holds them back.
[[noreturn]] void run_without_hugepages(const std::string& path, const sallyport::Fault& fault) {
  std::fprintf(stderr, "sallyport-dataplane: %s; starting again with ordinary memory\n", fault.text().c_str());
  execl("/proc/self/exe", "sallyport-dataplane", "--config", path.c_str(), "--no-hugepages", nullptr);
  std::exit(fail({sallyport::FaultCode::internal, "sallyport-dataplane", "cannot be started again", "set dataplane.hugepages = \"off\""}));
}

// Warnings are no failure: a machine may be good enough. Crypto that is wrong is.
int test_machine(const std::string& path) {
  using namespace sallyport::dataplane;
  std::optional<NodeSettings> settings;
  if (!path.empty()) {
    auto read = read_node_settings(path);
    if (!read) return fail(read.fault());
    settings = std::move(*read);
  }
  for (const MachineFact& fact : inspect_machine("", settings ? &*settings : nullptr)) std::printf("%s\n", fact.text().c_str());
  return run_self_test() ? 0 : 1;
}

int run(const std::string& path, bool no_hugepages) {
  using namespace sallyport::dataplane;
  const auto settings = read_node_settings(path);
  if (!settings) return fail(settings.fault());
  EalOptions options{settings->name, settings->lcores, settings->memory_mb, settings->hugepages, {}};
  for (const auto& port : settings->ports) {
    if (port.profile == sallyport::drivers::Profile::vfio && sallyport::drivers::is_pci_address(port.device)) options.pci_devices.push_back(port.device);
  }
  if (no_hugepages && options.hugepages == Hugepages::automatic) options.hugepages = Hugepages::off;
  std::string notice;
  if (auto started = start_eal(options, notice); !started) {
    const bool may_do_without = options.hugepages == Hugepages::automatic && started.fault().code == sallyport::FaultCode::exhausted;
    if (may_do_without) run_without_hugepages(path, started.fault());
    return fail(started.fault());
  }
  std::fprintf(stderr, "sallyport-dataplane: %s\n", notice.c_str());
  int status = 1;
  {
    auto plane = Dataplane::create(*settings);
    if (!plane) {
      fail(plane.fault());
    } else {
      status = (*plane)->run();
    }
  }
  stop_eal();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sallyport's dataplane: relays, opens and seals media between NIC ports.\n"
               "Example: sallyport-dataplane --config /etc/sallyport/e1/node.toml"};
  std::string config;
  bool self_test = false, no_hugepages = false;
  app.add_option("--config", config, "the node's configuration");
  app.add_flag("--no-hugepages", no_hugepages, "ordinary memory where the configuration says hugepages = \"auto\"");
  app.add_flag("--self-test", self_test, "tell what this machine offers (with --config: to that node), check crypto on this CPU, and end");
  CLI11_PARSE(app, argc, argv);
  if (self_test) return test_machine(config);
  if (config.empty()) {
    std::fprintf(stderr, "sallyport-dataplane: --config is missing; give the path of the node's configuration\n");
    return 2;
  }
  block_signals();
  // Media keys live here: no core dump, no other process of the same user looking in.
  prctl(PR_SET_DUMPABLE, 0);
  return run(config, no_hugepages);
}
