// SPDX-License-Identifier: Apache-2.0
// The fallback backend, on Asio's epoll reactor: for kernels and containers that deny io_uring.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "controlplane/tls/engine_core.h"

namespace sallyport::tls {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

constexpr int reads_per_wakeup = 4;
constexpr int accepts_per_wakeup = 64;

}  // namespace

class ReactorCore final : public EngineCore {
 public:
  ReactorCore(boost::asio::io_context& context, const EngineOptions& options) : EngineCore(context, options), scratch_(Chunk::small_bytes) {}
  ~ReactorCore() override {
    close_all();
    *alive_ = false;
    for (auto& descriptor : descriptors_) descriptor.reset();
    for (auto& [id, descriptor] : accepting_) descriptor->release();
  }

  EngineBackend backend() const override { return EngineBackend::epoll; }

  void stop_accept(uint32_t id) override {
    const auto found = accepting_.find(id);
    if (found != accepting_.end()) {
      found->second->release();
      accepting_.erase(found);
    }
    const auto acceptor = acceptors_.find(id);
    if (acceptor == acceptors_.end()) return;
    acceptor->second.is_stopped = true;
    if (!in_turn_) acceptors_.erase(acceptor);
  }

  void want_receive(uint32_t index) override {
    slots_[index].wants_receive = true;
    if (!slots_[index].is_receiving) wait_readable(index);
  }

  void pause_receive(uint32_t index) override { slots_[index].wants_receive = false; }

  std::optional<int> start_send(uint32_t index) override {
    Slot& entry = slots_[index];
    const std::string_view bytes = entry.sending.view();
    const ssize_t sent = ::send(entry.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<int>(sent);
    if (errno != EAGAIN && errno != EINTR) return -errno;
    entry.is_sending = true;
    descriptors_[index]->async_wait(Descriptor::wait_write, [this, alive = alive_, index, generation = entry.generation](const boost::system::error_code& error) {
      if (error || !*alive || slots_[index].generation != generation) return;
      in_turn_ = true;
      slots_[index].is_sending = false;
      if (slots_[index].stream != nullptr) slots_[index].stream->on_sent(0);
      run_turn();
    });
    return std::nullopt;
  }

 private:
  void attach(uint32_t index) override {
    if (descriptors_.size() <= index) descriptors_.resize(index + 1);
    descriptors_[index] = std::make_unique<Descriptor>(context_, slots_[index].fd);
  }

  void let_go(uint32_t index) override {
    descriptors_[index].reset();  // closes the descriptor; its waits end with an error
    slots_[index].fd = -1;
    free_slot(index);
  }

  void wait_readable(uint32_t index) {
    Slot& entry = slots_[index];
    entry.is_receiving = true;
    descriptors_[index]->async_wait(Descriptor::wait_read, [this, alive = alive_, index, generation = entry.generation](const boost::system::error_code& error) {
      if (error || !*alive || slots_[index].generation != generation) return;
      in_turn_ = true;
      slots_[index].is_receiving = false;
      read_some(index, generation);
      Slot& after = slots_[index];
      if (after.generation == generation && after.stream != nullptr && after.wants_receive && !after.is_receiving) wait_readable(index);
      run_turn();
    });
  }

  void read_some(uint32_t index, uint32_t generation) {
    for (int i = 0; i < reads_per_wakeup; ++i) {
      Slot& entry = slots_[index];
      if (entry.generation != generation || entry.stream == nullptr || !entry.wants_receive) return;
      const ssize_t bytes = ::recv(entry.fd, scratch_.tail(), scratch_.tail_room(), MSG_DONTWAIT);
      if (bytes > 0) {
        received(entry, {scratch_.tail(), static_cast<size_t>(bytes)});
        if (static_cast<size_t>(bytes) < scratch_.tail_room()) return;
        continue;
      }
      if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
      entry.wants_receive = false;
      entry.stream->on_end(bytes == 0 ? 0 : errno);
      return;
    }
  }

  void arm_accept(uint32_t id, Acceptor& acceptor) override {
    auto& descriptor = accepting_[id];
    if (descriptor == nullptr) descriptor = std::make_unique<Descriptor>(context_, acceptor.fd);
    descriptor->async_wait(Descriptor::wait_read, [this, alive = alive_, id](const boost::system::error_code& error) {
      if (error || !*alive) return;
      in_turn_ = true;
      accept_some(id);
      run_turn();
    });
  }

  void accept_some(uint32_t id) {
    for (int i = 0; i < accepts_per_wakeup; ++i) {
      const auto found = acceptors_.find(id);
      if (found == acceptors_.end() || found->second.is_stopped) break;
      const int fd = ::accept4(found->second.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) break;
      accepted(found->second, fd < 0 ? -errno : fd);
      if (fd >= 0) continue;
      found->second.is_stalled = true;
      return arm_sweep();
    }
    const auto found = acceptors_.find(id);
    if (found == acceptors_.end()) return;
    if (found->second.is_stopped) acceptors_.erase(found);
    else arm_accept(id, found->second);
  }

  bool reap() override { return false; }
  void submit() override {}
  bool has_more() override { return false; }

  Chunk scratch_;
  std::vector<std::unique_ptr<Descriptor>> descriptors_;
  std::map<uint32_t, std::unique_ptr<Descriptor>> accepting_;
};

std::unique_ptr<EngineCore> make_reactor_core(boost::asio::io_context& context, const EngineOptions& options) {
  return std::make_unique<ReactorCore>(context, options);
}

}  // namespace sallyport::tls
