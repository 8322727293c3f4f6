// SPDX-License-Identifier: Apache-2.0
#pragma once
// Dataplane: one process: its node, workers, control socket and resolver, and the main thread's loop over their descriptors.
// Destruction order: workers stop, then socket, resolver, ports, region. Main thread only.

#include <memory>
#include <string>
#include <vector>

#include "dataplane/control_socket.h"
#include "dataplane/node.h"
#include "dataplane/node_settings.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

class Dataplane {
 public:
  // EAL is up. Opens ports, makes the region, listens. Lines for the operator go to stderr.
  static Outcome<std::unique_ptr<Dataplane>> create(const NodeSettings& settings);
  ~Dataplane();

  // Until SIGTERM or SIGINT. Zero when it ended as asked.
  int run();

 private:
  explicit Dataplane(const NodeSettings& settings) : settings_(settings) {}
  Outcome<> open_ports();
  Outcome<> take_addresses();
  Outcome<> make_workers();
  Outcome<> start_workers();
  void stop_workers();
  abi::Welcome greet(int offered, ControlSocket::Descriptors& passed);
  bool adopt(int offered);
  bool are_workers_alive() const;

  NodeSettings settings_;
  Node node_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<ControlSocket> socket_;
  int signals_ = -1;
  bool running_ = false;
};

}  // namespace sallyport::dataplane
