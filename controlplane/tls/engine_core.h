// SPDX-License-Identifier: Apache-2.0
#pragma once
// EngineCore: what both backends of a StreamEngine share: slots of connections, turns of the loop, deadlines, spare chunks.
// A slot outlives its Stream until the kernel has let go of descriptor and buffers; its generation tells late completions apart.
// A turn: take what the kernel reports, let Streams react, flush the Streams that have something to send, submit once.
// Private to this folder; one thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "controlplane/tls/chunk.h"
#include "controlplane/tls/stream.h"
#include "controlplane/tls/stream_engine.h"

namespace sallyport::tls {

class EngineCore {
 public:
  // fd, or a negative errno that stopped accepting for a moment.
  using AcceptCallback = std::function<void(int fd)>;

  struct Slot {
    Stream* stream = nullptr;  // null: free, or the kernel still holds it
    int fd = -1;
    uint32_t generation = 1;
    uint16_t operations = 0;  // in the ring
    bool in_use = false, is_dirty = false, is_sending = false;
    bool is_receiving = false, wants_receive = false;
    bool is_bulk = false;  // it came faster than its reader took it: received piece by piece
    uint32_t idle_ms = 0;
    uint64_t idle_at_ms = 0;  // 0: none
    uint64_t hard_at_ms = 0;
    Chunk sending;
    Chunk receiving;  // of a piece on its way
  };

  EngineCore(boost::asio::io_context& context, const EngineOptions& options);
  virtual ~EngineCore();
  virtual EngineBackend backend() const = 0;

  Outcome<StreamPtr> adopt(int fd);
  uint32_t start_accept(int listen_fd, AcceptCallback callback);
  virtual void stop_accept(uint32_t acceptor) = 0;

  // For Stream.
  Slot& slot(uint32_t index) { return slots_[index]; }
  virtual void want_receive(uint32_t index) = 0;
  virtual void pause_receive(uint32_t index) = 0;
  // Sends slot.sending; a result (bytes or -errno) when done at once, else Stream::on_sent() follows.
  virtual std::optional<int> start_send(uint32_t index) = 0;
  void release(uint32_t index);
  void mark_dirty(uint32_t index);
  void set_idle(uint32_t index, std::chrono::milliseconds idle);
  void set_hard_deadline(uint32_t index, std::chrono::milliseconds deadline);  // 0: none
  ChunkPool& chunks() { return chunks_; }
  EngineCounters& counters() { return counters_; }
  boost::asio::io_context& context() { return context_; }
  size_t open_streams() const { return open_streams_; }

  StreamEngine* engine = nullptr;
  std::string fallback_reason;

 protected:
  struct Acceptor {
    int fd = -1;
    bool is_stalled = false, is_stopped = false, is_armed = false;
    AcceptCallback callback;
  };
  virtual void attach(uint32_t index) = 0;                       // a new slot with its fd
  virtual void let_go(uint32_t index) = 0;                       // stream is gone: end operations, then free_slot()
  virtual void arm_accept(uint32_t id, Acceptor& acceptor) = 0;
  virtual bool reap() = 0;                                       // true: something happened
  virtual void submit() = 0;
  virtual bool has_more() = 0;

  void free_slot(uint32_t index);  // closes the fd
  void close_all();                // destructors of backends call it first
  void schedule_turn();
  void run_turn();
  void accepted(Acceptor& acceptor, int result);
  void received(Slot& slot, std::string_view bytes);
  void refresh_clock();
  void arm_sweep();

  boost::asio::io_context& context_;
  EngineOptions options_;
  EngineCounters counters_;
  std::deque<Slot> slots_;
  std::map<uint32_t, Acceptor> acceptors_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // handlers that outlive the engine see false
  bool in_turn_ = false;

 private:
  void flush_dirty();
  void sweep();

  ChunkPool chunks_;
  std::vector<uint32_t> free_;
  std::vector<std::pair<uint32_t, uint32_t>> dirty_, flushing_;  // slot, generation
  boost::asio::steady_timer sweep_timer_;
  bool sweep_armed_ = false, turn_scheduled_ = false;
  size_t open_streams_ = 0;
  uint32_t next_acceptor_ = 1;
  uint64_t now_ms_ = 0;
};

Outcome<std::unique_ptr<EngineCore>> make_uring_core(boost::asio::io_context& context, const EngineOptions& options);
std::unique_ptr<EngineCore> make_reactor_core(boost::asio::io_context& context, const EngineOptions& options);

}  // namespace sallyport::tls
