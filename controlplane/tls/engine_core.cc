// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/engine_core.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <cerrno>

namespace sallyport::tls {
namespace {

constexpr std::chrono::milliseconds sweep_interval{250};
constexpr int rounds_per_turn = 8;  // then other handlers of the thread get their chance
std::atomic<uint64_t> next_stream_id{1};

}  // namespace

EngineCore::EngineCore(boost::asio::io_context& context, const EngineOptions& options) : context_(context), options_(options), sweep_timer_(context) {
  refresh_clock();
}

EngineCore::~EngineCore() { *alive_ = false; }

void EngineCore::close_all() {
  for (auto& entry : slots_) {
    if (entry.stream != nullptr) entry.stream->shared_from_this()->close("the engine stopped");
  }
  std::vector<uint32_t> ids;
  for (const auto& [id, acceptor] : acceptors_) ids.push_back(id);
  for (const uint32_t id : ids) stop_accept(id);
}

void EngineCore::refresh_clock() {
  now_ms_ = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

Outcome<StreamPtr> EngineCore::adopt(int fd) {
  if (open_streams_ >= options_.max_streams || (free_.empty() && slots_.size() >= 2ull * options_.max_streams)) {
    ::close(fd);
    return Fault{FaultCode::exhausted, "stream engine", "already carries " + std::to_string(open_streams_) + " streams", "raise its limit or add threads"};
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on AF_UNIX, which needs none
  uint32_t index;
  if (free_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& entry = slots_[index];
  entry.fd = fd;
  entry.in_use = true;
  const StreamPtr stream(new Stream(*this, index, fd, next_stream_id.fetch_add(1, std::memory_order_relaxed)));
  entry.stream = stream.get();
  ++open_streams_;
  attach(index);
  want_receive(index);
  schedule_turn();
  return stream;
}

void EngineCore::release(uint32_t index) {
  Slot& entry = slots_[index];
  entry.stream = nullptr;
  entry.wants_receive = false;
  entry.idle_at_ms = entry.hard_at_ms = 0;
  entry.idle_ms = 0;
  --open_streams_;
  ++counters_.closed;
  let_go(index);
}

void EngineCore::free_slot(uint32_t index) {
  Slot& entry = slots_[index];
  if (entry.fd >= 0) ::close(entry.fd);
  if (entry.sending.owns_memory()) chunks_.give(std::move(entry.sending));
  const uint32_t generation = (entry.generation + 1) & 0xffffff;
  entry = Slot{};
  entry.generation = generation == 0 ? 1 : generation;
  free_.push_back(index);
}

uint32_t EngineCore::start_accept(int listen_fd, AcceptCallback callback) {
  const uint32_t id = next_acceptor_++;
  Acceptor& acceptor = acceptors_[id];
  acceptor.fd = listen_fd;
  acceptor.callback = std::move(callback);
  arm_accept(id, acceptor);
  schedule_turn();
  return id;
}

void EngineCore::accepted(Acceptor& acceptor, int result) {
  if (acceptor.is_stopped) {
    if (result >= 0) ::close(result);
    return;
  }
  if (result < 0) ++counters_.accept_failed;
  else ++counters_.accepted;
  acceptor.callback(result);
}

void EngineCore::received(Slot& entry, std::string_view bytes) {
  ++counters_.receives;
  counters_.received_bytes += bytes.size();
  if (entry.idle_ms != 0) entry.idle_at_ms = now_ms_ + entry.idle_ms;
  entry.stream->on_bytes(bytes);
}

void EngineCore::mark_dirty(uint32_t index) {
  Slot& entry = slots_[index];
  if (entry.is_dirty) return;
  entry.is_dirty = true;
  dirty_.emplace_back(index, entry.generation);
  schedule_turn();
}

void EngineCore::schedule_turn() {
  if (in_turn_ || turn_scheduled_) return;
  turn_scheduled_ = true;
  boost::asio::post(context_, [this, alive = alive_] {
    if (!*alive) return;
    turn_scheduled_ = false;
    run_turn();
  });
}

void EngineCore::run_turn() {
  in_turn_ = true;
  ++counters_.turns;
  refresh_clock();
  const std::shared_ptr<bool> alive = alive_;
  bool more = true;
  for (int round = 0; more && round < rounds_per_turn; ++round) {
    const bool moved = reap();
    flush_dirty();
    submit();
    more = has_more() || !dirty_.empty() || (moved && round == 0);
  }
  in_turn_ = false;
  if (has_more() || !dirty_.empty()) schedule_turn();
}

void EngineCore::flush_dirty() {
  flushing_.swap(dirty_);
  for (const auto& [index, generation] : flushing_) {
    Slot& entry = slots_[index];
    if (entry.generation != generation || !entry.in_use) continue;
    entry.is_dirty = false;
    if (entry.stream != nullptr) entry.stream->flush();
  }
  flushing_.clear();
}

void EngineCore::set_idle(uint32_t index, std::chrono::milliseconds idle) {
  refresh_clock();
  Slot& entry = slots_[index];
  entry.idle_ms = static_cast<uint32_t>(idle.count());
  entry.idle_at_ms = idle.count() == 0 ? 0 : now_ms_ + static_cast<uint64_t>(idle.count());
  if (entry.idle_at_ms != 0) arm_sweep();
}

void EngineCore::set_hard_deadline(uint32_t index, std::chrono::milliseconds deadline) {
  refresh_clock();
  slots_[index].hard_at_ms = deadline.count() == 0 ? 0 : now_ms_ + static_cast<uint64_t>(deadline.count());
  if (deadline.count() != 0) arm_sweep();
}

void EngineCore::arm_sweep() {
  if (sweep_armed_) return;
  sweep_armed_ = true;
  sweep_timer_.expires_after(sweep_interval);
  sweep_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    sweep_armed_ = false;
    sweep();
  });
}

void EngineCore::sweep() {
  refresh_clock();
  in_turn_ = true;
  bool needed = false;
  for (size_t index = 0; index < slots_.size(); ++index) {
    Slot& entry = slots_[index];
    if (entry.stream == nullptr || (entry.idle_at_ms == 0 && entry.hard_at_ms == 0)) continue;
    needed = true;
    const bool is_hard = entry.hard_at_ms != 0 && entry.hard_at_ms <= now_ms_;
    const bool is_idle = entry.idle_at_ms != 0 && entry.idle_at_ms <= now_ms_;
    if (!is_hard && !is_idle) continue;
    if (is_hard) entry.hard_at_ms = 0;
    else ++counters_.idle_closed;
    entry.stream->on_deadline(!is_hard);
  }
  for (auto& [id, acceptor] : acceptors_) {
    if (!acceptor.is_stalled) continue;
    acceptor.is_stalled = false;
    arm_accept(id, acceptor);
  }
  in_turn_ = false;
  if (needed) arm_sweep();
  schedule_turn();
}

}  // namespace sallyport::tls
