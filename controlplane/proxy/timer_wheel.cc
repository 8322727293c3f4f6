// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/timer_wheel.h"

#include <bit>

namespace sallyport::proxy {

TimerNode::~TimerNode() { cancel(); }

void TimerNode::cancel() {
  if (wheel_ != nullptr) wheel_->unlink(*this);
}

TimerWheel::TimerWheel(boost::asio::io_context& io) : timer_(io), start_(std::chrono::steady_clock::now()) {}

TimerWheel::~TimerWheel() {
  for (Slot& slot : wheel_)
    while (slot.first != nullptr) unlink(*slot.first);
}

uint64_t TimerWheel::now_ms() const {
  const auto since = std::chrono::steady_clock::now() - start_;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

void TimerWheel::arm(TimerNode& node, uint64_t delay_ms) {
  node.cancel();
  uint64_t tick = (now_ms() + delay_ms) / tick_ms + 1;
  if (tick <= done_tick_) tick = done_tick_ + 1;
  Slot& slot = wheel_[tick % slots];
  node.tick_ = tick;
  node.wheel_ = this;
  node.previous_ = nullptr;
  node.next_ = slot.first;
  if (slot.first != nullptr) slot.first->previous_ = &node;
  slot.first = &node;
  occupied_[tick % slots / 64] |= 1ull << (tick % 64);
  ++armed_;
  if (!advancing_ && (scheduled_tick_ == 0 || tick < scheduled_tick_)) schedule();
}

void TimerWheel::unlink(TimerNode& node) {
  Slot& slot = wheel_[node.tick_ % slots];
  if (node.previous_ != nullptr) node.previous_->next_ = node.next_;
  if (node.next_ != nullptr) node.next_->previous_ = node.previous_;
  if (slot.first == &node) slot.first = node.next_;
  if (slot.first == nullptr) occupied_[node.tick_ % slots / 64] &= ~(1ull << (node.tick_ % 64));
  node.previous_ = node.next_ = nullptr;
  node.wheel_ = nullptr;
  --armed_;
}

uint64_t TimerWheel::next_occupied_tick() const {
  // Slots in the order of time from the first one that has not fired.
  for (uint64_t offset = 1; offset <= slots;) {
    const uint64_t tick = done_tick_ + offset;
    const uint64_t word = occupied_[tick % slots / 64] >> (tick % 64);
    if (word != 0) {
      const uint64_t found = offset + static_cast<uint64_t>(std::countr_zero(word));
      return done_tick_ + (found < slots ? found : slots);
    }
    offset += 64 - tick % 64;
  }
  return 0;
}

void TimerWheel::schedule() {
  scheduled_tick_ = armed_ == 0 ? 0 : next_occupied_tick();
  if (scheduled_tick_ == 0) return;
  timer_.expires_at(start_ + std::chrono::milliseconds(scheduled_tick_ * tick_ms));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // moved to an earlier time, or the wheel is gone
    scheduled_tick_ = 0;
    advance();
  });
}

void TimerWheel::advance() {
  const uint64_t now_tick = now_ms() / tick_ms;
  advancing_ = true;
  while (done_tick_ < now_tick) {
    const uint64_t next = armed_ == 0 ? 0 : next_occupied_tick();
    if (next == 0 || next > now_tick) {
      done_tick_ = now_tick;
      break;
    }
    done_tick_ = next;
    // Take what is due out of the slot first: a callback may arm, cancel or destroy any node, so look again each time.
    for (bool fired = true; fired;) {
      fired = false;
      for (TimerNode* node = wheel_[next % slots].first; node != nullptr; node = node->next_) {
        if (node->tick_ > next) continue;
        unlink(*node);
        node->on_timer();
        fired = true;
        break;
      }
    }
  }
  advancing_ = false;
  schedule();
}

}  // namespace sallyport::proxy
