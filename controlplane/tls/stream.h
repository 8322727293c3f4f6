// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stream: one byte stream (TCP or Unix socket, plain or TLS), driven by the StreamEngine of its thread; use it on that thread only.
// Lives by shared_ptr. Pending operations keep it alive; close() ends them with a Fault, and the last owner's release closes it too.
// What the kernel still uses (buffers in flight, descriptor) belongs to the engine, so a Stream may go at any time.
// Memory: idle it holds no buffers. Bounded: the send queue by queue_limit, unread bytes by receive_limit (then TCP pushes back).

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/dns/waiter.h"
#include "controlplane/tls/chunk.h"
#include "controlplane/tls/socket_address.h"
#include "controlplane/tls/tls_policy.h"
#include "dataplane/abi/fault.h"

namespace sallyport::tls {

class StreamEngine;
class EngineCore;
class TlsSession;

using ByteReader = std::function<bool(std::string_view)>;

enum class SendVerdict : uint8_t { queued, queue_full, closed };

struct StreamLimits {
  uint32_t queue_limit_bytes = 1 << 20;     // send() refuses beyond it
  uint32_t low_water_bytes = 64 << 10;      // write() waits while more than this is queued
  uint32_t receive_limit_bytes = 64 << 10;  // bytes received but not yet taken
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The next bytes, valid until the next receive(), close() or release of the Stream; empty: the peer ended its side.
  // One receive() at a time. Cancellation (operator||, cancel_after) leaves the stream usable and loses no byte.
  boost::asio::awaitable<Outcome<std::string_view>> receive();
  // Hands every run of bytes to the reader as it arrives, within the engine's turn and without resuming a coroutine for each, until
  // the reader returns false or the peer ends its side (Done), or the stream closes (Fault). A view lasts as long as the reader's call.
  boost::asio::awaitable<Outcome<>> receive_each(ByteReader reader);
  // Copies into a caller's buffer, for parsers that own theirs; 0: the peer ended its side.
  boost::asio::awaitable<Outcome<size_t>> read_some(char* buffer, size_t size);

  // Queues now, goes out at the end of this turn of the loop: what is queued in one turn shares TLS records and one system call.
  // Never blocks and never throws; queue_full leaves the queue as it was.
  SendVerdict send(std::string_view bytes);
  // send(), then waits while more than low_water_bytes is queued: the form for bulk producers.
  boost::asio::awaitable<Outcome<>> write(std::string_view bytes);
  // Waits until the kernel has taken all that is queued but so much.
  boost::asio::awaitable<Outcome<>> drain(size_t but_bytes = 0);

  // Drains, sends close_notify and FIN, then waits for the peer's end or the deadline, then closes.
  boost::asio::awaitable<void> shutdown(std::chrono::milliseconds deadline);
  // Queues close_notify and FIN behind what is queued, and closes by itself when out, at the latest after the deadline.
  void close_after_send(std::chrono::milliseconds deadline = std::chrono::seconds(5));
  // At once; pending operations end with a Fault (code refused) that carries the reason. Idempotent.
  void close(std::string_view reason = "closed here");
  bool is_open() const { return open_ && !closing_; }
  // Why it ended, for the log; empty while open.
  const std::string& close_reason() const { return close_reason_; }
  // The peer ended without close_notify: what was read may be cut short.
  bool truncated() const { return truncated_; }
  // TLS alert that ended it after the handshake, -1: none. With TLS 1.3 a client learns so that its certificate was refused.
  int alert() const { return alert_; }

  // Turns a plain stream into TLS (at once after accept, or for STARTTLS). nullopt: established. After a failure the stream is closed.
  // name (server): chooses the certificate where the client sends no SNI.
  // peer_names (client): one must match the server's SAN; empty takes the sni, else the peer's IP. An address is never sent as SNI.
  boost::asio::awaitable<std::optional<HandshakeFailure>> secure_server(std::shared_ptr<TlsPolicy> policy, std::chrono::milliseconds deadline, std::string name = {});
  boost::asio::awaitable<std::optional<HandshakeFailure>> secure_client(std::shared_ptr<TlsPolicy> policy, std::string sni,
                                                                        std::vector<std::string> peer_names, std::chrono::milliseconds deadline);

  // Closes with "idle for N s" when nothing was received for so long; 0 switches it off. Granularity 250 ms.
  void set_idle_deadline(std::chrono::milliseconds idle);
  void set_limits(const StreamLimits& limits) { limits_ = limits; }  // from now on
  // One of few connections that carry much: its TLS buffers stay between records, in the caches. Costs memory while idle (33 kB).
  void expect_bulk();

  // Keeps something until close(), such as the place in a source's limits.
  void hold_until_closed(std::shared_ptr<void> guard) { guard_ = std::move(guard); }

  // A TLS connection that goes on in another process: hold() stops reading; when nothing is under way any more (is_still) detach() takes
  // connection and TLS state out of the stream, which is closed then without a word to the peer.
  struct Detached {
    int fd = -1;
    std::unique_ptr<TlsSession> session;
    Detached();
    Detached(Detached&&) noexcept;
    ~Detached();
  };
  void hold();
  bool is_still() const;
  Detached detach();
  // This is a local socket on which another process carries the plain bytes of a TLS connection between these addresses.
  void stand_in(const SocketAddress& local, const SocketAddress& peer) {
    local_ = local;
    peer_ = peer;
    stands_in_ = true;
  }

  const SocketAddress& local_address() const { return local_; }
  const SocketAddress& peer_address() const { return peer_; }
  bool is_tls() const { return session_ != nullptr || stands_in_; }
  // Built on each call from the TLS state; empty facts on a plain stream.
  TlsFacts tls_facts() const;
  std::vector<std::shared_ptr<X509>> peer_chain() const;  // certificates the peer presented, leaf first; empty: none
  size_t queued_bytes() const;
  uint64_t received_bytes() const { return received_bytes_; }  // application bytes
  uint64_t sent_bytes() const { return sent_bytes_; }
  uint64_t id() const { return id_; }  // unique within the process, never reused
  StreamEngine& engine() const { return *engine_; }

 private:
  friend class EngineCore;
  friend class UringCore;
  friend class ReactorCore;
  using Received = Outcome<std::string_view>;
  using HandshakeResult = std::optional<HandshakeFailure>;
  struct Draining {  // a write(), drain() or shutdown() that waits
    size_t threshold_bytes;
    bool until_closed;
    uint64_t id;
    Waiter<Outcome<>> waiter;
  };
  struct Securing {  // a handshake under way
    bool finished = false;
    HandshakeResult result;
    Waiter<HandshakeResult> waiter;
  };

  Stream(EngineCore& core, uint32_t slot, int fd, uint64_t id);
  // Called by the engine, inside its turn.
  void on_bytes(std::string_view bytes);
  void on_end(int error);  // 0: the peer's FIN
  void on_sent(int result);
  void on_deadline(bool is_idle);
  void flush();

  bool finish_send(int result);
  bool fill_wire();
  std::optional<std::string_view> encrypt_at_once(std::string_view bytes);
  void after_sent();
  void notify_draining();
  std::optional<Received> take_ready();
  std::optional<Received> decrypt(std::string_view& input);
  void wait_for_bytes(Waiter<Received> waiter);
    boost::asio::awaitable<Outcome<>> wait_until(size_t threshold_bytes, bool until_closed);
  void add_draining(size_t threshold_bytes, bool until_closed, Waiter<Outcome<>> waiter);
  boost::asio::awaitable<HandshakeResult> secure(Outcome<std::unique_ptr<TlsSession>> made, std::chrono::milliseconds deadline);
  void step_handshake(std::string_view& input);
  void finish_handshake(HandshakeResult result, bool resume_now);
  void resume_receiving();
  void read_each(std::string_view& bytes);
  void finish_each(Outcome<> outcome);
  void linger(std::chrono::milliseconds deadline);
  void release_chunks();
  Fault closed_fault() const;

  EngineCore* core_;  // null once closed
  StreamEngine* engine_;
  uint32_t slot_;
  bool open_ = true, closing_ = false, ended_ = false, truncated_ = false, paused_ = false, established_ = false, more_plain_ = false;
  bool notified_ = false, fin_sent_ = false, stands_in_ = false;
  int alert_ = -1;
  uint64_t id_;
  uint64_t received_bytes_ = 0, sent_bytes_ = 0;
  StreamLimits limits_;
  SocketAddress local_, peer_;
  std::unique_ptr<TlsSession> session_;
  std::unique_ptr<Securing> securing_;
  Chunk unread_;  // from the wire, not yet taken
  Chunk lent_;    // behind the view that receive() returned
  Chunk queue_;   // application bytes to send
  Chunk wire_;    // bytes for the wire, before what is in flight (that is the engine's)
  Waiter<Received> receiver_;
  ByteReader reader_;  // of receive_each(), with its waiter
  Waiter<Outcome<>> each_;
  std::vector<Draining> draining_;
  std::shared_ptr<void> guard_;
  std::shared_ptr<Stream> self_;  // while closing in the background
  std::string close_reason_;
};

using StreamPtr = std::shared_ptr<Stream>;

}  // namespace sallyport::tls
