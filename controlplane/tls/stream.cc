// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "controlplane/tls/engine_core.h"
#include "controlplane/tls/tls_session.h"

namespace sallyport::tls {
namespace {

namespace asio = boost::asio;

constexpr size_t record_bytes = 16384;             // of TLS, full
constexpr size_t small_record_bytes = 512;         // such as the head of a frame
constexpr size_t encrypt_ahead_bytes = ChunkPool::large_bytes;
constexpr size_t encrypt_at_once_bytes = 64 << 10;  // one system call carries at most about this much
constexpr std::chrono::milliseconds alert_deadline{1000};

Fault cancelled_fault() { return Fault{FaultCode::refused, "stream", "the operation was cancelled", ""}; }

}  // namespace

Stream::Stream(EngineCore& core, uint32_t slot, int fd, uint64_t id)
    : core_(&core), engine_(core.engine), slot_(slot), id_(id), local_(SocketAddress::local_of(fd)), peer_(SocketAddress::peer_of(fd)) {}

Stream::~Stream() {
  if (core_ == nullptr) return;
  release_chunks();
  core_->release(slot_);
}

Fault Stream::closed_fault() const {
  return Fault{FaultCode::refused, "connection with " + peer_.text(), close_reason_.empty() ? "is being closed" : close_reason_, ""};
}

// --- receiving -------------------------------------------------------------------------------------------------------------------

asio::awaitable<Outcome<std::string_view>> Stream::receive() {
  const auto self = shared_from_this();
  if (auto ready = take_ready()) co_return std::move(*ready);
  co_return co_await wait_for<Received>([this](Waiter<Received> waiter) { wait_for_bytes(std::move(waiter)); });
}

asio::awaitable<Outcome<>> Stream::receive_each(ByteReader reader) {
  const auto self = shared_from_this();
  // What waits already, by the ordinary way.
  while (auto ready = take_ready()) {
    if (!*ready) co_return ready->fault();
    if ((*ready)->empty() || !reader(**ready)) co_return Done{};
  }
  co_return co_await wait_for<Outcome<>>([this, &reader](Waiter<Outcome<>> waiter) {
    if (receiver_ || each_) return waiter.post(core_->context(), Fault{FaultCode::conflict, "stream", "another receive() is waiting", ""});
    reader_ = std::move(reader);
    each_ = std::move(waiter);
    each_.on_cancel([this] {
      reader_ = nullptr;
      if (each_ && core_ != nullptr) each_.post(core_->context(), cancelled_fault());
    });
  });
}

// Feeds the reader as long as it wants; what it leaves stays in `bytes`.
void Stream::read_each(std::string_view& bytes) {
  if (session_ == nullptr) {
    const std::string_view run = std::exchange(bytes, {});
    received_bytes_ += run.size();
    if (!reader_(run)) finish_each(Done{});
    return;
  }
  while (reader_) {
    const auto ready = decrypt(bytes);
    if (!ready) return;
    if (!*ready) return finish_each(ready->fault());
    if ((*ready)->empty() || !reader_(**ready)) return finish_each(Done{});
    if (core_ == nullptr) return;
    core_->chunks().give(std::move(lent_));
    if (!bytes.empty() || more_plain_) continue;
    if (ended_) finish_each(Done{});
    return;
  }
}

void Stream::finish_each(Outcome<> outcome) {
  reader_ = nullptr;
  if (each_) each_.resume(std::move(outcome));
}

asio::awaitable<Outcome<size_t>> Stream::read_some(char* buffer, size_t size) {
  const auto self = shared_from_this();
  if (size == 0) co_return size;
  if (lent_.empty()) {
    const auto received = co_await receive();
    if (!received) co_return received.fault();
    if (received->empty()) co_return size_t{0};
  }
  const size_t taken = std::min(size, lent_.size());
  std::memcpy(buffer, lent_.view().data(), taken);
  lent_.consume(taken);
  co_return taken;
}

std::optional<Stream::Received> Stream::take_ready() {
  if (core_ == nullptr) return closed_fault();
  if (lent_.owns_memory()) core_->chunks().give(std::move(lent_));
  if (securing_ != nullptr) return Received(Fault{FaultCode::invalid, "connection with " + peer_.text(), "is in its TLS handshake", ""});
  std::optional<Received> ready;
  if (session_ == nullptr) {
    if (!unread_.empty()) {
      lent_ = std::move(unread_);
      received_bytes_ += lent_.size();
      ready = lent_.view();
    }
  } else if (!unread_.empty() || more_plain_) {
    std::string_view input = unread_.view();
    ready = decrypt(input);
    if (core_ != nullptr) {
      unread_.consume(unread_.size() - input.size());
      if (unread_.empty() && unread_.owns_memory()) core_->chunks().give(std::move(unread_));
    }
  }
  if (core_ != nullptr) resume_receiving();
  if (!ready && ended_) ready = std::string_view();
  return ready;
}

void Stream::resume_receiving() {
  if (!paused_ || ended_ || unread_.size() > limits_.receive_limit_bytes / 2) return;
  paused_ = false;
  core_->want_receive(slot_);
}

// Decrypts into lent_. Nothing: more ciphertext is needed. What it answers with a Fault has closed the stream.
std::optional<Stream::Received> Stream::decrypt(std::string_view& input) {
  if (!lent_.owns_memory()) lent_ = core_->chunks().take();
  const TlsSession::Read verdict = session_->read(input, lent_, wire_);
  more_plain_ = verdict == TlsSession::Read::more;
  if (!wire_.empty()) core_->mark_dirty(slot_);
  if (verdict == TlsSession::Read::failed) {
    const HandshakeFailure failure = session_->read_failure();
    if (failure.alert >= 0) alert_ = failure.alert;
    Fault fault{FaultCode::refused, "connection with " + peer_.text(), failure.text, failure.remedy};
    if (lent_.empty()) {
      if (close_reason_.empty()) close_reason_ = fault.remedy.empty() ? fault.cause : fault.cause + "; " + fault.remedy;
      linger(alert_deadline);
      return Received(std::move(fault));
    }
    // Good records came before the bad one: hand them out; the next call meets the failure again.
    more_plain_ = true;
  }
  if (verdict == TlsSession::Read::ended) ended_ = true;
  if (!lent_.empty()) {
    received_bytes_ += lent_.size();
    return Received(lent_.view());
  }
  core_->chunks().give(std::move(lent_));
  if (ended_ && verdict == TlsSession::Read::ended) return Received(std::string_view());
  if (ended_) truncated_ = true;
  return std::nullopt;
}

void Stream::wait_for_bytes(Waiter<Received> waiter) {
  if (receiver_ || each_) return waiter.post(core_->context(), Fault{FaultCode::conflict, "stream", "another receive() is waiting", ""});
  receiver_ = std::move(waiter);
  receiver_.on_cancel([this] {
    if (receiver_ && core_ != nullptr) receiver_.post(core_->context(), cancelled_fault());
  });
}

void Stream::on_bytes(std::string_view bytes) {
  const auto self = shared_from_this();
  if (securing_ != nullptr && !securing_->finished) {
    if (!unread_.empty()) {  // left over from before STARTTLS
      unread_.append(bytes);
      std::string_view input = unread_.view();
      step_handshake(input);
      if (core_ != nullptr) unread_.consume(unread_.size() - input.size());
      return;
    }
    step_handshake(bytes);
    if (core_ == nullptr || bytes.empty()) return;
  }
  if (closing_ && !receiver_ && !reader_) return;
  if (reader_) {
    read_each(bytes);
    if (!bytes.empty() && core_ != nullptr && !closing_) core_->chunks().append(unread_, bytes);
    return;
  }
  if (receiver_ && unread_.empty()) {
    if (session_ == nullptr) {
      core_->chunks().append(lent_, bytes);
      received_bytes_ += bytes.size();
      return receiver_.resume(lent_.view());
    }
    auto ready = decrypt(bytes);
    if (!bytes.empty() && core_ != nullptr) core_->chunks().append(unread_, bytes);
    if (ready) receiver_.resume(std::move(*ready));
    return;
  }
  core_->chunks().append(unread_, bytes);
  if (receiver_) {
    auto ready = take_ready();
    if (ready && receiver_) receiver_.resume(std::move(*ready));
    return;
  }
  if (unread_.size() < limits_.receive_limit_bytes || paused_) return;
  paused_ = true;
  ++core_->counters().receive_paused;
  core_->pause_receive(slot_);
}

void Stream::on_end(int error) {
  const auto self = shared_from_this();
  if (securing_ != nullptr && !securing_->finished) {
    HandshakeFailure failure = session_->interrupted(error);
    const std::string reason = failure.text;
    finish_handshake(std::move(failure), true);
    return close(reason);
  }
  if (error != 0) return close(std::strerror(error));
  if (session_ != nullptr && !ended_) truncated_ = unread_.empty();
  ended_ = true;
  if (closing_ && fin_sent_) return close(close_reason_);
  if (receiver_) receiver_.resume(std::string_view());
  else if (each_) finish_each(Done{});
}

// --- sending ---------------------------------------------------------------------------------------------------------------------

void Stream::expect_bulk() {
  if (session_ != nullptr) session_->keep_buffers();
}

size_t Stream::queued_bytes() const {
  return core_ == nullptr ? 0 : queue_.size() + wire_.size() + core_->slot(slot_).sending.size();
}

SendVerdict Stream::send(std::string_view bytes) {
  if (core_ == nullptr || closing_) return SendVerdict::closed;
  if (queued_bytes() + bytes.size() > limits_.queue_limit_bytes) {
    ++core_->counters().queue_full;
    return SendVerdict::queue_full;
  }
  core_->mark_dirty(slot_);
  if (bytes.size() >= record_bytes && session_ != nullptr && established_) {
    const std::optional<std::string_view> rest = encrypt_at_once(bytes);
    if (!rest) {
      close("TLS could not send");
      return SendVerdict::closed;
    }
    bytes = *rest;
    if (bytes.empty()) return SendVerdict::queued;
  }
  core_->chunks().append(queue_, bytes);
  return SendVerdict::queued;
}

// Full records from where the bytes are, not from a copy of them; what little is queued goes before in one of its own. What is left
// waits in the queue. Nothing: TLS failed.
std::optional<std::string_view> Stream::encrypt_at_once(std::string_view bytes) {
  if (queue_.size() > small_record_bytes) return bytes;
  while (bytes.size() >= record_bytes && wire_.size() + record_bytes + small_record_bytes <= encrypt_ahead_bytes) {
    if (!wire_.owns_memory()) wire_ = core_->chunks().take_large();
    if (!queue_.empty()) {
      if (!session_->write(queue_.view(), wire_)) return std::nullopt;
      sent_bytes_ += queue_.size();
      core_->chunks().give(std::move(queue_));
    }
    if (!session_->write(bytes.substr(0, record_bytes), wire_)) return std::nullopt;
    sent_bytes_ += record_bytes;
    bytes.remove_prefix(record_bytes);
  }
  return bytes;
}

asio::awaitable<Outcome<>> Stream::write(std::string_view bytes) {
  const auto self = shared_from_this();
  while (!bytes.empty()) {
    const size_t piece = std::min<size_t>(bytes.size(), std::min(limits_.low_water_bytes, limits_.queue_limit_bytes));
    const SendVerdict verdict = send(bytes.substr(0, piece));
    if (verdict == SendVerdict::closed) co_return closed_fault();
    if (verdict == SendVerdict::queued) bytes.remove_prefix(piece);
    const size_t threshold = verdict == SendVerdict::queued ? limits_.low_water_bytes : limits_.queue_limit_bytes - piece;
    if (queued_bytes() <= threshold) continue;
    const auto drained = co_await wait_until(threshold, false);
    if (!drained) co_return drained.fault();
  }
  co_return Done{};
}

asio::awaitable<Outcome<>> Stream::drain(size_t but_bytes) { return wait_until(but_bytes, false); }

asio::awaitable<Outcome<>> Stream::wait_until(size_t threshold_bytes, bool until_closed) {
  const auto self = shared_from_this();
  if (core_ == nullptr) {
    if (until_closed) co_return Done{};
    co_return closed_fault();
  }
  if (!until_closed && queued_bytes() <= threshold_bytes) co_return Done{};
  co_return co_await wait_for<Outcome<>>(
      [this, threshold_bytes, until_closed](Waiter<Outcome<>> waiter) { add_draining(threshold_bytes, until_closed, std::move(waiter)); });
}

void Stream::add_draining(size_t threshold_bytes, bool until_closed, Waiter<Outcome<>> waiter) {
  static thread_local uint64_t next_id = 1;
  const uint64_t id = next_id++;
  waiter.on_cancel([this, id] {
    const auto found = std::find_if(draining_.begin(), draining_.end(), [id](const Draining& one) { return one.id == id; });
    if (found == draining_.end() || core_ == nullptr) return;
    Waiter<Outcome<>> cancelled = std::move(found->waiter);
    draining_.erase(found);
    cancelled.post(core_->context(), cancelled_fault());
  });
  draining_.push_back({threshold_bytes, until_closed, id, std::move(waiter)});
}

// Moves what may go next into wire_: false when TLS cannot carry it.
bool Stream::fill_wire() {
  if (session_ != nullptr && !established_) return true;
  if (session_ == nullptr) {
    if (!wire_.empty()) return true;
    wire_ = std::move(queue_);
    sent_bytes_ += wire_.size();
    return true;
  }
  while (!queue_.empty() && wire_.size() < encrypt_at_once_bytes) {
    const std::string_view piece = queue_.view().substr(0, record_bytes);
    if (!wire_.owns_memory()) wire_ = queue_.size() > 8192 ? core_->chunks().take_large() : core_->chunks().take();
    if (!session_->write(piece, wire_)) return false;
    sent_bytes_ += piece.size();
    queue_.consume(piece.size());
  }
  if (queue_.empty() && queue_.owns_memory()) core_->chunks().give(std::move(queue_));
  if (closing_ && queue_.empty() && !notified_) {
    notified_ = true;
    session_->close_notify(wire_);
  }
  return true;
}

void Stream::flush() {
  EngineCore::Slot& entry = core_->slot(slot_);
  if (entry.is_sending) return;
  for (;;) {
    if (!fill_wire()) return close("TLS could not send");
    if (wire_.empty()) return after_sent();
    if (entry.sending.owns_memory()) core_->chunks().give(std::move(entry.sending));
    entry.sending = std::move(wire_);
    const std::optional<int> result = core_->start_send(slot_);
    if (!result) return;
    if (!finish_send(*result)) return;
  }
}

void Stream::on_sent(int result) {
  if (finish_send(result)) flush();
}

// True: everything in flight is out and more may follow.
bool Stream::finish_send(int result) {
  EngineCore::Slot& entry = core_->slot(slot_);
  for (;;) {
    if (result < 0) {
      const auto self = shared_from_this();
      close(std::strerror(-result));
      return false;
    }
    ++core_->counters().sends;
    core_->counters().sent_bytes += static_cast<uint64_t>(result);
    entry.sending.consume(static_cast<size_t>(result));
    if (entry.sending.empty()) break;
    const std::optional<int> again = core_->start_send(slot_);
    if (!again) return false;
    result = *again;
  }
  core_->chunks().give(std::move(entry.sending));
  return true;
}

void Stream::after_sent() {
  const auto self = draining_.empty() && !closing_ ? nullptr : shared_from_this();
  if (closing_ && !fin_sent_ && (established_ || session_ == nullptr || queue_.empty())) {
    fin_sent_ = true;
    ::shutdown(core_->slot(slot_).fd, SHUT_WR);
    if (ended_) return close(close_reason_);
  }
  if (!draining_.empty()) notify_draining();
}

void Stream::notify_draining() {
  for (size_t i = 0; i < draining_.size() && core_ != nullptr;) {
    if (draining_[i].until_closed || queued_bytes() > draining_[i].threshold_bytes) {
      ++i;
      continue;
    }
    Waiter<Outcome<>> waiter = std::move(draining_[i].waiter);
    draining_.erase(draining_.begin() + static_cast<std::ptrdiff_t>(i));
    waiter.resume(Done{});
  }
}

// --- ending ----------------------------------------------------------------------------------------------------------------------

asio::awaitable<void> Stream::shutdown(std::chrono::milliseconds deadline) {
  const auto self = shared_from_this();
  close_after_send(deadline);
  [[maybe_unused]] const auto closed = co_await wait_until(0, true);
}

void Stream::close_after_send(std::chrono::milliseconds deadline) {
  if (core_ == nullptr || closing_) return;
  if (close_reason_.empty()) close_reason_ = "closed here";
  linger(deadline);
}

void Stream::linger(std::chrono::milliseconds deadline) {
  closing_ = true;
  if (session_ != nullptr && !established_) queue_.clear();
  self_ = shared_from_this();
  core_->set_hard_deadline(slot_, std::max(deadline, std::chrono::milliseconds(1)));
  if (paused_) {  // the peer's FIN stands behind unread bytes
    paused_ = false;
    core_->want_receive(slot_);
  }
  core_->mark_dirty(slot_);
}

void Stream::close(std::string_view reason) {
  if (core_ == nullptr) return;
  const auto self = std::move(self_);
  EngineCore& core = *core_;
  open_ = false;
  if (close_reason_.empty() || !closing_) close_reason_ = reason;
  release_chunks();
  core_ = nullptr;
  core.release(slot_);
  // Posted, never called here: the caller may be one of these coroutines, or hold references it still needs.
  if (receiver_) receiver_.post(core.context(), closed_fault());
  if (each_) each_.post(core.context(), closed_fault());
  for (Draining& one : std::exchange(draining_, {})) one.waiter.post(core.context(), one.until_closed ? Outcome<>(Done{}) : Outcome<>(closed_fault()));
  if (securing_ != nullptr && !securing_->finished) {
    HandshakeFailure failure;
    failure.reason = HandshakeReason::closed;
    failure.text = close_reason_;
    core_ = &core;
    finish_handshake(std::move(failure), false);
    core_ = nullptr;
  }
  guard_.reset();
}

Stream::Detached::Detached() = default;
Stream::Detached::Detached(Detached&& other) noexcept : fd(std::exchange(other.fd, -1)), session(std::move(other.session)) {}
Stream::Detached::~Detached() {
  if (fd >= 0) ::close(fd);
}

void Stream::hold() {
  if (core_ == nullptr) return;
  paused_ = true;
  core_->pause_receive(slot_);
}

bool Stream::is_still() const {
  if (core_ == nullptr || !(established_ || stands_in_) || closing_ || ended_ || more_plain_) return false;
  const EngineCore::Slot& entry = core_->slot(slot_);
  return entry.operations == 0 && !entry.is_sending && entry.sending.empty() && unread_.empty() && lent_.empty() && queue_.empty() && wire_.empty();
}

Stream::Detached Stream::detach() {
  Detached taken;
  if (!is_still()) return taken;
  taken.fd = ::fcntl(core_->slot(slot_).fd, F_DUPFD_CLOEXEC, 0);
  taken.session = std::move(session_);
  open_ = false;
  close_reason_ = "handed over";
  release_chunks();
  std::exchange(core_, nullptr)->release(slot_);
  guard_.reset();
  return taken;
}

void Stream::release_chunks() {
  for (Chunk* chunk : {&unread_, &lent_, &queue_, &wire_}) {
    if (chunk->owns_memory()) core_->chunks().give(std::move(*chunk));
  }
}

void Stream::on_deadline(bool is_idle) {
  const auto self = shared_from_this();
  if (securing_ != nullptr && !securing_->finished) {
    HandshakeFailure failure;
    failure.reason = HandshakeReason::timed_out;
    failure.text = "the TLS handshake did not finish within its deadline";
    failure.remedy = "check the path for loss, and that the peer speaks TLS on this port";
    finish_handshake(std::move(failure), true);
    return close("TLS handshake timed out");
  }
  close(is_idle ? "idle for too long" : "the peer did not close within the deadline");
}

void Stream::set_idle_deadline(std::chrono::milliseconds idle) {
  if (core_ != nullptr) core_->set_idle(slot_, idle);
}

// --- TLS -------------------------------------------------------------------------------------------------------------------------

asio::awaitable<Stream::HandshakeResult> Stream::secure_server(std::shared_ptr<TlsPolicy> policy, std::chrono::milliseconds deadline, std::string name) {
  return secure(TlsSession::server(std::move(policy), std::move(name)), deadline);
}

asio::awaitable<Stream::HandshakeResult> Stream::secure_client(std::shared_ptr<TlsPolicy> policy, std::string sni, std::vector<std::string> peer_names,
                                                               std::chrono::milliseconds deadline) {
  if (peer_names.empty()) peer_names.push_back(sni.empty() ? peer_.ip() : sni);
  return secure(TlsSession::client(std::move(policy), sni, std::move(peer_names)), deadline);
}

asio::awaitable<Stream::HandshakeResult> Stream::secure(Outcome<std::unique_ptr<TlsSession>> made, std::chrono::milliseconds deadline) {
  const auto self = shared_from_this();
  HandshakeFailure failure;
  if (core_ == nullptr || closing_ || session_ != nullptr || !made) {
    failure.reason = made ? HandshakeReason::closed : HandshakeReason::no_credential;
    failure.text = !made ? made.fault().text() : session_ != nullptr ? "the stream already is TLS" : "the connection is closed: " + close_reason_;
    close(failure.text);
    co_return failure;
  }
  wire_.append(queue_.view());  // plain bytes queued before belong before the handshake
  queue_.clear();
  session_ = std::move(*made);
  securing_ = std::make_unique<Securing>();
  core_->set_hard_deadline(slot_, deadline);
  std::string_view input = unread_.view();
  step_handshake(input);
  unread_.consume(unread_.size() - input.size());
  if (unread_.empty() && unread_.owns_memory() && core_ != nullptr) core_->chunks().give(std::move(unread_));
  if (ended_ && core_ != nullptr && !securing_->finished) on_end(0);
  if (!securing_->finished) {
    co_return co_await wait_for<HandshakeResult>([this](Waiter<HandshakeResult> waiter) {
      securing_->waiter = std::move(waiter);
      securing_->waiter.on_cancel([this] { close("the handshake was cancelled"); });
    });
  }
  HandshakeResult result = std::move(securing_->result);
  securing_.reset();
  co_return result;
}

void Stream::step_handshake(std::string_view& input) {
  const TlsSession::Step step = session_->handshake(input, wire_);
  if (!wire_.empty()) core_->mark_dirty(slot_);
  if (step == TlsSession::Step::want_input) return;
  if (step == TlsSession::Step::done) {
    established_ = true;
    core_->set_hard_deadline(slot_, std::chrono::milliseconds(0));
    if (!queue_.empty()) core_->mark_dirty(slot_);
    return finish_handshake(std::nullopt, true);
  }
  HandshakeFailure failure = session_->failure();
  close_reason_ = failure.text;
  linger(alert_deadline);  // so that the alert gets out
  finish_handshake(std::move(failure), true);
}

void Stream::finish_handshake(HandshakeResult result, bool resume_now) {
  securing_->finished = true;
  if (!securing_->waiter) {
    securing_->result = std::move(result);
    return;
  }
  const std::unique_ptr<Securing> securing = std::move(securing_);
  if (resume_now) securing->waiter.resume(std::move(result));
  else securing->waiter.post(core_->context(), std::move(result));
}

std::vector<std::shared_ptr<X509>> Stream::peer_chain() const { return session_ == nullptr ? std::vector<std::shared_ptr<X509>>{} : session_->peer_chain(); }
TlsFacts Stream::tls_facts() const { return session_ == nullptr ? TlsFacts{} : session_->facts(); }

}  // namespace sallyport::tls
