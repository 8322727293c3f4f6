// SPDX-License-Identifier: Apache-2.0
#pragma once
// DataplaneLink: the control plane's end of the shared region: connects to the dataplane's socket, maps the region, writes
// commands, takes completions and events, and after a dataplane's death offers its region to the next one, which goes on with
// flows, keys and replay state. One thread (the io_context's). Trusts no offset read twice; nothing here waits.

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/region.h"

namespace sallyport::media {

struct DataplaneCounters {
  uint64_t connects = 0, disconnects = 0, adopted = 0, commands = 0, refused = 0, ring_full = 0, events = 0, stalls = 0;
};

class DataplaneLink {
 public:
  using OnCompletion = std::function<void(abi::CommandStatus)>;

  DataplaneLink(boost::asio::io_context& io, std::string socket_path);
  ~DataplaneLink();
  DataplaneLink(const DataplaneLink&) = delete;
  DataplaneLink& operator=(const DataplaneLink&) = delete;

  void start();
  bool is_running() const { return connected_; }
  // Why it is not; for status and for the 503.
  const std::string& state_text() const { return state_text_; }

  // After connecting (first time, or to a new dataplane); `adopted` tells that the flows of before go on.
  std::function<void(bool adopted)> on_connected;
  std::function<void()> on_lost;
  std::function<void(const abi::Event&)> on_event;
  std::function<void(const std::string&)> log;

  // Into the ring of the owner. False: not connected or the ring is full.
  bool submit(uint32_t worker, abi::Command command, OnCompletion done = {});

  uint32_t workers() const { return workers_; }
  uint32_t flow_capacity() const { return flow_capacity_; }
  const abi::RegionHeader& header() const { return *header_; }
  // Copies; the dataplane writes meanwhile, so counters of one copy may differ by a packet.
  bool read_flow(uint32_t index, abi::FlowRecord& out) const;
  bool read_link(uint32_t link, abi::LinkRecord& out) const;
  bool read_counters(uint32_t worker, abi::WorkerCounters& out) const;
  std::vector<abi::FlowSpec> live_flows() const;  // keys wiped
  int find_slot(std::string_view name) const;     // -1: none
  const DataplaneCounters& counters() const { return counters_; }

 private:
  void try_connect();
  void retry_later(std::string why);
  Outcome<> open_region(int region_fd, uint64_t region_bytes);
  void wait_notify();
  void wait_socket();
  void drain();
  void lost(const std::string& why);
  void close_region();
  abi::WorkerArea& area(uint32_t worker) const;

  boost::asio::io_context& io_;
  const std::string path_;
  boost::asio::steady_timer timer_;
  boost::asio::posix::stream_descriptor socket_, notify_;
  int wake_fd_ = -1;
  int region_fd_ = -1;
  uint8_t* region_ = nullptr;
  uint64_t region_bytes_ = 0;
  const abi::RegionHeader* header_ = nullptr;
  uint32_t workers_ = 0, flow_capacity_ = 0;
  uint64_t workers_offset_ = 0, links_offset_ = 0, flows_offset_ = 0;
  bool connected_ = false;
  uint32_t backoff_ms_ = 50;
  uint64_t next_command_ = 1;
  std::unordered_map<uint64_t, OnCompletion> waiting_;
  std::string state_text_ = "not connected yet";
  DataplaneCounters counters_;
};

}  // namespace sallyport::media
