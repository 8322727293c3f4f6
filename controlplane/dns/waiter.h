// SPDX-License-Identifier: Apache-2.0
#pragma once
// Waiter: a suspended coroutine (or other Asio handler) that waits for one Result, type-erased; move-only, at most one resumption.
// resume() runs it here and now; post() from the io_context. wait_for() suspends the calling coroutine and hands its Waiter to begin.
// on_cancel, if it is cancelled, is called once and must see to it that the Waiter is posted. Any one thread.

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

namespace sallyport {

template <class Result>
class Waiter {
 public:
  Waiter() = default;
  template <class Handler>
  static Waiter of(Handler handler) {
    Waiter waiter;
    waiter.held_ = std::make_unique<Model<Handler>>(std::move(handler));
    return waiter;
  }
  explicit operator bool() const { return held_ != nullptr; }

  template <class OnCancel>
  void on_cancel(OnCancel call) {
    held_->slot = held_->cancellation();
    if (held_->slot.is_connected()) held_->slot.assign([call](boost::asio::cancellation_type) mutable { call(); });
  }
  void resume(Result result) {
    const std::unique_ptr<Base> held = std::move(held_);
    held->disarm();
    held->resume(std::move(result));
  }
  void post(boost::asio::io_context& context, Result result) {
    held_->disarm();
    boost::asio::post(context, [held = std::move(held_), result = std::move(result)]() mutable { held->resume(std::move(result)); });
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void resume(Result result) = 0;
    virtual boost::asio::cancellation_slot cancellation() = 0;
    void disarm() {
      if (slot.is_connected()) slot.clear();
      slot = {};
    }
    boost::asio::cancellation_slot slot;
  };
  template <class Handler>
  struct Model final : Base {
    explicit Model(Handler from) : handler(std::move(from)) {}
    void resume(Result result) override { std::move(handler)(std::move(result)); }
    boost::asio::cancellation_slot cancellation() override { return boost::asio::get_associated_cancellation_slot(handler); }
    Handler handler;
  };
  std::unique_ptr<Base> held_;
};

// begin(Waiter<Result>) runs once the coroutine is suspended; it must not resume the Waiter itself, but may post it.
template <class Result, class Begin>
boost::asio::awaitable<Result> wait_for(Begin begin) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Result)>(
      [begin = std::move(begin)](auto handler) mutable { begin(Waiter<Result>::of(std::move(handler))); }, boost::asio::use_awaitable);
}

}  // namespace sallyport
