// SPDX-License-Identifier: Apache-2.0
#pragma once
// DataplaneLink: the control plane's end of the dataplane: connects and reconnects (50 ms to 1 s), maps the region, puts commands into
// the workers' rings, hands out completions and events, watches heartbeats. When the dataplane dies the region is kept and offered
// to the next one. All calls and callbacks on the io_context's one thread; callbacks never run inside submit().
// In flight at most command_ring_capacity commands a worker, so that completions always find room.

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/media/region_map.h"
#include "dataplane/abi/fault.h"
#include "dataplane/abi/region.h"

namespace sallyport::media {

enum class DataplaneState : uint8_t { down, connecting, running, stalled };

struct DataplaneArrival {
  bool same_region = false;    // the flows known from before go on: the region was adopted, or never changed hands
  bool same_geometry = true;   // as of the region before; true on the first connection
  bool is_first = false;       // since this control plane started
};

class DataplaneListener {
 public:
  virtual ~DataplaneListener() = default;
  virtual void on_dataplane_up(const DataplaneArrival& arrival) = 0;
  // Commands in flight were answered with a Fault before this is called.
  virtual void on_dataplane_down(const Fault& fault) = 0;
  // A worker has not beaten for a second (stalled true), or beats again.
  virtual void on_worker_stalled(uint32_t worker, bool stalled) = 0;
  virtual void on_dataplane_event(uint32_t worker, const abi::Event& event) = 0;
};

class DataplaneLink {
 public:
  using Completed = std::function<void(const Outcome<abi::Completion>&)>;

  DataplaneLink(boost::asio::io_context& context, std::string socket_path, DataplaneListener& listener);
  ~DataplaneLink();
  DataplaneLink(const DataplaneLink&) = delete;

  void start();
  void stop();

  DataplaneState state() const { return state_; }
  // Why it is not running; empty text when it is. Commands are taken while connected, stalled or not.
  const Fault& fault() const { return fault_; }
  // Present from the first connection on, also while the dataplane is down.
  RegionMap* region() { return region_ ? &*region_ : nullptr; }
  const RegionMap* region() const { return region_ ? &*region_ : nullptr; }
  bool is_running() const { return state_ == DataplaneState::running; }
  bool is_connected() const { return state_ == DataplaneState::running || state_ == DataplaneState::stalled; }
  // "running", or why it is not.
  std::string state_text() const { return is_running() ? "running" : fault_.text(); }
  // The media link that runs in this slot; false: none. Holds the link's control key.
  bool read_link(uint32_t slot, abi::LinkRecord& out) const;
  bool is_alive(uint32_t worker) const { return is_connected() && worker < stalled_.size() && !stalled_[worker]; }

  uint32_t worker_count() const { return region_ ? region_->worker_count() : 0; }
  uint32_t owner(uint32_t flow_index) const { return flow_index % worker_count(); }

  // The id is set here. Fault: not running, or too many in flight; then `completed` is never called. The ring's copy of keys is wiped
  // by the worker; the caller wipes its own.
  Outcome<> submit(uint32_t worker, abi::Command& command, Completed completed);
  size_t in_flight() const;

 private:
  // Handlers queued for an earlier connection, or for a link that is gone, see by it that they are stale.
  struct Ticket {
    std::shared_ptr<const uint64_t> attempt;
    uint64_t mine;
    bool is_valid() const { return *attempt == mine; }
  };
  Ticket ticket() const { return {attempt_, *attempt_}; }
  void connect();
  void disconnect();
  void await_welcome();
  void take_welcome();
  void arrive(RegionMap region, const abi::Welcome& welcome);
  void await_peer_close();
  void await_notify();
  void drain();
  size_t drain_completions(uint32_t worker);
  size_t drain_events(uint32_t worker);
  void wake(uint32_t worker);
  void watch_heartbeats();
  void check_heartbeats(uint64_t now_ns);
  void lose(Fault fault);
  void retry_later();
  void fail_in_flight(const Fault& fault);

  boost::asio::io_context& context_;
  std::string socket_path_;
  DataplaneListener& listener_;
  boost::asio::posix::stream_descriptor socket_, notify_;
  boost::asio::steady_timer retry_timer_, deadline_, heartbeat_timer_;
  int wake_fd_ = -1;
  uint32_t back_off_ms_ = 50;
  DataplaneState state_ = DataplaneState::down;
  Fault fault_;
  std::optional<RegionMap> region_;
  bool was_connected_ = false;
  bool stopped_ = true;
  std::shared_ptr<uint64_t> attempt_ = std::make_shared<uint64_t>(0);
  uint64_t arrived_ns_ = 0;
  uint64_t next_id_ = 1;
  std::array<std::unordered_map<uint64_t, Completed>, abi::max_workers> waiting_;
  std::vector<bool> stalled_;
};

}  // namespace sallyport::media
