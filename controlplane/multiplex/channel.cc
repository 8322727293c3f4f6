// SPDX-License-Identifier: Apache-2.0
#include "controlplane/multiplex/channel.h"

#include <algorithm>

#include "controlplane/multiplex/session.h"

namespace sallyport::multiplex {

const std::string* find_field(const Fields& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

Channel::~Channel() = default;

Fault Channel::closed_fault() const { return Fault{FaultCode::refused, "channel " + purpose_, close_reason_.empty() ? "is finished" : close_reason_, ""}; }

boost::asio::awaitable<Outcome<std::string_view>> Channel::receive() {
  const std::shared_ptr<Channel> self = shared_from_this();
  if (!lent_.empty()) {
    const size_t taken = lent_.size();
    lent_.clear();
    if (session_ != nullptr) session_->on_taken(*this, taken);
  }
  if (!incoming_.empty() || is_ended_by_peer_ || session_ == nullptr) co_return take_ready();
  // Idle it holds no memory.
  let_go(lent_);
  let_go(incoming_);
  auto begin = [self](Waiter<Outcome<>> waiter) {
    self->receiver_ = std::move(waiter);
    // A reader that gives up loses no byte.
    self->receiver_.on_cancel([self] {
      if (self->receiver_ && self->session_ != nullptr) std::exchange(self->receiver_, {}).post(self->session_->context(), Fault{FaultCode::refused, "channel", "cancelled", ""});
    });
  };
  const Outcome<> woken = co_await wait_for<Outcome<>>(std::move(begin));
  if (!woken) co_return woken.fault();
  co_return take_ready();  // what came between the first byte and now too
}

Channel::Received Channel::take_ready() {
  if (!incoming_.empty()) {
    std::swap(lent_, incoming_);
    return std::string_view(lent_);
  }
  if (is_ended_by_peer_) return std::string_view{};
  return closed_fault();
}

void Channel::on_bytes(std::string_view bytes) {
  received_bytes_ += bytes.size();
  if (incoming_.empty() && incoming_.capacity() < bytes.size()) incoming_ = session_->take_spare();
  incoming_ += bytes;
  if (receiver_) std::exchange(receiver_, {}).post(session_->context(), Done{});
}

void Channel::on_finished() {
  is_ended_by_peer_ = true;
  if (receiver_) std::exchange(receiver_, {}).post(session_->context(), Done{});
}

void Channel::let_go(std::string& buffer) {
  std::string rest;
  rest.swap(buffer);
  if (session_ != nullptr) session_->give_spare(std::move(rest));
}

bool Channel::send(std::string_view bytes) {
  if (session_ == nullptr || is_finished_ || unsent_bytes() + bytes.size() > queue_limit_bytes) return false;
  keep_direct();
  pass_on(bytes);
  keep_direct();
  return true;
}

boost::asio::awaitable<Outcome<>> Channel::write(std::string_view bytes) {
  const std::shared_ptr<Channel> self = shared_from_this();
  if (session_ == nullptr || is_finished_) co_return closed_fault();
  pass_on(bytes);
  if (session_ == nullptr) co_return closed_fault();
  if (unsent_bytes() <= low_water_bytes) {
    keep_direct();
    co_return Done{};
  }
  auto begin = [self](Waiter<Outcome<>> waiter) { self->writer_ = std::move(waiter); };
  co_return co_await wait_for<Outcome<>>(std::move(begin));
}

void Channel::pass_on(std::string_view bytes) {
  direct_ = bytes;
  if (!bytes.empty()) session_->resume_sending(*this);
}

// A copy of what its writer does not wait for.
void Channel::keep_direct() {
  const std::string_view rest = std::exchange(direct_, {});
  if (rest.empty() || session_ == nullptr) return;
  if (outgoing_.empty() && outgoing_.capacity() < rest.size()) outgoing_ = session_->take_spare();
  if (outgoing_at_ > low_water_bytes) outgoing_.erase(0, std::exchange(outgoing_at_, 0));
  outgoing_.append(rest);
}

void Channel::take_unsent(size_t count) {
  sent_bytes_ += count;
  if (outgoing_.empty()) return direct_.remove_prefix(count);
  outgoing_at_ += count;
  if (outgoing_at_ != outgoing_.size()) return;
  outgoing_.clear();
  outgoing_at_ = 0;
  let_go(outgoing_);
}

void Channel::on_room() {
  if (!writer_ || unsent_bytes() > low_water_bytes) return;
  keep_direct();
  std::exchange(writer_, {}).post(session_->context(), Done{});
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
  let_go(outgoing_);
  direct_ = {};
  session_ = nullptr;
  if (receiver_) std::exchange(receiver_, {}).post(context, Done{});
  if (writer_) std::exchange(writer_, {}).post(context, closed_fault());
}

}  // namespace sallyport::multiplex
