// SPDX-License-Identifier: Apache-2.0
// The io_uring backend: multishot accept, multishot receive into a provided buffer ring, one send at a time for each stream.
#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>

#include "controlplane/tls/engine_core.h"

namespace sallyport::tls {
namespace {

enum class Operation : uint8_t { receive = 1, send, accept, cancel };

// operation (8 bits), generation (24), slot or acceptor (32).
uint64_t tag_of(Operation operation, uint32_t generation, uint32_t index) {
  return static_cast<uint64_t>(operation) << 56 | static_cast<uint64_t>(generation) << 32 | index;
}

constexpr int buffer_group = 0;
constexpr unsigned completions_per_round = 1024;
constexpr unsigned bulk_bytes = 64 << 10;

}  // namespace

class UringCore final : public EngineCore {
 public:
  UringCore(boost::asio::io_context& context, const EngineOptions& options) : EngineCore(context, options), ready_(context) {}
  ~UringCore() override;
  Outcome<> open();

  EngineBackend backend() const override { return EngineBackend::io_uring; }
  void stop_accept(uint32_t acceptor) override;
  void want_receive(uint32_t index) override;
  void pause_receive(uint32_t index) override;
  std::optional<int> start_send(uint32_t index) override;

 private:
  void attach(uint32_t) override {}
  void let_go(uint32_t index) override;
  void arm_accept(uint32_t id, Acceptor& acceptor) override;
  bool reap() override;
  void submit() override;
  bool has_more() override;

  io_uring_sqe* next_entry();
  void enable();
  void arm_receive(uint32_t index, Slot& entry);
  void wait_ready();
  void complete(uint64_t tag, int result, uint32_t flags);
  void complete_receive(uint32_t index, Slot& entry, int result, uint32_t flags);
  void complete_accept(uint32_t id, int result, uint32_t flags);
  void give_back(uint32_t buffer);
  void finish_operation(uint32_t index, Slot& entry);
  char* buffer_at(uint32_t buffer) { return buffers_ + static_cast<size_t>(buffer) * options_.receive_buffer_bytes; }

  io_uring ring_{};
  bool ring_open_ = false, enabled_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  size_t buffer_ring_bytes_ = 0;
  char* buffers_ = nullptr;
  size_t buffers_bytes_ = 0;
  uint64_t in_flight_ = 0;  // operations that will complete at least once more
  boost::asio::posix::stream_descriptor ready_;
};

Outcome<> UringCore::open() {
  io_uring_params parameters{};
  // Not DEFER_TASKRUN: epoll does not wake for work that is deferred, so completions would wait for the next system call of ours.
  parameters.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
                     IORING_SETUP_CLAMP;
  parameters.cq_entries = options_.ring_entries * 4;
  int result = io_uring_queue_init_params(options_.ring_entries, &ring_, &parameters);
  if (result < 0) {
    const bool denied = result == -ENOSYS || result == -EPERM || result == -EACCES;
    return Fault{FaultCode::refused, "io_uring", std::string("cannot be used: ") + std::strerror(-result),
                 denied ? "allow io_uring (kernel.io_uring_disabled, seccomp) or choose the epoll backend" : "Linux 6.1 or later is needed; else choose the epoll backend"};
  }
  ring_open_ = true;
  buffer_ring_bytes_ = options_.receive_buffers * sizeof(io_uring_buf);
  buffers_bytes_ = static_cast<size_t>(options_.receive_buffers) * options_.receive_buffer_bytes;
  void* ring_memory = mmap(nullptr, buffer_ring_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* memory = mmap(nullptr, buffers_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ring_memory != MAP_FAILED) buffer_ring_ = static_cast<io_uring_buf_ring*>(ring_memory);
  if (memory != MAP_FAILED) buffers_ = static_cast<char*>(memory);
  if (buffer_ring_ == nullptr || buffers_ == nullptr) return Fault{FaultCode::exhausted, "io_uring", "no memory for receive buffers", "lower receive_buffers"};
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
  registration.ring_entries = options_.receive_buffers;
  registration.bgid = buffer_group;
  result = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (result < 0) return Fault{FaultCode::refused, "io_uring", std::string("has no provided buffer rings: ") + std::strerror(-result), "use Linux 6.1 or later"};
  io_uring_buf_ring_init(buffer_ring_);
  const int mask = io_uring_buf_ring_mask(options_.receive_buffers);
  for (uint32_t i = 0; i < options_.receive_buffers; ++i) {
    io_uring_buf_ring_add(buffer_ring_, buffer_at(i), options_.receive_buffer_bytes, static_cast<uint16_t>(i), mask, static_cast<int>(i));
  }
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(options_.receive_buffers));
  ready_.assign(ring_.ring_fd);
  wait_ready();
  return Done{};
}

UringCore::~UringCore() {
  close_all();
  *alive_ = false;
  if (ready_.is_open()) ready_.release();
  if (ring_open_) {
    enable();
    // The kernel may still read buffers of sends in flight: cancel everything and wait for it, within a bound.
    for (int round = 0; in_flight_ > 0 && round < 50; ++round) {
      if (io_uring_sqe* entry = next_entry()) {
        io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        io_uring_sqe_set_data64(entry, tag_of(Operation::cancel, 0, 0));
      }
      __kernel_timespec patience{0, 20'000'000};
      io_uring_cqe* completion = nullptr;
      io_uring_submit_and_wait_timeout(&ring_, &completion, 1, &patience, nullptr);
      reap();
    }
    io_uring_queue_exit(&ring_);
    // What did not complete, because another thread than the loop's destroys us: that thread's end has cancelled it.
    for (uint32_t index = 0; index < slots_.size(); ++index) {
      if (slots_[index].in_use) free_slot(index);
    }
  }
  if (buffer_ring_ != nullptr) munmap(buffer_ring_, buffer_ring_bytes_);
  if (buffers_ != nullptr) munmap(buffers_, buffers_bytes_);
}

// The ring belongs to the thread that enables it (SINGLE_ISSUER): that is the one that runs the loop, not the one that made us.
void UringCore::enable() {
  if (enabled_) return;
  enabled_ = true;
  // Not io_uring_enable_rings(): liburing 2.3 forgot to export it.
  io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

io_uring_sqe* UringCore::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    enable();
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
  }
  return entry;
}

void UringCore::wait_ready() {
  ready_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    run_turn();
    if (*alive) wait_ready();
  });
}

bool UringCore::has_more() {
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  return enabled_ && (io_uring_cq_ready(&ring_) != 0 || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0);
}

void UringCore::submit() {
  enable();
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  if (io_uring_sq_ready(&ring_) != 0 || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) io_uring_submit_and_get_events(&ring_);
}

bool UringCore::reap() {
  enable();
  bool moved = false;
  if (io_uring_cq_ready(&ring_) == 0) submit();
  io_uring_cqe* completion = nullptr;
  for (unsigned taken = 0; taken < completions_per_round && io_uring_peek_cqe(&ring_, &completion) == 0; ++taken) {
    const uint64_t tag = io_uring_cqe_get_data64(completion);
    const int result = completion->res;
    const uint32_t flags = completion->flags;
    io_uring_cqe_seen(&ring_, completion);  // before reacting: what Streams do may need room in the ring
    moved = true;
    complete(tag, result, flags);
  }
  return moved;
}

void UringCore::complete(uint64_t tag, int result, uint32_t flags) {
  const auto operation = static_cast<Operation>(tag >> 56);
  const auto index = static_cast<uint32_t>(tag);
  const auto generation = static_cast<uint32_t>(tag >> 32) & 0xffffff;
  if (operation == Operation::cancel) return;
  if ((flags & IORING_CQE_F_MORE) == 0) --in_flight_;
  if (operation == Operation::accept) return complete_accept(index, result, flags);
  Slot* entry = index < slots_.size() ? &slots_[index] : nullptr;
  if (entry == nullptr || !entry->in_use || entry->generation != generation) {
    if ((flags & IORING_CQE_F_BUFFER) != 0) give_back(flags >> IORING_CQE_BUFFER_SHIFT);
    return;
  }
  if (operation == Operation::receive) return complete_receive(index, *entry, result, flags);
  --entry->operations;
  entry->is_sending = false;
  if (entry->stream != nullptr) entry->stream->on_sent(result);
  finish_operation(index, *entry);
}

void UringCore::complete_receive(uint32_t index, Slot& entry, int result, uint32_t flags) {
  const bool is_last = (flags & IORING_CQE_F_MORE) == 0;
  // The operation counts until the end of this function, so that the slot stays ours while the Stream reacts.
  if (is_last) entry.is_receiving = false;
  if (entry.receiving.owns_memory()) {
    Chunk piece = std::move(entry.receiving);
    if (result > 0) piece.grew(static_cast<size_t>(result));
    if (result == -EAGAIN) entry.is_bulk = false;
    if (result > 0 && entry.stream != nullptr) received(entry, piece.view());
    chunks().give(std::move(piece));
  } else if (result > 0 && entry.stream != nullptr) received(entry, {buffer_at(flags >> IORING_CQE_BUFFER_SHIFT), static_cast<size_t>(result)});
  if ((flags & IORING_CQE_F_BUFFER) != 0) give_back(flags >> IORING_CQE_BUFFER_SHIFT);
  if (entry.stream != nullptr && result <= 0) {
    if (result == -ENOBUFS) ++counters_.buffers_exhausted;
    else if (result != -ECANCELED && result != -EAGAIN) {
      entry.wants_receive = false;
      entry.stream->on_end(-result);
    }
  }
  if (!is_last) return;
  --entry.operations;
  if (entry.stream != nullptr && entry.wants_receive && !entry.is_receiving) arm_receive(index, entry);
  finish_operation(index, entry);
}

void UringCore::finish_operation(uint32_t index, Slot& entry) {
  if (entry.in_use && entry.stream == nullptr && entry.operations == 0) free_slot(index);
}

void UringCore::give_back(uint32_t buffer) {
  io_uring_buf_ring_add(buffer_ring_, buffer_at(buffer), options_.receive_buffer_bytes, static_cast<uint16_t>(buffer),
                        io_uring_buf_ring_mask(options_.receive_buffers), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void UringCore::arm_receive(uint32_t index, Slot& entry) {
  io_uring_sqe* request = next_entry();
  if (request == nullptr) return mark_dirty(index);
  if (entry.is_bulk) {
    entry.receiving = chunks().take_large();
    // Not to wait for: a stream that has nothing to say holds no memory.
    io_uring_prep_recv(request, entry.fd, entry.receiving.tail(), bulk_bytes, MSG_DONTWAIT);
  } else {
    io_uring_prep_recv_multishot(request, entry.fd, nullptr, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = buffer_group;
  }
  io_uring_sqe_set_data64(request, tag_of(Operation::receive, entry.generation, index));
  entry.is_receiving = true;
  ++entry.operations;
  ++in_flight_;
}

void UringCore::want_receive(uint32_t index) {
  Slot& entry = slots_[index];
  entry.wants_receive = true;
  if (entry.is_receiving) return;
  arm_receive(index, entry);
  schedule_turn();
}

void UringCore::pause_receive(uint32_t index) {
  Slot& entry = slots_[index];
  entry.wants_receive = false;
  // Multishot receives run far ahead of a reader before the cancellation takes effect, and what they bring leaves the caches meanwhile.
  entry.is_bulk = true;
  if (!entry.is_receiving) return;
  if (io_uring_sqe* request = next_entry()) {
    io_uring_prep_cancel64(request, tag_of(Operation::receive, entry.generation, index), 0);
    io_uring_sqe_set_data64(request, tag_of(Operation::cancel, 0, 0));
    schedule_turn();
  }
}

std::optional<int> UringCore::start_send(uint32_t index) {
  Slot& entry = slots_[index];
  io_uring_sqe* request = next_entry();
  if (request == nullptr) return -ENOBUFS;
  const std::string_view bytes = entry.sending.view();
  io_uring_prep_send(request, entry.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_WAITALL);
  io_uring_sqe_set_data64(request, tag_of(Operation::send, entry.generation, index));
  entry.is_sending = true;
  ++entry.operations;
  ++in_flight_;
  return std::nullopt;
}

void UringCore::let_go(uint32_t index) {
  Slot& entry = slots_[index];
  if (entry.operations == 0) return free_slot(index);
  if (io_uring_sqe* request = next_entry()) {
    io_uring_prep_cancel_fd(request, entry.fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(request, tag_of(Operation::cancel, 0, 0));
  } else {
    ::shutdown(entry.fd, SHUT_RDWR);  // ends the operations as well, less politely
  }
  schedule_turn();
}

void UringCore::arm_accept(uint32_t id, Acceptor& acceptor) {
  io_uring_sqe* request = next_entry();
  acceptor.is_stalled = request == nullptr;
  if (request == nullptr) return arm_sweep();
  io_uring_prep_multishot_accept(request, acceptor.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  io_uring_sqe_set_data64(request, tag_of(Operation::accept, 0, id));
  acceptor.is_armed = true;
  ++in_flight_;
  schedule_turn();
}

void UringCore::complete_accept(uint32_t id, int result, uint32_t flags) {
  const auto found = acceptors_.find(id);
  if (found == acceptors_.end()) {
    if (result >= 0) ::close(result);
    return;
  }
  Acceptor& acceptor = found->second;
  if ((flags & IORING_CQE_F_MORE) == 0) acceptor.is_armed = false;
  accepted(acceptor, result);
  if (acceptor.is_armed) return;
  if (acceptor.is_stopped) {
    acceptors_.erase(id);
    return;
  }
  if (result >= 0) return arm_accept(id, acceptor);
  acceptor.is_stalled = true;  // no descriptors left, most likely: try again a little later
  arm_sweep();
}

void UringCore::stop_accept(uint32_t id) {
  const auto found = acceptors_.find(id);
  if (found == acceptors_.end() || found->second.is_stopped) return;
  found->second.is_stopped = true;
  found->second.is_stalled = false;
  if (!found->second.is_armed) {
    if (!in_turn_) acceptors_.erase(found);
    return;
  }
  if (io_uring_sqe* request = next_entry()) {
    io_uring_prep_cancel64(request, tag_of(Operation::accept, 0, id), 0);
    io_uring_sqe_set_data64(request, tag_of(Operation::cancel, 0, 0));
    schedule_turn();
  }
}

Outcome<std::unique_ptr<EngineCore>> make_uring_core(boost::asio::io_context& context, const EngineOptions& options) {
  auto core = std::make_unique<UringCore>(context, options);
  const auto opened = core->open();
  if (!opened) return opened.fault();
  return std::unique_ptr<EngineCore>(std::move(core));
}

}  // namespace sallyport::tls
