// SPDX-License-Identifier: Apache-2.0
#pragma once
// PasswordWorker: derives and compares passwords on a thread of its own and resumes on the caller's, one at a time: the node's thread
// has calls to carry, and a flood of logins may take one core at most. What waits is bounded. Use it on one thread; it must go before
// the io_context that it resumes on, and ends only when the work in hand has.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "controlplane/accounts/password.h"

namespace sallyport::accounts {

struct PasswordWorkerOptions {
  PasswordCost cost;
  std::size_t most_waiting = 16;
};

class PasswordWorker {
 public:
  explicit PasswordWorker(PasswordWorkerOptions options = {});

  // Fault exhausted: too many wait already.
  boost::asio::awaitable<Outcome<PasswordHash>> hash(std::shared_ptr<const store::Secret> password);
  boost::asio::awaitable<Outcome<bool>> check(std::shared_ptr<const store::Secret> password, PasswordHash stored);
  // Of a password that nobody has: who does not exist must take as long as who does.
  const PasswordHash& decoy() const { return decoy_; }

 private:
  struct Place;  // among those who wait
  Outcome<std::shared_ptr<Place>> take_place();
  PasswordWorkerOptions options_;
  std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);
  PasswordHash decoy_;
  boost::asio::thread_pool pool_{1};
};

}  // namespace sallyport::accounts
