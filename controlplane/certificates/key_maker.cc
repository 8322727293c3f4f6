// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/key_maker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>

namespace sallyport::certificates {

namespace asio = boost::asio;

asio::awaitable<Outcome<KeyPtr>> make_key_aside(KeyKind kind) {
  static asio::thread_pool pool(1);
  auto made = std::make_shared<std::optional<Outcome<KeyPtr>>>();
  auto work = [kind, made]() -> asio::awaitable<void> {
    *made = make_key(kind);
    co_return;
  };
  co_await asio::co_spawn(pool, std::move(work), asio::use_awaitable);
  co_return std::move(**made);
}

}  // namespace sallyport::certificates
