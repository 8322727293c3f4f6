// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/transaction_table.h"

#include <openssl/rand.h>

namespace sallyport::proxy {

namespace {
// Ids stand in our branches: a random start keeps those of an earlier life from matching.
uint64_t random_start() {
  uint64_t value = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value);
  return value >> 8;
}
}  // namespace

TransactionTable::TransactionTable(TimerWheel& wheel, const TimerSettings& settings, size_t capacity)
    : wheel_(wheel), settings_(settings), capacity_(capacity), next_id_(random_start()) {}

RelayTransaction* TransactionTable::create(TransactionOwner& owner, Method method, std::shared_ptr<Hop> server_hop,
                                           std::string server_key, std::string request) {
  reap();
  if (by_id_.size() >= capacity_) return nullptr;
  const uint64_t id = ++next_id_;
  ++server_hop->transactions;
  auto made = std::make_unique<RelayTransaction>(id, owner, wheel_, settings_, method, std::move(server_hop),
                                                 std::move(server_key), std::move(request));
  RelayTransaction* transaction = made.get();
  by_id_.emplace(id, std::move(made));
  if (!transaction->server_key().empty()) by_server_key_.insert_or_assign(transaction->server_key(), transaction);
  return transaction;
}

RelayTransaction* TransactionTable::find_server(std::string_view key) {
  const auto found = by_server_key_.find(key);
  return found == by_server_key_.end() ? nullptr : found->second;
}

RelayTransaction* TransactionTable::find_client(uint64_t id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

void TransactionTable::remove(RelayTransaction& transaction) {
  const auto by_key = by_server_key_.find(transaction.server_key());
  if (by_key != by_server_key_.end() && by_key->second == &transaction) by_server_key_.erase(by_key);
  const auto found = by_id_.find(transaction.id());
  if (found == by_id_.end()) return;
  if (transaction.server_hop()->transactions > 0) --transaction.server_hop()->transactions;
  over_.push_back(std::move(found->second));
  by_id_.erase(found);
}

void TransactionTable::tell(const Hop& hop, void (RelayTransaction::*what)(uint64_t hop_id)) {
  if (hop.transactions == 0) return;
  std::vector<uint64_t> concerned;
  for (const auto& [id, transaction] : by_id_)
    if (transaction->uses_hop(hop.id)) concerned.push_back(id);
  // A transaction may end another one (call torn down), so each is looked up again.
  for (const uint64_t id : concerned)
    if (RelayTransaction* transaction = find_client(id)) (transaction->*what)(hop.id);
}

}  // namespace sallyport::proxy
