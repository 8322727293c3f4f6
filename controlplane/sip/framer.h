// SPDX-License-Identifier: Apache-2.0
#pragma once
// Framer: cuts a byte stream into SIP messages and RFC 5626 keep-alives. One per connection, one thread. Work is linear
// in the bytes whatever their fragmentation; memory is bounded by the limits and given back while the connection idles.
// Zero-copy: a message that arrives whole is handed out as a view into the fed bytes. After `refused` the stream is
// beyond repair.
//   framer.feed(bytes);  for (;;) switch (framer.next(frame)) { case Event::need_more: return; ... }

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/sip/verdict.h"

namespace sallyport::sip {

struct FramerLimits {
  std::uint32_t head_bytes = 64u << 10;   // start line and headers
  std::uint32_t body_bytes = 128u << 10;  // above the 64 KiB of an SDP, so that an oversized SDP gets its own answer
  std::uint32_t headers = 256;
};

class Framer {
 public:
  // accepted: a double CRLF between messages is a ping to answer with CRLF. dialled: each CRLF is a pong (RFC
  // 5626 3.5.1).
  enum class Side : std::uint8_t { accepted, dialled };
  enum class Event : std::uint8_t { need_more, message, ping, pong, refused };

  explicit Framer(Side side, FramerLimits limits = {}) : limits_(limits), side_(side) {}

  // `bytes` must stay valid until next() returns need_more or refused.
  void feed(std::string_view bytes);
  // `frame`: message: the message; refused: the head if it was complete, so that it can be answered, else "". Valid
  // until the next call of feed() or next().
  Event next(std::string_view& frame);
  // Why the stream was refused.
  Verdict verdict() const { return verdict_; }
  // Bytes of an incomplete message held: a connection that holds some and stays silent is worth a shorter timeout.
  std::size_t pending_bytes() const;

 private:
  std::string_view window() const;
  void consume(std::size_t bytes);
  Event wait();
  Event refuse(std::uint16_t status, std::string_view reason);
  bool skip_keep_alive(Event& event);
  bool find_head_end(std::string_view window);
  void judge_field(std::string_view field);
  Verdict judge_start(std::string_view window);
  Verdict judge_head() const;

  FramerLimits limits_;
  std::string held_;            // bytes kept over feeds
  std::size_t held_read_ = 0;   // consumed prefix of held_
  std::string_view fed_;        // used while held_ is empty
  std::size_t scanned_ = 0;     // of the window, looked through for the end of the head
  std::size_t line_ = 0;        // where in the window the line begins that is being looked through
  std::size_t field_ = 0;       // and the header field, which may have several lines; 0: still the start line
  std::size_t fields_ = 0;
  std::size_t head_bytes_ = 0;  // 0: end of head not found yet
  std::size_t body_bytes_ = 0;
  bool has_length_ = false;
  Verdict head_verdict_;  // the first fault of the head; told when the head is whole, so that it can be answered
  Verdict verdict_;
  Side side_;
  bool start_judged_ = false;
};

}  // namespace sallyport::sip
