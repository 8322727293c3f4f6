// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallCapture: the packets of one call as they are copied by the dataplane, as a pcapng file in parts; destroying it ends it.
// CaptureSet: those that run: has the flows of their calls marked, reads and wipes the workers' capture rings every 10 ms, and asks
// the dataplane to go on (abi/capture.h); whatever becomes of us, it stops by itself two seconds later. At most four run at a time, each for an
// hour at most, each with 8 MiB that nobody has taken yet; what exceeds that is lost and counted. One thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/media/dataplane_link.h"
#include "controlplane/media/media_settings.h"

namespace sallyport::media {

inline constexpr uint32_t max_capture_seconds = 3600;
inline constexpr uint64_t max_capture_packets = 10'000'000;
inline constexpr size_t max_captures = 4;

struct CaptureWish {
  uint64_t call_tag = 0;
  std::string title;          // for the file: which call, of which node
  bool decrypted = false;     // C only; whether it is permitted is for the caller to say
  uint32_t seconds = 60;
  uint64_t packets = max_capture_packets;
};

class CaptureSet;

// One capture; shared by its taker and the set.
struct CaptureState {
  CaptureWish wish;
  uint64_t end_ns = 0;
  int64_t wall_offset_ns = 0;      // added to CLOCK_MONOTONIC
  uint64_t lost_before = 0;        // of the workers' counters
  uint64_t packets = 0, lost = 0;
  bool has_ended = false;
  std::string outcome;             // why it ended
  std::string waiting;             // blocks that nobody has taken
  std::function<void()> on_ready;  // something waits, or it has ended
};

class CallCapture {
 public:
  CallCapture(std::weak_ptr<CaptureSet> set, std::shared_ptr<CaptureState> state) : set_(std::move(set)), state_(std::move(state)) {}
  ~CallCapture();
  CallCapture(const CallCapture&) = delete;

  // Whole blocks; empty: nothing waits.
  std::string take() { return std::exchange(state_->waiting, {}); }
  bool has_waiting() const { return !state_->waiting.empty(); }
  bool has_ended() const { return state_->has_ended; }
  uint64_t packets() const { return state_->packets; }
  const std::string& outcome() const { return state_->outcome; }
  void on_ready(std::function<void()> ready) { state_->on_ready = std::move(ready); }

 private:
  std::weak_ptr<CaptureSet> set_;
  std::shared_ptr<CaptureState> state_;
};

class CaptureSet : public std::enable_shared_from_this<CaptureSet> {
 public:
  // mark: has this call's flows copied (FlowFlag bits) or, with 0, no longer; false when there is no such call.
  using Mark = std::function<bool(uint64_t call_tag, uint16_t flags)>;
  CaptureSet(boost::asio::io_context& context, DataplaneLink& dataplane, Role role, Mark mark);

  Outcome<std::unique_ptr<CallCapture>> begin(CaptureWish wish);
  // The call, or its taker, has gone.
  void end(uint64_t call_tag, const std::string& why);
  void stop();
  size_t running() const { return running_.size(); }

 private:
  void finish(const std::shared_ptr<CaptureState>& state, const std::string& why);
  void tick();
  void schedule();
  void allow(uint64_t until_ns);
  void drain();
  void keep(const abi::CapturedFrame& frame);
  uint64_t lost_in_dataplane() const;

  boost::asio::steady_timer timer_;
  DataplaneLink& dataplane_;
  const Role role_;
  Mark mark_;
  std::vector<std::shared_ptr<CaptureState>> running_;
  uint64_t allowed_until_ns_ = 0;
  uint64_t linger_until_ns_ = 0;  // what was under way is read and wiped for a while
  bool is_scheduled_ = false;
};

}  // namespace sallyport::media
