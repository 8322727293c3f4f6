// SPDX-License-Identifier: Apache-2.0
#pragma once
// TimerWheel: thousands of SIP timers on one Asio timer. A TimerNode is embedded in its owner; arming and cancelling are
// O(1) and never allocate. One thread. The wheel sleeps until the next slot that holds a timer, so an idle node never wakes.
// Resolution is tick_ms; a timer fires at or up to one tick after its time. Destroying an armed node cancels it.

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>

namespace sallyport::proxy {

class TimerWheel;

class TimerNode {
 public:
  TimerNode() = default;
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  virtual ~TimerNode();
  bool is_armed() const { return wheel_ != nullptr; }
  void cancel();

 protected:
  // Called once, disarmed; may arm itself again or destroy itself.
  virtual void on_timer() = 0;

 private:
  friend class TimerWheel;
  TimerNode* previous_ = nullptr;
  TimerNode* next_ = nullptr;
  TimerWheel* wheel_ = nullptr;
  uint64_t tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr uint32_t tick_ms = 20;
  static constexpr uint32_t slots = 4096;  // 82 s; a longer timer goes round again

  explicit TimerWheel(boost::asio::io_context& io);
  ~TimerWheel();
  void arm(TimerNode& node, uint64_t delay_ms);
  uint64_t now_ms() const;
  uint32_t armed() const { return armed_; }

 private:
  friend class TimerNode;
  struct Slot {
    TimerNode* first = nullptr;
  };
  void unlink(TimerNode& node);
  void schedule();
  void advance();
  uint64_t next_occupied_tick() const;

  std::array<Slot, slots> wheel_{};
  std::array<uint64_t, slots / 64> occupied_{};
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point start_;
  uint64_t done_tick_ = 0;       // every tick up to here has fired
  uint64_t scheduled_tick_ = 0;  // what timer_ waits for; 0 none
  uint32_t armed_ = 0;
  bool advancing_ = false;
};

}  // namespace sallyport::proxy
