// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dataplane.h"

#include <arpa/inet.h>
#include <poll.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_ring.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "dataplane/eal.h"

namespace sallyport::dataplane {

namespace {

constexpr int tick_ms = 1000;
constexpr uint32_t hand_over_capacity = 1024;
constexpr uint64_t heartbeat_limit_ns = 2'000'000'000;

int run_worker(void* worker) {
  static_cast<Worker*>(worker)->run();
  return 0;
}

void say(const std::string& line) { std::fprintf(stderr, "sallyport-dataplane: %s\n", line.c_str()); }

bool is_same_file(int a, int b) {
  struct stat first{}, second{};
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

Outcome<std::unique_ptr<Dataplane>> Dataplane::create(const NodeSettings& settings) {
  std::unique_ptr<Dataplane> plane(new Dataplane(settings));
  Node& node = plane->node_;
  node.geometry = settings.geometry;
  node.link_port = settings.link_port;
  node.sleep_idle_us = settings.sleep_idle_us;
  node.wake_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  node.notify_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  auto pool = create_packet_pool(settings.memory_mb, settings.geometry.worker_count);
  if (!pool) return pool.fault();
  node.pool = *pool;
  if (auto opened = plane->open_ports(); !opened) return opened.fault();
  if (auto taken = plane->take_addresses(); !taken) return taken.fault();
  auto resolver = drivers::Resolver::create(node.egress_slots(), settings.geometry.worker_count, node.hops);
  if (!resolver) return resolver.fault();
  node.resolver = std::move(*resolver);
  // After packet memory, which cannot do without what it asked for.
  auto region = Region::create(settings.geometry, settings.hugepages == Hugepages::off ? RegionPages::small : RegionPages::large_if_free);
  if (!region) return region.fault();
  node.region = std::move(*region);
  if (auto made = plane->make_workers(); !made) return made.fault();
  auto socket = ControlSocket::listen(settings.socket, [raw = plane.get()](int offered, ControlSocket::Descriptors& passed) {
    return raw->greet(offered, passed);
  });
  if (!socket) return socket.fault();
  plane->socket_ = std::move(*socket);
  return plane;
}

Dataplane::~Dataplane() {
  stop_workers();
  socket_.reset();
  workers_.clear();
  node_.resolver.reset();
  node_.ports.clear();
  if (signals_ >= 0) close(signals_);
  if (node_.wake_event >= 0) close(node_.wake_event);
  if (node_.notify_event >= 0) close(node_.notify_event);
}

Outcome<> Dataplane::open_ports() {
  for (const auto& spec : settings_.ports) {
    std::string notice;
    auto port = drivers::Port::open(spec, node_.pool, notice);
    if (!notice.empty()) say(notice);
    if (!port) return port.fault();
    node_.has_exception_ports |= (*port)->has_exception_port();
    node_.ports.push_back(std::move(*port));
  }
  return Done{};
}

Outcome<> Dataplane::take_addresses() {
  for (const auto& setting : settings_.addresses) {
    LocalSlot slot;
    if (inet_pton(AF_INET, setting.ip.c_str(), slot.address.ip) == 1) {
      slot.address.family = 4;
    } else if (inet_pton(AF_INET6, setting.ip.c_str(), slot.address.ip) == 1) {
      slot.address.family = 6;
    } else {
      return Fault{FaultCode::invalid, "address " + setting.name, "\"" + setting.ip + "\" is no IP address", "write it as 192.0.2.1 or 2001:db8::1"};
    }
    slot.in_use = true;
    slot.vlan = setting.vlan;
    std::snprintf(slot.name, sizeof slot.name, "%s", setting.name.c_str());
    for (uint16_t index = 0; index < settings_.ports.size(); ++index) {
      if (settings_.ports[index].name == setting.port) slot.port_index = index;
    }
    node_.add_slot(slot);
  }
  return Done{};
}

Outcome<> Dataplane::make_workers() {
  for (uint32_t id = 0; id < node_.geometry.worker_count; ++id) {
    const std::string name = "hand_over_" + std::to_string(id);
    rte_ring* ring = rte_ring_create(name.c_str(), hand_over_capacity, SOCKET_ID_ANY, RING_F_SC_DEQ);
    if (ring == nullptr) return Fault{FaultCode::exhausted, "hand-over ring", "no memory", "raise dataplane.memory_mb"};
    node_.hand_over.push_back(ring);
  }
  for (uint32_t id = 0; id < node_.geometry.worker_count; ++id) {
    auto worker = Worker::create(node_, id);
    if (!worker) return worker.fault();
    workers_.push_back(std::move(*worker));
  }
  return Done{};
}

Outcome<> Dataplane::start_workers() {
  node_.describe(workers_.front()->engine.variant().name, rte_get_tsc_hz());
  for (auto& worker : workers_) {
    if (auto attached = worker->attach(); !attached) return attached.fault();
  }
  for (uint32_t id = 0; id < workers_.size(); ++id) {
    if (rte_eal_remote_launch(run_worker, workers_[id].get(), id + 1) != 0) {
      return Fault{FaultCode::internal, "worker " + std::to_string(id), "cannot be started on its lcore", ""};
    }
  }
  running_ = true;
  return Done{};
}

void Dataplane::stop_workers() {
  if (!running_) return;
  running_ = false;
  for (auto& worker : workers_) worker->stop();
  rte_eal_mp_wait_lcore();
}

bool Dataplane::adopt(int offered) {
  if (is_same_file(offered, node_.region->descriptor())) return true;
  if (!node_.region->is_untouched()) return false;
  auto region = Region::adopt(offered, node_.geometry);
  if (!region) {
    say(region.fault().text());
    return false;
  }
  stop_workers();
  node_.region = std::move(*region);
  if (auto started = start_workers(); !started) {
    // Without workers there is nothing to serve with; a restart begins with a fresh region.
    say(started.fault().text());
    std::exit(1);
  }
  uint32_t flows = 0;
  for (const auto& worker : workers_) flows += worker->flows->live_flows;
  say("adopted the region of a former dataplane, " + std::to_string(flows) + " flows go on");
  return true;
}

abi::Welcome Dataplane::greet(int offered, ControlSocket::Descriptors& passed) {
  abi::Welcome welcome;
  welcome.adopted = offered >= 0 && adopt(offered) ? 1 : 0;
  welcome.epoch = node_.region->header().epoch;
  welcome.region_bytes = node_.geometry.region_bytes();
  passed = {node_.region->descriptor(), node_.wake_event, node_.notify_event};
  return welcome;
}

bool Dataplane::are_workers_alive() const {
  const uint64_t now = monotonic_ns();
  for (const auto& worker : workers_) {
    if (now > worker->area->heartbeat_ns.load(std::memory_order_relaxed) + heartbeat_limit_ns) return false;
  }
  return true;
}

int Dataplane::run() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (auto started = start_workers(); !started) {
    say(started.fault().text());
    return 1;
  }
  const abi::RegionHeader& header = node_.region->header();
  for (const auto& port : node_.ports) {
    say("port " + port->spec().name + ": " + port->spec().device + ", profile " + drivers::profile_name(port->spec().profile) +
        ", steering " + port->steering() + (port->has_exception_port() ? ", exception port " + port->exception_device().interface_name + " (" + port->exception_device().kind + ")" : ""));
  }
  say("node " + settings_.name + " ready: " + std::to_string(workers_.size()) + " worker(s), crypto " + header.crypto + ", " +
      std::to_string(node_.geometry.flow_capacity) + " flows in " + (node_.region->has_large_pages() ? "large" : "small") + " pages, socket " + settings_.socket);
  sd_notify(0, "READY=1");
  uint64_t next_tick_ns = 0;
  for (;;) {
    pollfd waits[] = {{signals_, POLLIN, 0},
                      {socket_->listen_descriptor(), POLLIN, 0},
                      {socket_->peer_descriptor(), POLLIN, 0},
                      {socket_->waiting_descriptor(), POLLIN, 0},
                      {node_.resolver->question_descriptor(), POLLIN, 0},
                      {node_.resolver->event_descriptor(), POLLIN, 0}};
    if (poll(waits, std::size(waits), tick_ms) < 0 && errno != EINTR) return 1;
    const uint64_t now = monotonic_ns();
    if (waits[0].revents != 0) break;
    if (waits[2].revents != 0) socket_->serve_peer();
    if (waits[3].revents != 0) socket_->serve_waiting();
    if (waits[1].revents != 0) socket_->accept_peer();
    if (waits[4].revents != 0 || waits[5].revents != 0) node_.resolver->run(now);
    if (now < next_tick_ns) continue;
    next_tick_ns = now + uint64_t{tick_ms} * 1'000'000;
    node_.resolver->tick(now);
    if (are_workers_alive()) sd_notify(0, "WATCHDOG=1");
  }
  sd_notify(0, "STOPPING=1");
  stop_workers();
  say("node " + settings_.name + " ends");
  return 0;
}

}  // namespace sallyport::dataplane
