// SPDX-License-Identifier: Apache-2.0
// A backup of the node's store, made beside its work: scrypt alone takes a fifth of a second.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>
#include <memory>
#include <optional>

#include "controlplane/config/utc.h"
#include "controlplane/node/node_facts.h"
#include "controlplane/store/backup.h"

namespace sallyport::node {

namespace asio = boost::asio;

NodeFacts::Awaitable<Outcome<std::string>> NodeFacts::backup(std::string passphrase) {
  static asio::thread_pool pool(1);
  store::BackupInfo info{.node = node_.config().node.name, .role = config::name_of(node_.config().node.role), .version = version_, .made = config::utc(std::time(nullptr))};
  auto secret = std::make_shared<store::Secret>(passphrase);
  auto made = std::make_shared<std::optional<Outcome<std::string>>>();
  auto work = [folder = node_.config().node.state_dir, info, secret, made]() -> asio::awaitable<void> {
    *made = store::make_backup(folder, info, *secret);
    co_return;
  };
  co_await asio::co_spawn(pool, std::move(work), asio::use_awaitable);
  co_return std::move(**made);
}

}  // namespace sallyport::node
