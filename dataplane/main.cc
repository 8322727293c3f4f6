// SPDX-License-Identifier: Apache-2.0
// sallyport-dataplane: the poll-mode relay of one node.

#include <signal.h>
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "dataplane/dataplane.h"
#include "dataplane/eal.h"
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

int run(const std::string& path) {
  using namespace sallyport::dataplane;
  const auto settings = read_node_settings(path);
  if (!settings) return fail(settings.fault());
  EalOptions options{settings->name, settings->lcores, settings->memory_mb, settings->hugepages, false};
  for (const auto& port : settings->ports) options.use_pci |= port.profile == sallyport::drivers::Profile::vfio;
  std::string notice;
  if (auto started = start_eal(options, notice); !started) return fail(started.fault());
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
  bool self_test = false;
  app.add_option("--config", config, "the node's configuration");
  app.add_flag("--self-test", self_test, "check crypto on this CPU and end");
  CLI11_PARSE(app, argc, argv);
  if (self_test) return sallyport::dataplane::run_self_test() ? 0 : 1;
  if (config.empty()) {
    std::fprintf(stderr, "sallyport-dataplane: --config is missing; give the path of the node's configuration\n");
    return 2;
  }
  block_signals();
  // Media keys live here: no core dump, no other process of the same user looking in.
  prctl(PR_SET_DUMPABLE, 0);
  return run(config);
}
