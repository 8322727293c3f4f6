// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/dataplane_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstring>
#include <ctime>
#include <utility>

#include "controlplane/media/dataplane_socket.h"

namespace sallyport::media {
namespace {

using boost::system::error_code;
using std::chrono::milliseconds;

// Media stands still until the next dataplane is offered its flows, and a knock at an absent socket costs nothing.
constexpr uint32_t first_back_off_ms = 25, last_back_off_ms = 100;
constexpr milliseconds handshake_limit{2000};
constexpr milliseconds heartbeat_interval{100};
constexpr uint64_t stalled_after_ns = 1'000'000'000;
constexpr size_t drain_limit = 512;  // entries a ring and pass, so that signalling is never held up by a flood of events

uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

DataplaneLink::DataplaneLink(boost::asio::io_context& context, std::string socket_path, DataplaneListener& listener)
    : context_(context),
      socket_path_(std::move(socket_path)),
      listener_(listener),
      socket_(context),
      notify_(context),
      retry_timer_(context),
      deadline_(context),
      heartbeat_timer_(context),
      fault_{FaultCode::unreachable, "dataplane", "was not asked for yet", ""} {}

DataplaneLink::~DataplaneLink() { stop(); }

void DataplaneLink::start() {
  if (!stopped_) return;
  stopped_ = false;
  back_off_ms_ = first_back_off_ms;
  connect();
}

void DataplaneLink::stop() {
  stopped_ = true;
  ++*attempt_;
  disconnect();
  retry_timer_.cancel();
  state_ = DataplaneState::down;
  for (auto& waiting : waiting_) waiting.clear();
}

void DataplaneLink::disconnect() {
  error_code ignored;
  socket_.close(ignored);
  notify_.close(ignored);
  deadline_.cancel();
  heartbeat_timer_.cancel();
  if (wake_fd_ >= 0) close(std::exchange(wake_fd_, -1));
}

void DataplaneLink::connect() {
  ++*attempt_;
  state_ = DataplaneState::connecting;
  auto connected = connect_dataplane(socket_path_);
  if (!connected) return lose(connected.fault());
  socket_.assign(*connected);
  if (auto sent = send_hello(*connected, region_ ? region_->fd() : -1); !sent) return lose(sent.fault());
  deadline_.expires_after(handshake_limit);
  deadline_.async_wait([this, ticket = ticket()](const error_code& error) {
    if (error || !ticket.is_valid()) return;
    lose({FaultCode::timeout, "dataplane socket " + socket_path_, "gives no welcome", "look at the dataplane's log"});
  });
  await_welcome();
}

void DataplaneLink::await_welcome() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, ticket = ticket()](const error_code& error) {
    if (!error && ticket.is_valid()) take_welcome();
  });
}

void DataplaneLink::take_welcome() {
  auto received = receive_welcome(socket_.native_handle());
  if (!received) return lose(received.fault());
  if (!received->has_value()) return await_welcome();
  const WelcomeMessage& message = **received;
  wake_fd_ = message.wake_fd;
  notify_.assign(message.notify_fd);
  deadline_.cancel();
  auto mapped = RegionMap::map(message.region_fd, message.welcome.region_bytes);
  if (!mapped) return lose(mapped.fault());
  arrive(std::move(*mapped), message.welcome);
}

void DataplaneLink::arrive(RegionMap region, const abi::Welcome& welcome) {
  DataplaneArrival arrival;
  arrival.is_first = !was_connected_;
  arrival.same_region = region_ && (welcome.adopted != 0 || region_->epoch() == region.epoch());
  arrival.same_geometry = !region_ || region_->same_geometry(region);
  region_ = std::move(region);
  was_connected_ = true;
  stalled_.assign(region_->worker_count(), false);
  arrived_ns_ = monotonic_ns();
  state_ = DataplaneState::running;
  fault_ = {};
  back_off_ms_ = first_back_off_ms;
  await_peer_close();
  await_notify();
  watch_heartbeats();
  listener_.on_dataplane_up(arrival);
}

// After the welcome the dataplane says nothing more on the socket: readable means that it is gone.
void DataplaneLink::await_peer_close() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, ticket = ticket()](const error_code& error) {
    if (error || !ticket.is_valid()) return;
    lose({FaultCode::unreachable, "dataplane", "ended or closed its connection", "it is offered its flows when it is back"});
  });
}

void DataplaneLink::await_notify() {
  notify_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, ticket = ticket()](const error_code& error) {
    if (error || !ticket.is_valid()) return;
    uint64_t ignored = 0;
    // Non-blocking by poll's word: nobody else reads this eventfd.
    [[maybe_unused]] const ssize_t bytes = read(notify_.native_handle(), &ignored, sizeof ignored);
    drain();
    if (ticket.is_valid()) await_notify();
  });
}

void DataplaneLink::drain() {
  const Ticket current = ticket();
  bool more = false;
  for (uint32_t worker = 0; worker < worker_count(); ++worker) {
    more |= drain_completions(worker) == drain_limit;
    if (!current.is_valid()) return;
    more |= drain_events(worker) == drain_limit;
    if (!current.is_valid()) return;
  }
  if (!more) return;
  boost::asio::post(context_, [this, current] {
    if (current.is_valid()) drain();
  });
}

size_t DataplaneLink::drain_completions(uint32_t worker) {
  abi::Completion completion;
  size_t count = 0;
  const Ticket current = ticket();
  while (count < drain_limit && current.is_valid() && region_->worker(worker).completions.pop(completion)) {
    ++count;
    // Unknown: asked for by a control plane before this one, or before the dataplane was lost.
    const auto found = waiting_[worker].find(completion.id);
    if (found == waiting_[worker].end()) continue;
    const Completed completed = std::move(found->second);
    waiting_[worker].erase(found);
    completed(completion);
  }
  return count;
}

size_t DataplaneLink::drain_events(uint32_t worker) {
  abi::Event event;
  size_t count = 0;
  const Ticket current = ticket();
  while (count < drain_limit && current.is_valid() && region_->worker(worker).events.pop(event)) {
    ++count;
    listener_.on_dataplane_event(worker, event);
  }
  return count;
}

Outcome<> DataplaneLink::submit(uint32_t worker, abi::Command& command, Completed completed) {
  if (!is_connected()) return fault_;
  if (worker >= worker_count()) return Fault{FaultCode::invalid, "dataplane", "has no such worker", ""};
  auto& waiting = waiting_[worker];
  if (waiting.size() >= abi::command_ring_capacity) {
    return Fault{FaultCode::exhausted, "dataplane worker " + std::to_string(worker), "answers no commands",
                 "look for a stalled worker in `sallyport status`"};
  }
  command.id = next_id_++;
  if (!region_->worker(worker).commands.push(command)) {
    return Fault{FaultCode::exhausted, "dataplane worker " + std::to_string(worker), "its command ring is full",
                 "look for a stalled worker in `sallyport status`"};
  }
  waiting.emplace(command.id, std::move(completed));
  wake(worker);
  return Done{};
}

void DataplaneLink::wake(uint32_t worker) {
  // The worker sets asleep, then looks at its ring once more; we fill the ring, then look at asleep. One of us sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (region_->worker(worker).asleep.load(std::memory_order_relaxed) == 0) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(wake_fd_, &one, sizeof one);
}

bool DataplaneLink::read_link(uint32_t slot, abi::LinkRecord& out) const {
  if (!region_ || slot >= abi::max_links) return false;
  out.spec = region_->link_spec(static_cast<uint16_t>(slot));
  out.state = region_->link_state(static_cast<uint16_t>(slot));
  return out.spec.generation != 0;
}

size_t DataplaneLink::in_flight() const {
  size_t count = 0;
  for (const auto& waiting : waiting_) count += waiting.size();
  return count;
}

void DataplaneLink::watch_heartbeats() {
  heartbeat_timer_.expires_after(heartbeat_interval);
  heartbeat_timer_.async_wait([this, ticket = ticket()](const error_code& error) {
    if (error || !ticket.is_valid()) return;
    check_heartbeats(monotonic_ns());
    if (!ticket.is_valid()) return;
    // A notification lost with a worker that died between ring and eventfd is made good here.
    drain();
    if (ticket.is_valid()) watch_heartbeats();
  });
}

void DataplaneLink::check_heartbeats(uint64_t now_ns) {
  const Ticket current = ticket();
  for (uint32_t worker = 0; worker < worker_count() && current.is_valid(); ++worker) {
    const uint64_t beat_ns = std::max(region_->heartbeat_ns(worker), arrived_ns_);
    const bool stalled = now_ns > beat_ns && now_ns - beat_ns > stalled_after_ns;
    if (stalled == stalled_[worker]) continue;
    stalled_[worker] = stalled;
    const bool any = std::find(stalled_.begin(), stalled_.end(), true) != stalled_.end();
    state_ = any ? DataplaneState::stalled : DataplaneState::running;
    fault_ = any ? Fault{FaultCode::timeout, "dataplane worker " + std::to_string(worker),
                         "has given no sign of life for a second", "look at its lcore's load and the dataplane's log"}
                 : Fault{};
    listener_.on_worker_stalled(worker, stalled);
  }
}

void DataplaneLink::lose(Fault fault) {
  ++*attempt_;
  disconnect();
  const bool was_running = state_ == DataplaneState::running || state_ == DataplaneState::stalled;
  state_ = DataplaneState::down;
  fault_ = std::move(fault);
  retry_later();
  if (!was_running) return;
  const Fault told = fault_;
  fail_in_flight(told);
  listener_.on_dataplane_down(told);
}

void DataplaneLink::retry_later() {
  retry_timer_.expires_after(milliseconds(back_off_ms_));
  back_off_ms_ = std::min(back_off_ms_ * 2, last_back_off_ms);
  retry_timer_.async_wait([this, ticket = ticket()](const error_code& error) {
    if (!error && ticket.is_valid()) connect();
  });
}

void DataplaneLink::fail_in_flight(const Fault& fault) {
  for (auto& waiting : waiting_) {
    const auto failed = std::exchange(waiting, {});
    for (const auto& [id, completed] : failed) completed(fault);
  }
}

}  // namespace sallyport::media
