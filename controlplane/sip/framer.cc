// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/framer.h"

#include <algorithm>
#include <cstring>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

constexpr std::size_t kept_capacity = 1024;  // what an idle connection may keep

// Whether a line holds "SIP/", in any case, as every start line does.
bool names_sip(std::string_view line) {
  for (std::size_t i = line.find('/'); i != std::string_view::npos; i = line.find('/', i + 1)) {
    if (i >= 3 && equals_ignoring_case(line.substr(i - 3, 3), "SIP")) return true;
  }
  return false;
}

// Value of the field if it is Content-Length or its compact form, else a view without data.
std::string_view content_length_value(std::string_view field) {
  const char first = lower(field.empty() ? ' ' : field.front());
  if (first != 'c' && first != 'l') return {};
  const std::size_t colon = field.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view name = trim(field.substr(0, colon));
  if (!equals_ignoring_case(name, "Content-Length") && !equals_ignoring_case(name, "l")) return {};
  return trim(field.substr(colon + 1));
}

}  // namespace

void Framer::feed(std::string_view bytes) {
  if (held_.size() == held_read_) {
    held_.clear();
    held_read_ = 0;
    fed_ = bytes;
    return;
  }
  if (held_read_ != 0) {
    held_.erase(0, held_read_);
    held_read_ = 0;
  }
  held_.append(bytes);
}

std::string_view Framer::window() const {
  return held_.empty() ? fed_ : std::string_view(held_).substr(held_read_);
}

std::size_t Framer::pending_bytes() const {
  return window().size();
}

void Framer::consume(std::size_t bytes) {
  if (held_.empty()) {
    fed_.remove_prefix(bytes);
  } else {
    held_read_ += bytes;
  }
  scanned_ = line_ = field_ = fields_ = head_bytes_ = body_bytes_ = 0;
  start_judged_ = has_length_ = false;
  head_verdict_ = {};
}

// Keeps what is left of the fed bytes, or gives memory back when nothing is.
Framer::Event Framer::wait() {
  if (held_.empty()) {
    // Room for the whole message at once where its length is known, so that it does not grow by doubling.
    held_.reserve(std::max(fed_.size(), head_bytes_ == 0 ? 0 : head_bytes_ + body_bytes_));
    held_.assign(fed_);
    fed_ = {};
  } else if (held_read_ == held_.size()) {
    held_.clear();
    held_read_ = 0;
  }
  if (held_.empty() && held_.capacity() > kept_capacity) std::string().swap(held_);
  return Event::need_more;
}

Framer::Event Framer::refuse(std::uint16_t status, std::string_view reason) {
  verdict_ = {status, reason};
  return Event::refused;
}

// Between messages only. True: `event` is what next() returns.
bool Framer::skip_keep_alive(Event& event) {
  for (;;) {
    const std::string_view rest = window();
    if (rest.empty() || rest[0] != '\r') return false;
    if (rest.size() == 1) {
      event = wait();
      return true;
    }
    if (rest[1] != '\n') {
      event = refuse(400, "Bare CR");
      return true;
    }
    if (side_ == Side::dialled) {
      consume(2);
      event = Event::pong;
      return true;
    }
    // RFC 5626 3.5.1: the ping is a double CRLF. Half of one may still become whole.
    if (rest.size() == 2 || (rest.size() == 3 && rest[2] == '\r')) {
      event = wait();
      return true;
    }
    if (rest[2] == '\r' && rest[3] == '\n') {
      consume(4);
      event = Event::ping;
      return true;
    }
    consume(2);  // RFC 3261 7.5: a stray CRLF before the start line
  }
}

// Garbage is told from SIP by the first byte, or at the latest by the first line.
Verdict Framer::judge_start(std::string_view window) {
  if (start_judged_ || window.empty()) return {};
  if (!is_token_char(window[0])) return {400, "Not SIP"};
  const std::size_t line_end = window.find('\n', scanned_);
  if (line_end == std::string_view::npos) return {};
  start_judged_ = true;
  return names_sip(window.substr(0, line_end)) ? Verdict{} : Verdict{400, "Not SIP"};
}

// One pass over lines, which also finds Content-Length: on a stream it is what ends the message (RFC 3261 18.3).
bool Framer::find_head_end(std::string_view window) {
  for (;;) {
    const void* const found = scanned_ < window.size() ? std::memchr(window.data() + scanned_, '\n', window.size() - scanned_) : nullptr;
    if (found == nullptr) {
      scanned_ = window.size();
      return false;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - window.data());
    scanned_ = at + 1;
    if (at == 0 || window[at - 1] != '\r') continue;  // no line end; parse() refuses it
    const bool is_folded = line_ != 0 && (window[line_] == ' ' || window[line_] == '\t');
    // A field ends where the next line is no continuation of it.
    if (line_ != 0 && !is_folded) {
      if (field_ != 0) judge_field(window.substr(field_, line_ - 2 - field_));
      field_ = line_;
    }
    const bool is_empty = line_ + 1 == at;
    line_ = scanned_;
    if (is_empty && scanned_ > 2) {
      head_bytes_ = scanned_;
      return true;
    }
  }
}

void Framer::judge_field(std::string_view field) {
  if (!head_verdict_.ok()) return;
  if (++fields_ > limits_.headers) {
    head_verdict_ = {513, "Too many header fields"};
    return;
  }
  const std::string_view value = content_length_value(field);
  if (value.data() == nullptr) return;
  const auto length = parse_number(value);
  if (!length) {
    head_verdict_ = {400, "Malformed Content-Length"};
  } else if (has_length_) {
    head_verdict_ = {400, "Repeated Content-Length"};
  } else {
    has_length_ = true;
    body_bytes_ = *length;
  }
}

Verdict Framer::judge_head() const {
  if (!head_verdict_.ok()) return head_verdict_;
  if (!has_length_) return {400, "Missing Content-Length"};
  if (body_bytes_ > limits_.body_bytes) return {413, "Request Entity Too Large"};
  return {};
}

Framer::Event Framer::next(std::string_view& frame) {
  frame = {};
  if (!verdict_.ok()) return Event::refused;
  if (head_bytes_ == 0) {
    Event event;
    if (scanned_ == 0 && skip_keep_alive(event)) return event;
    const std::string_view rest = window();
    if (rest.empty()) return wait();
    if (const Verdict start = judge_start(rest); !start) return refuse(start.status, start.reason);
    const bool found = find_head_end(rest);
    if ((found ? head_bytes_ : rest.size()) > limits_.head_bytes) {
      frame = rest.substr(0, limits_.head_bytes);  // what stands before the endless field may allow an answer
      return refuse(513, "Header section too large");
    }
    if (!found) return wait();
    frame = rest.substr(0, head_bytes_);
    if (const Verdict head = judge_head(); !head) return refuse(head.status, head.reason);
  }
  const std::string_view rest = window();
  const std::size_t bytes = head_bytes_ + body_bytes_;
  frame = {};
  if (rest.size() < bytes) return wait();
  frame = rest.substr(0, bytes);
  consume(bytes);
  return Event::message;
}

}  // namespace sallyport::sip
