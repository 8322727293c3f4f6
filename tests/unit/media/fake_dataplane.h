// SPDX-License-Identifier: Apache-2.0
#pragma once
// FakeDataplane: a test double of the other process: owns a sealed region laid out by dataplane/abi, answers the handshake, executes
// commands into the records with the checks that the ABI promises, completes them, beats. Runs on the test's io_context.

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/abi/region.h"

namespace sallyport::media {

struct FakeShape {
  uint32_t workers = 2;
  uint32_t flows = 256;
  uint16_t port_min = 36002, port_max = 36201;
  std::vector<std::pair<std::string, std::string>> slots{{"outside", "198.51.100.10"}, {"inside", "192.0.2.10"}};
  bool adopts = true;
  bool sealed = true;
};

class FakeDataplane {
 public:
  FakeDataplane(boost::asio::io_context& context, std::string path, FakeShape shape = {});
  ~FakeDataplane();  // as a crash: socket closed, region left to whoever holds it

  abi::RegionHeader& header() { return *reinterpret_cast<abi::RegionHeader*>(memory_); }
  abi::WorkerArea& worker(uint32_t index);
  abi::FlowRecord& flow(uint32_t index);
  abi::FlowMeter& meter(uint32_t flow);
  abi::LinkRecord& link(uint32_t index);
  std::vector<abi::FlowSpec> live() const;
  size_t live_count() const { return live().size(); }
  void raise(uint32_t worker, const abi::Event& event);
  void poll() { execute_all(); }  // as a worker that looks at its ring unwoken

  bool executes = true;        // false: commands stay in the rings
  bool beats = true;
  abi::CommandStatus answer = abi::CommandStatus::done;  // of every add_flow, when not done
  std::vector<abi::Command> executed;
  uint32_t hellos = 0, offers = 0;

 private:
  void make_region();
  void accept();
  void greet();
  void await_wake();
  void beat();
  void execute_all();
  abi::CommandStatus execute(uint32_t worker, const abi::Command& command);
  abi::CommandStatus add(uint32_t worker, const abi::FlowSpec& spec);
  abi::CommandStatus modify(uint32_t worker, const abi::Command& command);
  bool is_reference_good(uint32_t worker, uint32_t index) const;

  boost::asio::io_context& context_;
  std::string path_;
  FakeShape shape_;
  boost::asio::posix::stream_descriptor listener_, peer_, wake_;
  boost::asio::steady_timer timer_;
  int region_fd_ = -1, notify_fd_ = -1;
  uint8_t* memory_ = nullptr;
  uint64_t bytes_ = 0;
  bool adopted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Runs the context until the condition holds; false after five seconds.
bool run_until(boost::asio::io_context& context, const std::function<bool()>& condition);

// A directory of its own for sockets and journals, removed at the end.
class TestDirectory {
 public:
  TestDirectory();
  ~TestDirectory();
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sallyport::media
