// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published<T>: what a store shows of itself, as an immutable snapshot, and the form of a change: under the store's mutex, a SqliteFailure made
// a Fault, and whoever listens told after the mutex is free, if the change published something. get() from any thread.

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "controlplane/store/sqlite_database.h"

namespace sallyport::store {

template <class T>
class Published {
 public:
  using Listener = std::function<void()>;

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }
  // Runs on the thread that made the change; may read the store and change it.
  void set_listener(Listener listener) { listener_ = std::move(listener); }

  // With the store's mutex held, or before others know the store.
  void publish(T value) {
    auto fresh = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(fresh);
    has_news_ = true;
  }

  // work() returns an Outcome.
  template <class Work>
  auto change(std::mutex& store, Work work) -> decltype(work()) {
    bool has_news = false;
    auto outcome = [&] {
      const std::lock_guard lock(store);
      has_news_ = false;
      auto result = guarded(work);
      has_news = has_news_;
      return result;
    }();
    if (has_news && listener_) listener_();
    return outcome;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> snapshot_;
  bool has_news_ = false;  // under the store's mutex
  Listener listener_;
};

}  // namespace sallyport::store
