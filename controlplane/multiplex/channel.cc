// SPDX-License-Identifier: Apache-2.0
#include "controlplane/multiplex/channel.h"

#include <algorithm>
#include <cstring>

#include "controlplane/multiplex/session.h"

namespace sallyport::multiplex {

namespace {
constexpr size_t kept_bytes = 512;  // of a queue that is empty: most channels are idle most of the time
}  // namespace

const std::string* find_field(const Fields& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

Channel::~Channel() = default;

Fault Channel::closed_fault() const { return Fault{FaultCode::refused, "channel " + purpose_, close_reason_.empty() ? "is finished" : close_reason_, ""}; }

boost::asio::awaitable<Outcome<std::string_view>> Channel::receive() {
  const std::shared_ptr<Channel> self = shared_from_this();
  if (!lent_.empty()) {
    const size_t taken = std::exchange(lent_, {}).size();
    if (session_ != nullptr) session_->on_taken(*this, taken);
  }
  if (!incoming_.empty() || is_ended_by_peer_ || session_ == nullptr) co_return take_ready();
  auto begin = [self](Waiter<Received> waiter) {
    self->receiver_ = std::move(waiter);
    // A reader that gives up loses no byte.
    self->receiver_.on_cancel([self] {
      if (self->receiver_ && self->session_ != nullptr) std::exchange(self->receiver_, {}).post(self->session_->context(), Fault{FaultCode::refused, "channel", "cancelled", ""});
    });
  };
  co_return co_await wait_for<Received>(std::move(begin));
}

Channel::Received Channel::take_ready() {
  if (!incoming_.empty()) {
    lent_ = std::exchange(incoming_, {});
    return std::string_view(lent_);
  }
  if (is_ended_by_peer_) return std::string_view{};
  return closed_fault();
}

void Channel::on_bytes(std::string_view bytes) {
  received_bytes_ += bytes.size();
  incoming_ += bytes;
  if (receiver_) std::exchange(receiver_, {}).post(session_->context(), take_ready());
}

void Channel::on_finished() {
  is_ended_by_peer_ = true;
  if (receiver_) std::exchange(receiver_, {}).post(session_->context(), take_ready());
}

bool Channel::send(std::string_view bytes) {
  if (session_ == nullptr || is_finished_ || unsent_bytes() + bytes.size() > queue_limit_bytes) return false;
  if (bytes.empty()) return true;
  outgoing_.append(bytes);
  session_->resume_sending(*this);
  return true;
}

boost::asio::awaitable<Outcome<>> Channel::write(std::string_view bytes) {
  const std::shared_ptr<Channel> self = shared_from_this();
  if (session_ == nullptr || is_finished_) co_return closed_fault();
  outgoing_.append(bytes);
  session_->resume_sending(*this);
  if (session_ == nullptr) co_return closed_fault();
  if (unsent_bytes() <= queue_limit_bytes) co_return Done{};
  auto begin = [self](Waiter<Outcome<>> waiter) { self->writer_ = std::move(waiter); };
  co_return co_await wait_for<Outcome<>>(std::move(begin));
}

size_t Channel::copy_unsent(uint8_t* buffer, size_t room) {
  const size_t count = std::min(room, unsent_bytes());
  std::memcpy(buffer, outgoing_.data() + outgoing_at_, count);
  outgoing_at_ += count;
  sent_bytes_ += count;
  if (outgoing_at_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_at_ = 0;
    if (outgoing_.capacity() > kept_bytes) std::string().swap(outgoing_);  // assignment would keep it
  } else if (outgoing_at_ > queue_limit_bytes) {
    outgoing_.erase(0, std::exchange(outgoing_at_, 0));
  }
  return count;
}

void Channel::accept(const Fields& fields) {
  if (session_ != nullptr) session_->accept(shared_from_this(), fields);
}

void Channel::refuse(int status, std::string_view reason) {
  if (session_ != nullptr) session_->refuse(shared_from_this(), status, reason);
}

void Channel::finish() {
  if (session_ == nullptr || std::exchange(is_finished_, true)) return;
  session_->resume_sending(*this);
}

void Channel::close(std::string_view reason) {
  if (session_ == nullptr) return;
  close_reason_ = reason;
  session_->reset(*this, 0);
}

void Channel::on_closed(std::string_view reason) {
  boost::asio::io_context& context = session_->context();
  if (close_reason_.empty()) close_reason_ = reason;
  session_ = nullptr;
  if (receiver_) std::exchange(receiver_, {}).post(context, take_ready());
  if (writer_) std::exchange(writer_, {}).post(context, closed_fault());
}

}  // namespace sallyport::multiplex
