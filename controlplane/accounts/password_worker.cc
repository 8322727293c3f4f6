// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/password_worker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

namespace sallyport::accounts {

namespace asio = boost::asio;

struct PasswordWorker::Place {
  explicit Place(std::shared_ptr<std::size_t> of) : waiting(std::move(of)) { ++*waiting; }
  ~Place() { --*waiting; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  std::shared_ptr<std::size_t> waiting;
};

PasswordWorker::PasswordWorker(PasswordWorkerOptions options) : options_(options) {
  // Random bytes instead of a derived hash: nothing fits it, and making one would cost the start a fifth of a second.
  decoy_.cost = options.cost;
  decoy_.salt.assign(16, '\x5a');
  decoy_.hash.assign(32, '\xa5');
}

Outcome<std::shared_ptr<PasswordWorker::Place>> PasswordWorker::take_place() {
  if (*waiting_ >= options_.most_waiting) return Fault{FaultCode::exhausted, "password", "too many are being checked at this moment", "try again in a few seconds"};
  return std::make_shared<Place>(waiting_);
}

asio::awaitable<Outcome<PasswordHash>> PasswordWorker::hash(std::shared_ptr<const store::Secret> password) {
  const auto place = take_place();
  if (!place) co_return place.fault();
  auto made = std::make_shared<std::optional<Outcome<PasswordHash>>>();
  auto work = [password, made, cost = options_.cost]() -> asio::awaitable<void> {
    *made = hash_password(*password, cost);
    co_return;
  };
  co_await asio::co_spawn(pool_, std::move(work), asio::use_awaitable);
  co_return std::move(**made);
}

asio::awaitable<Outcome<bool>> PasswordWorker::check(std::shared_ptr<const store::Secret> password, PasswordHash stored) {
  const auto place = take_place();
  if (!place) co_return place.fault();
  auto fits = std::make_shared<bool>(false);
  auto work = [password, fits, stored = std::move(stored)]() -> asio::awaitable<void> {
    *fits = is_password(*password, stored);
    co_return;
  };
  co_await asio::co_spawn(pool_, std::move(work), asio::use_awaitable);
  co_return *fits;
}

}  // namespace sallyport::accounts
