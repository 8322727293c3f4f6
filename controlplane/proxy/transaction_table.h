// SPDX-License-Identifier: Apache-2.0
#pragma once
// TransactionTable: owns every RelayTransaction of the thread, found by the sender's branch (server side) or by the id in our
// own branch (client side). A transaction that is over leaves the maps at once and is destroyed in reap(), so that code
// further up the stack may still hold it. Bounded by `capacity`; a full table refuses and the proxy answers 503.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/proxy/relay_transaction.h"

namespace sallyport::proxy {

class TransactionTable {
 public:
  TransactionTable(TimerWheel& wheel, const TimerSettings& settings, size_t capacity);

  // nullptr when the table is full.
  RelayTransaction* create(TransactionOwner& owner, Method method, std::shared_ptr<Hop> server_hop, std::string server_key,
                           std::string request);
  RelayTransaction* find_server(std::string_view key);
  RelayTransaction* find_client(uint64_t id);
  void remove(RelayTransaction& transaction);
  void reap() { over_.clear(); }
  // Tells every transaction that uses the hop; `hop.transactions` 0 skips the search.
  void on_hop_lost(const Hop& hop) { tell(hop, &RelayTransaction::on_hop_lost); }
  void on_hop_silent(const Hop& hop) { tell(hop, &RelayTransaction::on_hop_silent); }
  size_t size() const { return by_id_.size(); }

 private:
  void tell(const Hop& hop, void (RelayTransaction::*what)(uint64_t hop_id));

  TimerWheel& wheel_;
  const TimerSettings& settings_;
  const size_t capacity_;
  uint64_t next_id_;
  std::unordered_map<uint64_t, std::unique_ptr<RelayTransaction>> by_id_;
  std::unordered_map<std::string_view, RelayTransaction*> by_server_key_;  // views into the transaction's own key
  std::vector<std::unique_ptr<RelayTransaction>> over_;
};

}  // namespace sallyport::proxy
