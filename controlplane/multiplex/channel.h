// SPDX-License-Identifier: Apache-2.0
#pragma once
// Channel: one byte stream of a multiplex Session, an HTTP/2 stream opened by extended CONNECT (RFC 8441). Flow control reaches from
// reader to writer: what is not taken is not granted anew, so a slow reader holds up its own channel and no other. Bounded: what waits for
// the reader by the channel's window, what waits to be sent by queue_limit_bytes. Lives by shared_ptr; the session's thread.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/dns/waiter.h"
#include "dataplane/abi/fault.h"

namespace sallyport::multiplex {

class Session;
struct SessionCallbacks;

// Beside purpose and name: a few short fields of the opening and of its answer.
using Fields = std::vector<std::pair<std::string, std::string>>;
const std::string* find_field(const Fields& fields, std::string_view name);  // null: not there

// HTTP/2 weight among the channels of a session (RFC 7540 5.3): shares of the connection when it is full.
enum class Weight : uint16_t { bulk = 16, interactive = 128, control = 256 };

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  static constexpr size_t queue_limit_bytes = 256 << 10;

  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // What it is for ("facts", "xmpp-client") and to whom within that; as the opener gave them.
  const std::string& purpose() const { return purpose_; }
  const std::string& name() const { return name_; }
  // Of the opening (on the accepting side) or of the answer (on the opening side).
  const Fields& fields() const { return fields_; }

  // Accepting side: the channel is open from now on, or never was. Once; later calls do nothing. status: 400 to 599.
  void accept(const Fields& fields = {});
  void refuse(int status, std::string_view reason);

  // The next bytes, valid until the next receive(); empty: the other side has finished. One receive() at a time.
  boost::asio::awaitable<Outcome<std::string_view>> receive();
  // Queues a copy and waits while more than queue_limit_bytes wait to be sent.
  boost::asio::awaitable<Outcome<>> write(std::string_view bytes);
  // False when it is closed or the queue is full; the queue is as it was then.
  bool send(std::string_view bytes);
  // No more bytes from this side; what is queued still goes. Idempotent.
  void finish();
  // Ends both directions at once; what is queued is lost. Idempotent.
  void close(std::string_view reason = "closed here");
  bool is_open() const { return session_ != nullptr; }
  const std::string& close_reason() const { return close_reason_; }

  uint64_t received_bytes() const { return received_bytes_; }
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  friend class Session;
  friend struct SessionCallbacks;
  using Received = Outcome<std::string_view>;
  Channel(Session& session, int32_t id) : session_(&session), id_(id) {}
  void on_bytes(std::string_view bytes);
  void on_finished();
  void on_closed(std::string_view reason);
  Received take_ready();
  size_t unsent_bytes() const { return outgoing_.size() - outgoing_at_; }
  size_t copy_unsent(uint8_t* buffer, size_t room);
  Fault closed_fault() const;

  Session* session_;  // null once closed
  int32_t id_;
  std::string purpose_, name_;
  Fields fields_;
  std::string incoming_, lent_;  // lent_: behind the view that receive() returned
  std::string outgoing_;
  size_t outgoing_at_ = 0;
  size_t unread_bytes_ = 0;  // of its window, until receive() is called again
  int status_ = 0;           // of the answer
  bool is_connect_ = false, is_ended_by_peer_ = false, is_finished_ = false, is_answered_ = false;
  Waiter<Received> receiver_;
  Waiter<Outcome<>> writer_;
  std::string close_reason_;
  uint64_t received_bytes_ = 0, sent_bytes_ = 0;
};

using ChannelPtr = std::shared_ptr<Channel>;

}  // namespace sallyport::multiplex
